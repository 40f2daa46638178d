"""`python -m platform_service.users` lists the users, or says who of them may sign in."""

import chassis.signals  # noqa: F401 - first, for the time of the other imports

# isort: split
import argparse
import signal
import sys
from contextlib import closing

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

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
DONE = {
    "activate": "User {} is active, and may sign in.",
    "deactivate": "User {} is inactive, and every session has ended. A service other than the "
    f"platform accepts a token until it expires, for at most {TOKEN_SECONDS // 60} minutes.",
}


def print_users(db: Session) -> None:
    """Print a table of all users, as they are read."""
    lines = (
        LINE.format(
            user_id, email, "yes" if is_active else "no", f"{created_at:%Y-%m-%dT%H:%M:%SZ}"
        )
        for user_id, email, is_active, created_at in crud.iterate_users(db)
    )
    first = next(lines, "")  # before the headings, since the database may be out of reach
    sys.stdout.write(HEADINGS + first)
    sys.stdout.writelines(lines)


def run(database: Database, command: str, email: str) -> None:
    """Run a command. Raise NotFoundError if nobody has the e-mail."""
    if command == "list":
        with database.read_session() as db:
            print_users(db)
    else:
        with database.write_session() as db, db.begin():
            user = crud.set_active(db, email, is_active=command == "activate")
        sys.stdout.write(f"{DONE[command].format(user.id)}\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m platform_service.users", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands.add_parser("list", help="print a table of all users").set_defaults(email="")
    for name, help_text in (
        ("deactivate", "end every session of a user, who cannot sign in any more"),
        ("activate", "let a user sign in again"),
    ):
        command = commands.add_parser(name, help=help_text, description=help_text)
        command.add_argument("email", type=_email, metavar="EMAIL", help="in any letter case")
    return parser.parse_args()


def _email(argument: str) -> str:
    if not argument.isprintable():  # as bytes that are not UTF-8 are not
        raise argparse.ArgumentTypeError("it is not an e-mail address")
    return as_registered(argument)


def main() -> None:
    """Run what the arguments ask for, or end the process with one sentence."""
    arguments = _arguments()
    settings = load_settings(Settings)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `… | head` ends this without a word
    # An e-mail may have letters that the terminal's encoding has not.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # nobody replaced it
    try:
        with closing(make_database(settings)) as database:
            run(database, arguments.command, arguments.email)
            sys.stdout.flush()
    except NotFoundError:
        sys.exit("users: nobody has this e-mail.")
    except DBAPIError as error:
        sys.exit(f"users: the database cannot be used: {reason_of(error)}")
    except OSError as error:
        sys.exit(f"users: the output cannot be written: {error.strerror}")


if __name__ == "__main__":
    main()
