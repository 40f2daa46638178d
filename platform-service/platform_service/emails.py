"""E-mails: which of them are the same address."""

import unicodedata

from pydantic import validate_email


def email_key(email: str) -> str:
    """Return what all ways of writing an address have in common.

    Python decides, since every database folds letter case by rules of its own.
    """
    folded = unicodedata.normalize("NFKC", email).casefold()
    # Of a capital I with a dot, casefold() leaves the dot. Every database makes it a plain i.
    return unicodedata.normalize("NFKC", folded).replace("i\u0307", "i")


def as_registered(email: str) -> str:
    """Normalise an e-mail as sign-up does. Anything else is returned as it is: nobody has it."""
    try:
        return email if "<" in email else validate_email(email)[1]
    except ValueError:
        return email
