"""The errors of every domain. `problems.py` turns each into an HTTP status.

`transactions.py` does so for the errors of the database.
"""


class DomainError(Exception):
    """An error whose text may be shown to clients: one sentence.

    A service derives its own from one of those below, which have a status in `problems.STATUS_OF`.
    """


class NotFoundError(DomainError):
    """Nothing has this id, or nothing that the caller may know of."""

    def __init__(self) -> None:
        super().__init__("Nothing has this id.")


class UnauthorizedError(DomainError):
    """The request has no valid credentials."""


class ForbiddenError(DomainError):
    """The caller may see this but not change it."""


class ConflictError(DomainError):
    """The request contradicts what is stored."""


class ChangedError(DomainError):
    """The stored version is not one that the request asks for."""

    def __init__(self) -> None:
        super().__init__(
            "If-Match or If-None-Match rules out what is stored now; read it again for its ETag."
        )


class BadRequestError(DomainError):
    """The request cannot be understood, or it relies on something that does not hold."""


class TooManyRequestsError(DomainError):
    """The request comes too soon. It may be sent again after these seconds."""

    def __init__(self, detail: str, seconds: int) -> None:
        super().__init__(detail)
        self.seconds = seconds
