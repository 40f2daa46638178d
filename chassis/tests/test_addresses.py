"""Addresses of clients, as limits count them."""

import pytest
from conftest import answer_of
from fastapi import APIRouter

from chassis.addresses import ClientNetwork, counted_as


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_an_address_counts_with_its_network(client: str, network: str) -> None:
    assert counted_as(client) == network


def test_a_route_gets_the_network_of_its_client() -> None:
    router = APIRouter()

    @router.get("/x")
    async def show(network: ClientNetwork) -> str:
        return network

    assert answer_of(router, "GET", "/x").json() == "127.0.0.1"
