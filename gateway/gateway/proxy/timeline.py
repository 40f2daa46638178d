"""When the steps of an exchange came, for its log line."""

from time import perf_counter


class Timeline:
    """The times of a request, which tell a slow client from a slow service.

    A time that has not come is 0.
    """

    __slots__ = ("answered", "asked", "began", "replica")

    def __init__(self) -> None:
        self.began = perf_counter()
        self.asked = 0.0  # when the last replica was asked
        self.answered = 0.0  # when the head of its response came
        self.replica: str | None = None

    def durations(self, ended: float, received: float) -> tuple[float, float, float | None]:
        """Return duration_ms, request_ms and upstream_ms of the log line.

        `received` is when the last byte of the request came. Without an upstream the last is None.
        """
        upstream = None
        if self.asked:
            upstream = _ms((self.answered or ended) - max(self.asked, received))
        return _ms(ended - self.began), _ms((received or ended) - self.began), upstream


def _ms(seconds: float) -> float:
    # Two digits by int(): round() takes longer.
    return int(seconds * 100_000) / 100 if seconds > 0 else 0.0
