"""The rules for every response. The clients of all tests apply them."""

import re
from http import HTTPStatus

import httpx

OAUTH = {"/auth/token", "/auth/revoke"}
PROBLEM = {"type", "title", "status", "detail", "instance", "request_id"}
# RFC 9110 renamed some titles; Python's table follows with 3.13.
RENAMED = {413: "Content Too Large", 414: "URI Too Long", 422: "Unprocessable Content"}
INSIDE = re.compile(
    rb"\w-(service|db):\d|//\w+-(service|db)|platform-db"
    rb"|Traceback|sqlalchemy|psycopg2|sqlite3\.|SELECT |INSERT |httpx\.|aiohttp|asyncio\."
)
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def inspect(response: httpx.Response) -> None:
    """Fail if the response breaks a rule for all responses."""
    request = response.request
    asked = f"{request.method} {request.url}"
    response.read()
    assert response.status_code != 500, f"{asked}: {response.text[:500]}"
    assert response.status_code == 304 or response.status_code // 100 != 3, f"{asked} redirects"
    assert response.headers.get_list("server") == [], f"{asked} names the server"
    inspect_request_id(response)
    inspect_secrecy(response)
    if request.method == "HEAD" or response.status_code in (204, 304):
        assert response.content == b"", f"{asked} has a body"
    elif response.status_code >= 400:
        inspect_problem(response)


def inspect_request_id(response: httpx.Response) -> None:
    sent = response.request.headers.get_list("x-request-id")
    answered = response.headers.get_list("x-request-id")
    assert len(answered) == 1, f"{answered}"
    assert REQUEST_ID.fullmatch(answered[0]), answered[0]
    if len(sent) == 1 and REQUEST_ID.fullmatch(sent[0]):
        assert answered == sent


def inspect_secrecy(response: httpx.Response) -> None:
    """Fail if headers or a problem show an internal host, an SQL statement or an exception."""
    shown = b"\n".join(value for _, value in response.headers.raw)
    if response.status_code >= 400:
        shown += response.content
    assert not INSIDE.search(shown), shown


def inspect_problem(response: httpx.Response) -> None:
    """Fail unless the problem follows RFC 9457 and has the headers of RFC 9110."""
    status = response.status_code
    assert response.headers["content-type"] == "application/problem+json", response.text[:200]
    problem = response.json()
    more = {"errors"} if status == 422 else set()
    if response.request.url.path in OAUTH and "error" in problem:  # RFC 6749, section 5.2
        more |= {"error"}
    assert set(problem) == PROBLEM | more, problem
    assert problem["type"] == "about:blank"
    assert problem["title"] == (RENAMED.get(status) or HTTPStatus(status).phrase)
    assert problem["status"] == status
    assert isinstance(problem["detail"], str)
    assert problem["detail"]
    inspect_instance(problem["instance"], response.request)
    assert problem["request_id"] == response.headers["x-request-id"]
    if status == 422:
        inspect_errors(problem["errors"])
    inspect_headers(response)


def inspect_instance(instance: str, request: httpx.Request) -> None:
    """Fail unless the instance is the path as sent; of a path beyond ASCII, it is only ASCII."""
    target = request.extensions.get("target") or request.url.raw_path.decode()
    if target.isascii() and target.isprintable() and target.startswith("/"):
        path = target.split("?")[0]
        assert instance == path or (len(path) > 8000 and path.startswith(instance))
    assert instance.isascii()


def inspect_errors(errors: list[dict[str, object]]) -> None:
    assert errors
    for error in errors:
        assert set(error) == {"loc", "msg", "type"}
        loc = error["loc"]
        assert isinstance(loc, list)
        assert loc[0] in ("body", "query", "path", "header"), loc
        assert all(len(str(part)) <= 100 for part in loc)


def inspect_headers(response: httpx.Response) -> None:
    if response.status_code == 401:
        assert response.headers["www-authenticate"].startswith("Bearer")
    if response.status_code == 405:
        assert response.headers["allow"]
    if response.status_code in (429, 503):
        assert response.headers["retry-after"].isdigit()
