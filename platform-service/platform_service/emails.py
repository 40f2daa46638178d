"""E-mails: which of them are the same address."""

import unicodedata


def email_key(email: str) -> str:
    """Return what all ways of writing an address have in common.

    Python decides, since every database folds letter case by rules of its own.
    """
    folded = unicodedata.normalize("NFKC", email).casefold()
    # Of a capital I with a dot, casefold() leaves the dot. Every database makes it a plain i.
    return unicodedata.normalize("NFKC", folded).replace("i\u0307", "i")
