"""When the steps of an exchange came, for its log line."""

from time import perf_counter

Address = tuple[str, int]


class Timeline:
    """Tells a slow client from a slow service. A moment that has not come is 0."""

    def __init__(self) -> None:
        self.began = perf_counter()
        self.asked = 0.0  # the last replica that was asked
        self.answered = 0.0  # by the head of its response
        self._replica: Address = ("", 0)

    def ask(self, replica: Address) -> None:
        """Note that a replica is asked."""
        self._replica, self.asked = replica, perf_counter()

    def answer(self) -> None:
        """Note that it answers."""
        self.answered = perf_counter()

    def fields(self, ended: float, received: float) -> dict[str, float | str | None]:
        """Return the fields of the log line; `received` is when the request's last byte came."""
        request = _milliseconds(self.began, received or ended)
        if not self.asked:
            return {"request_ms": request, "upstream_ms": None, "replica": None}
        host, port = self._replica
        return {
            "request_ms": request,
            "upstream_ms": _milliseconds(max(self.asked, received), self.answered or ended),
            "replica": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        }


def _milliseconds(begin: float, end: float) -> float:
    return round(max(end - begin, 0.0) * 1000, 2)
