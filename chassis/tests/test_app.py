"""The application: what make_app puts around the routers."""

import asyncio
import json

import httpx
import pytest
import sample
from conftest import SAMPLE, asking
from sqlalchemy import URL

import chassis
from chassis.app import _collections
from chassis_testing.fixtures import only

pytestmark = only("sqlite")


def test_the_document_lists_each_route_once_and_no_health(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert document["info"] == {"title": "Inkwell sample", "version": chassis.__version__}
    assert {path: set(methods) for path, methods in document["paths"].items()} == {
        "/notes/": {"get", "post"},
        "/notes/{note_id}": {"get", "patch", "delete"},
    }


def test_the_collections_are_the_paths_that_end_with_a_slash() -> None:
    assert _collections((sample.router,)) == {"/notes"}


def test_the_last_lines_are_written_when_the_application_ends(
    database_url: URL, capsys: pytest.CaptureFixture[str]
) -> None:
    async def ask() -> None:
        async with asking(sample.create_app(SAMPLE.settings_for(database_url))) as client:
            await client.get("/the-last")

    asyncio.run(ask())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert "/the-last" in [line["path"] for line in lines]
