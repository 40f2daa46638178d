"""The errors of this domain, beside those of every domain in `chassis.errors`."""

from chassis.errors import BadRequestError, ConflictError, ForbiddenError, UnauthorizedError


class EmailTakenError(ConflictError):
    """Another user has this e-mail, in whatever letter case."""

    def __init__(self) -> None:
        super().__init__("Another user has this e-mail.")


class WrongPasswordError(UnauthorizedError):
    """Nobody has this e-mail and this password, or the user is not active."""

    def __init__(self) -> None:
        super().__init__("The e-mail or the password is wrong.")


class RefreshTokenError(BadRequestError):
    """The refresh token is unknown, has ended, or is that of a user who is not active."""

    def __init__(self) -> None:
        super().__init__("The refresh token is not valid, or no longer valid.")


class WrongCurrentPasswordError(ForbiddenError):
    """The caller has another password, or has changed it meanwhile."""

    def __init__(self) -> None:
        super().__init__("The current password is wrong.")
