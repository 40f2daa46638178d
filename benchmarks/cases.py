"""The requests that the services are measured with."""

import json
from dataclasses import replace
from urllib.parse import urlencode

from benchmarks.measure import Case
from benchmarks.seed import WORDS, owners

OURS, USUAL, FLOOR = "this service", "the usual way", "FastAPI alone"
POSTGRESQL, SQLITE = "platform-service on PostgreSQL", "platform-service on SQLite"
BLOG = "blog-service on SQLite"
MAIN = 32  # clients, at which all is measured and compared

ONE, LIST, LIST_100 = "GET one", "GET list of 20", "GET list of 100"
PUBLISHED, OWNER = "GET list, is_published", "GET list, owner_id"
SIGNED_IN, DRAFTS = "GET list, signed in", "GET own drafts, signed in"
DEEP, COUNTED = "GET last page by keyset", "GET list with count=true"
POST, PATCH, SIGN_IN = "POST", "PATCH", "sign-in"
SYNC, ASYNC = "empty sync route", "empty async route"

PLOTTED = (ONE, LIST, OWNER, DEEP)
EMAIL, PASSWORD = "ada@example.com", "a fine password"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PUBLISHED_STEP = 100  # multiples of it are published, see seed.PUBLISHED
LAST = 1_000  # the last page begins so many rows before the end
SIGN_IN_SECONDS = 3  # each takes long: a round needs time to see some
JUDGED_SECONDS = 3  # what targets compare should not be by chance

DOING_NOTHING = (Case(SYNC, "/sync/1", seconds=JUDGED_SECONDS), Case(ASYNC, "/async/1"))


def of_the_platform(rows: int, token: str, *, usual: bool = False) -> list[Case]:
    """Return the platform's cases, sent by user 1, who owns the multiples of `owners`."""
    signed_in = {"Authorization": f"Bearer {token}"}
    own = owners(rows)
    article = json.dumps({"title": "A title", "content": WORDS, "is_published": True})
    changes = json.dumps({"title": "Another title"})
    judged = JUDGED_SECONDS
    cases = [
        Case(ONE, "/articles/%d", step=PUBLISHED_STEP, ids=rows // PUBLISHED_STEP, seconds=judged),
        Case(LIST, "/articles/", items=20, seconds=judged),
        Case(DEEP, f"/articles/?after={max(rows - LAST, rows // 2)}", items=20),
        Case(LIST_100, "/articles/?limit=100", items=100),
        Case(PUBLISHED, "/articles/?is_published=true", items=20),
        Case(OWNER, f"/articles/?owner_id={own // 2}", items=20),
        Case(SIGNED_IN, "/articles/", headers=signed_in, items=20),
        Case(DRAFTS, "/articles/?is_published=false", headers=signed_in),
        Case(POST, "/articles/", "POST", article, signed_in | JSON),
        Case(PATCH, "/articles/%d", "PATCH", changes, signed_in | JSON, own, rows // own),
        Case(SIGN_IN, "/auth/token", "POST", credentials(), FORM, seconds=SIGN_IN_SECONDS),
    ]
    return [case for case in cases if not (usual and case.name == DEEP)]


def of_the_blog(rows: int) -> list[Case]:
    """Return the blog's cases. It asks for no token: it knows no keys."""
    post = json.dumps({"title": "A title", "body": WORDS, "published": True})
    changes = json.dumps({"title": "Another title"})
    return [
        Case(ONE, "/posts/%d", step=PUBLISHED_STEP, ids=rows // PUBLISHED_STEP),
        Case(LIST, "/posts/", items=20),
        Case(DEEP, f"/posts/?after={max(rows - LAST, rows // 2)}", items=20),
        Case(LIST_100, "/posts/?limit=100", items=100),
        Case(PUBLISHED, "/posts/?published=true", items=20),
        Case(POST, "/posts/", "POST", post, JSON),
        Case(PATCH, "/posts/%d", "PATCH", changes, JSON, 1, rows),
    ]


def with_count(cases: list[Case]) -> list[Case]:
    """Return the cases and, behind the list, the one that counts too."""
    first_page = next(case for case in cases if case.name == LIST)
    return [*cases, replace(first_page, name=COUNTED, path=f"{first_page.path}?count=true")]


def credentials() -> str:
    return urlencode({"username": EMAIL, "password": PASSWORD})
