"""When the steps of an exchange came, for its log line."""

from time import perf_counter


class Timeline:
    """Tells a slow client from a slow service. A moment that has not come is 0."""

    __slots__ = ("answered", "asked", "began", "replica")

    def __init__(self) -> None:
        self.began = perf_counter()
        self.asked = self.answered = 0.0  # the last replica, and by the head of its response
        self.replica: str | None = None

    def durations(self, ended: float, received: float) -> tuple[float, float, float | None]:
        """Return the milliseconds of all, of the request's arrival, and of the upstream after it.

        `received` is when the last byte of the request came. No upstream may have been asked.
        """
        whole, request = ended - self.began, (received or ended) - self.began
        upstream = None
        if self.asked:
            begin, end = max(self.asked, received), self.answered or ended
            upstream = int((end - begin) * 100_000) / 100 if end > begin else 0.0
        # Two digits by int(), since round() would take as long as all the rest.
        return int(whole * 100_000) / 100, int(request * 100_000) / 100, upstream
