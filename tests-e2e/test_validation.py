"""Fields and parameters out of bounds are refused by name."""

import httpx
import pytest
from support.api import User, named, new_email
from support.contract import FORMS, ROUTES, Route, each_json_route, form_of, valid_body


@each_json_route
def test_an_unknown_field_is_refused_by_name(
    api: httpx.Client, author: User, ids: dict[str, int], method: str, path: str
) -> None:
    path = path.format(**ids)
    for field in ("id", "owner_id", "is_active", "hashed_password", "created_at", "titel"):
        body = valid_body(path) | {field: 1}
        answer = api.request(method, path, json=body, headers=author.auth)
        assert answer.status_code == 422
        assert named(answer) == {"body", field}


@pytest.mark.parametrize("route", [r for r in ROUTES if "jwks" not in r.path], ids=str)
def test_an_unknown_query_parameter_is_refused_by_name(
    api: httpx.Client, author: User, ids: dict[str, int], route: Route
) -> None:
    body = None if route.method in ("GET", "DELETE") else valid_body(route.path)
    fields = {"data": form_of(route.path, author)}
    options = fields if route.path in FORMS else {"json": body}
    path = f"{route.path.format(**ids)}?limt=1"
    answer = api.request(route.method, path, headers=author.auth, **options)
    assert answer.status_code == 422
    assert named(answer) == {"query", "limt"}


LENGTHS = [  # route, field, shortest, longest
    ("/posts/", "title", 1, 200),
    ("/posts/", "body", 0, 100_000),
    ("/articles/", "title", 1, 200),
    ("/articles/", "content", 1, 100_000),
    ("/users/", "password", 8, 128),
]


@pytest.mark.parametrize("letter", ["a", "\N{PILE OF POO}"])
@pytest.mark.parametrize("bounds", LENGTHS)
def test_text_has_bounds_in_characters(
    api: httpx.Client, author: User, bounds: tuple[str, str, int, int], letter: str
) -> None:
    path, field, lowest, highest = bounds
    for length in {lowest - 1, lowest, highest, highest + 1} - {-1}:
        fits = lowest <= length <= highest
        body = valid_body(path) | {field: letter * length}
        answer = api.post(path, json=body, headers=author.auth)
        assert answer.status_code == (201 if fits else 422), length
        if not fits:
            assert named(answer) == {"body", field}
        elif field != "password":
            assert answer.json()[field] == letter * length


@pytest.mark.parametrize("path", ["/posts/", "/articles/", "/users/"])
def test_a_missing_field_is_named(api: httpx.Client, author: User, path: str) -> None:
    needed = set(valid_body(path)) - {"body"}
    answer = api.post(path, json={}, headers=author.auth)
    assert answer.status_code == 422
    assert named(answer) == {"body"} | needed


def test_a_sign_in_without_a_password_names_it(api: httpx.Client) -> None:
    answer = api.post("/auth/token", data={"username": new_email()})
    assert answer.status_code == 422
    assert "password" in named(answer)


def test_null_is_accepted_only_where_the_column_allows_it(
    api: httpx.Client, author: User, ids: dict[str, int]
) -> None:
    post, article = f"/posts/{ids['post']}", f"/articles/{ids['article']}"
    assert api.patch(post, json={"body": None}, headers=author.auth).json()["body"] is None
    refused = [(post, "title"), (post, "published")]
    refused += [(article, field) for field in ("title", "content", "is_published")]
    for path, field in refused:
        answer = api.patch(path, json={field: None}, headers=author.auth)
        assert answer.status_code == 422
        assert named(answer) == {"body", field}
