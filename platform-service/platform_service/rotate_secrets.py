"""`python -m platform_service.rotate_secrets STEP FILE` changes a secret; no token is refused.

A new key is added, so that every replica verifies with it; then promoted, so that it signs; and
the key before it is dropped once its last token has expired.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from platform_service.keys import PEM_END, TOKEN_SECONDS, read_private_keys
from platform_service.make_secrets import KEY_MODE, PASSWORD_MODE, new_key, new_password, write

# A line before a key, which readers of PEM skip (RFC 7468, section 2).
ADDED = "This key does not sign yet.\n"
RESTART = "Now restart each platform-service and wait until it is ready"


class RefusedError(Exception):
    """The reason why a step cannot be taken."""


@dataclass(frozen=True)
class Step:
    """A step: what it does, what the operator does next, and the file's new content."""

    does: str
    next: str
    content: Callable[[Path], str]
    mode: int = KEY_MODE


def _add(file: Path) -> str:
    keys = _keys(file)
    if any(ADDED in key for key in keys):
        raise RefusedError("a key that does not sign yet is there already: promote-key is next")
    return "".join(keys) + ADDED + new_key().decode()


def _promote(file: Path) -> str:
    keys = _keys(file)
    added = [key for key in keys if ADDED in key]
    if not added:
        raise RefusedError("there is no key that does not sign yet: add-key comes first")
    return "".join(added + [key for key in keys if key not in added]).replace(ADDED, "")


def _drop(file: Path) -> str:
    keys = _keys(file)
    if any(ADDED in key for key in keys):
        raise RefusedError("the key that was added does not sign yet: promote-key comes first")
    if len(keys) == 1:
        raise RefusedError("there is one key only, and it signs")
    return keys[0]


def _keys(file: Path) -> list[str]:
    """Return the keys of a file, each with the text before it."""
    read_private_keys(file)
    return [f"{key.lstrip()}{PEM_END}\n" for key in file.read_text().split(PEM_END)[:-1]]


def _new_password(file: Path) -> str:
    if len(file.read_text().strip().splitlines()) > 1:  # keys, for example
        raise RefusedError("it has several lines, and a password has one")
    return new_password().decode()


STEPS = {
    "add-key": Step(
        "add a key that verifies tokens and does not sign yet",
        f"{RESTART}. Then run promote-key.",
        _add,
    ),
    "promote-key": Step(
        "make the added key sign; the one before it verifies",
        f"{RESTART}. Wait {TOKEN_SECONDS // 60} minutes more, until the last token of the key "
        "before has expired. Then run drop-key.",
        _promote,
    ),
    "drop-key": Step(
        "drop every key but the one that signs",
        f"{RESTART}.",
        _drop,
    ),
    "new-password": Step(
        "make another password of the database",
        "Now run the job that sets up the database, at once: until it has told the database, no "
        "new connection can be made. Nothing has to be restarted.",
        _new_password,
        PASSWORD_MODE,
    ),
}


def rotate(name: str, file: Path) -> str:
    """Take a step, whole or not at all; return what the operator does next."""
    step = STEPS[name]
    try:
        write(file, step.content(file).encode(), step.mode, replace=True)
    except OSError as error:
        raise RefusedError(error.strerror or "it cannot be written") from None
    except ValueError:
        raise RefusedError("it does not hold what this step changes") from None
    return step.next


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m platform_service.rotate_secrets",
        description="Change a secret: add-key, promote-key and drop-key, or new-password.",
    )
    steps = parser.add_subparsers(dest="step", metavar="STEP", required=True)
    for name, step in STEPS.items():
        steps.add_parser(name, help=step.does).add_argument("file", type=Path, metavar="FILE")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = _arguments()
    try:
        sys.stdout.write(f"Done. {rotate(arguments.step, arguments.file)}\n")
    except RefusedError as reason:
        sys.exit(f"rotate_secrets: {arguments.file} is as it was: {reason}.")
