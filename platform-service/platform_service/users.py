"""`python -m platform_service.users` lists the users, and activates or deactivates one."""

import chassis.signals  # noqa: F401 - first, for the time of the other imports

# isort: split
import argparse
import signal
import sys
from contextlib import closing
from typing import Any

from sqlalchemy.exc import DBAPIError

from chassis.database import Database, reason_of
from chassis.errors import NotFoundError
from chassis.settings import load_settings
from platform_service import crud
from platform_service.config import Settings
from platform_service.database import make_database
from platform_service.emails import as_registered
from platform_service.keys import TOKEN_SECONDS

LINE = "{:>10}  {:<40}  {:<6}  {}\n"
HEADINGS = LINE.format("ID", "E-MAIL", "ACTIVE", "CREATED")
ACTIVE = "User {} is active, and may sign in.\n"
INACTIVE = (
    "User {} is inactive, and every session has ended. A service other than the platform accepts "
    f"a token until it expires, for at most {TOKEN_SECONDS // 60} minutes.\n"
)


def print_users(database: Database) -> None:
    """Print a table of all users, as they are read."""
    with database.read_session() as db:
        lines = (
            LINE.format(
                user_id, email, "yes" if is_active else "no", f"{created_at:%Y-%m-%dT%H:%M:%SZ}"
            )
            for user_id, email, is_active, created_at in crud.iterate_users(db)
        )
        first = next(lines, "")  # before the headings, since the database may be out of reach
        sys.stdout.write(HEADINGS + first)
        sys.stdout.writelines(lines)


def set_active(database: Database, email: str, *, is_active: bool) -> None:
    """Activate or deactivate a user. Raise NotFoundError if nobody has the e-mail."""
    with database.write_session() as db, db.begin():
        user = crud.set_active(db, email, is_active=is_active)
    sys.stdout.write((ACTIVE if is_active else INACTIVE).format(user.id))


def _arguments() -> dict[str, Any]:
    """Return the arguments: `run` is the function of the command, and takes the others."""
    parser = argparse.ArgumentParser("python -m platform_service.users", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    commands.add_parser("list", help="print a table of all users").set_defaults(run=print_users)
    for name, is_active, help_text in (
        ("deactivate", False, "end every session of a user, who cannot sign in any more"),
        ("activate", True, "let a user sign in again"),
    ):
        command = commands.add_parser(name, help=help_text, description=help_text)
        command.add_argument("email", type=_email, metavar="EMAIL", help="in any letter case")
        command.set_defaults(run=set_active, is_active=is_active)
    return vars(parser.parse_args())


def _email(argument: str) -> str:
    if not argument.isprintable():  # bytes that are not UTF-8, for example
        raise argparse.ArgumentTypeError("it is not an e-mail address")
    return as_registered(argument)


def main() -> None:
    """Run the command, or end the process with one sentence."""
    arguments = _arguments()
    run = arguments.pop("run")
    settings = load_settings(Settings)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `… | head` ends this without a word
    # An e-mail may have letters that the terminal's encoding does not have.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # it is not replaced
    try:
        with closing(make_database(settings)) as database:
            run(database, **arguments)
            sys.stdout.flush()
    except NotFoundError:
        sys.exit("users: nobody has this e-mail.")
    except DBAPIError as error:
        sys.exit(f"users: the database cannot be used: {reason_of(error)}")
    except OSError as error:
        sys.exit(f"users: the output cannot be written: {error.strerror}")


if __name__ == "__main__":
    main()
