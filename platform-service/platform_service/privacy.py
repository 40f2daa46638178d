"""To whom e-mails are shown, as PLATFORM_SHOW_EMAILS says. Everybody sees their own.

A hidden e-mail is set to None in the row or entity before its ETag is made, so that the ETag names
what the caller sees.
"""

from fastapi import Request
from sqlalchemy.orm.attributes import set_committed_value

from chassis.pagination import Row
from platform_service.config import ShowEmails
from platform_service.models import User


def _hides(request: Request, caller_id: int | None) -> bool:
    """Return whether the caller sees no e-mail of others."""
    show: ShowEmails = request.app.state.show_emails
    return show == "owner" or (show == "signed-in" and caller_id is None)


def hide_email(request: Request, caller_id: int | None, user: User) -> None:
    """Set the e-mail of a user to None in memory, unless the caller sees it."""
    if _hides(request, caller_id) and user.id != caller_id:
        set_committed_value(user, "email", None)  # no change that a flush would write


def hide_emails(
    request: Request, caller_id: int | None, rows: list[Row], *, owner: str, email: str
) -> None:
    """Set the e-mails in rows to None, except the caller's own, unless the caller sees them all.

    `owner` and `email` name the columns of a user's id and e-mail.
    """
    if _hides(request, caller_id):
        for row in rows:
            if row[owner] != caller_id:
                row[email] = None
