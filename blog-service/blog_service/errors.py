"""What can go wrong in this domain. `problems.py` turns it into HTTP."""


class NotFoundError(Exception):
    """Nothing has this id."""
