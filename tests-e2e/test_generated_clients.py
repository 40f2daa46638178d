"""Clients that are generated from the merged document work as they are."""

import os
import shutil
import sys
from pathlib import Path

import httpx
import pytest
from support.api import PASSWORD, new_user
from support.deployment import ROOT, Deployment, run

CLIENTS = ROOT / "tests-e2e" / "clients"
PROGRAMS = Path(sys.executable).parent  # of this Python: node and npm are there too
NPM_PACKAGES = ("@hey-api/openapi-ts@0.99.0", "typescript@5.9.3", "@types/node@24.10.1")
COMPILE = (
    "--strict",
    "--target",
    "es2022",
    "--module",
    "commonjs",
    "--moduleResolution",
    "node10",
    "--esModuleInterop",
)


@pytest.fixture
def folder(api: httpx.Client, tmp_path: Path) -> Path:
    """A folder with the document."""
    (tmp_path / "openapi.json").write_bytes(api.get("/openapi.json").content)
    return tmp_path


def run_in(folder: Path, *command: str) -> str:
    variables = {
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder),
        "NODE_USE_SYSTEM_CA": "1",  # a company's proxy may sign all answers
    }
    return run(list(command), {**os.environ, **variables}, folder=folder)


def test_a_python_client_signs_in_pages_and_handles_a_412(
    folder: Path, api: httpx.Client, deployment: Deployment
) -> None:
    user = new_user(api)
    generate = (
        "generate",
        "--path",
        "openapi.json",
        "--output-path",
        "generated",
        "--meta",
        "none",
    )
    run_in(folder, "openapi-python-client", *generate, "--fail-on-warning")
    client = str(CLIENTS / "client.py")
    run_in(folder, sys.executable, client, deployment.url, user.email, PASSWORD)


def test_a_typescript_client_signs_in_pages_and_handles_a_412(
    folder: Path, api: httpx.Client, deployment: Deployment
) -> None:
    user = new_user(api)
    shutil.copy(CLIENTS / "client.ts", folder)
    quiet = ("--no-save", "--no-audit", "--no-fund", "--loglevel=error", "--ignore-scripts")
    run_in(folder, "npm", "install", *quiet, *NPM_PACKAGES)
    run_in(folder, "npx", "openapi-ts", "-i", "openapi.json", "-o", "generated")
    run_in(folder, "npx", "tsc", *COMPILE, "client.ts")
    run_in(folder, "node", "client.js", deployment.url, user.email, PASSWORD)
