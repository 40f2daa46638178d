"""What can go wrong in this domain. `problems.py` turns it into HTTP."""


class DomainError(Exception):
    """Every error of the domain; its text may be shown to clients."""


class NotFoundError(DomainError):
    """Nothing has this id, or nothing that the caller may know of."""

    def __init__(self) -> None:
        super().__init__("Nothing has this id.")


class ForbiddenError(DomainError):
    """The caller sees the article but does not own it."""

    def __init__(self) -> None:
        super().__init__("Only its owner may do this.")


class EmailTakenError(DomainError):
    """Another user has this e-mail, in whatever letter case."""

    def __init__(self) -> None:
        super().__init__("Another user has this e-mail.")


class UnauthorizedError(DomainError):
    """Nobody, or nobody who may, is signed in."""
