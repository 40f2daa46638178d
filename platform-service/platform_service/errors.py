"""The errors of this domain, beside those of every domain in `chassis.errors`."""

from chassis.errors import ConflictError


class EmailTakenError(ConflictError):
    """Another user has this e-mail, in whatever letter case."""

    def __init__(self) -> None:
        super().__init__("Another user has this e-mail.")
