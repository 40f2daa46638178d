"""Comparing what is shown of a row before and after a change."""

from typing import Any

Shown = dict[str, Any]
KEPT_BY_THE_SERVER = ("updated_at", "published_at")


def assert_changed(after: Shown, before: Shown, changes: Shown) -> None:
    """Check that these fields have changed, and beside them only times that the server keeps.

    An earlier release shows no such times.
    """
    times = {name: after[name] for name in KEPT_BY_THE_SERVER if name in before}
    assert after == before | changes | times
    assert after.get("updated_at", "") >= before.get("updated_at", "")
