"""A quantity that clients share."""

import pytest

from chassis.shares import Shares


def take_all(shares: Shares, client: str, size: int) -> int:
    """Take as much as a client may; return it."""
    taken = 0
    while shares.has_for(client, size):
        shares.take(client, size)
        taken += size
    return taken


@pytest.mark.parametrize(("size", "taken"), [(1, [50, 25, 13, 6]), (20, [60, 20, 20, 0])])
def test_a_client_holds_no_more_than_was_free(size: int, taken: list[int]) -> None:
    shares = Shares(100)
    assert [take_all(shares, client, size) for client in "abcd"] == taken


def test_a_share_that_is_given_back_is_free_again() -> None:
    shares = Shares(4)
    for client in ("a", "a", "b"):
        shares.take(client)
    for client in ("b", "a", "a"):
        shares.give_back(client)
    assert (shares.free, shares.held) == (4, {})
