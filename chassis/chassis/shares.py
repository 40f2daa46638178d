"""A quantity that clients share, so that none of them takes all."""


class Shares:
    """A quantity that clients share. With what one takes, it may hold as much as was still free.

    So one client has about half of it at most, and ten leave as much to an eleventh as each has.
    """

    def __init__(self, quantity: int) -> None:
        self.free = quantity
        self.held: dict[str, int] = {}

    def has_for(self, client: str, size: int = 1) -> bool:
        """Return whether a client may take so much."""
        return self.held.get(client, 0) + size <= self.free

    def take(self, client: str, size: int = 1) -> None:
        """Take so much; give_back() must follow."""
        self.free -= size
        self.held[client] = self.held.get(client, 0) + size

    def give_back(self, client: str, size: int = 1) -> None:
        """Return as much as was taken."""
        self.free += size
        self.held[client] -= size
        if not self.held[client]:
            del self.held[client]
