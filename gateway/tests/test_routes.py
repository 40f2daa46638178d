"""The routes file: what is an error in it, which route a path has, and quotas."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError
from support.gateway import routes_file

from gateway.routes import RateLimitRule, Route, load_routes, matcher

FIND = matcher(
    [
        Route(prefix="/posts", upstream="blog"),
        Route(prefix="/posts/archive", upstream="platform"),
        Route(prefix="/a.b", upstream="platform"),
    ]
)

PATHS = [
    (b"/posts", "/posts"),
    (b"/posts/", "/posts"),
    (b"/posts/1/comments", "/posts"),
    (b"/posts/archive", "/posts/archive"),
    (b"/posts/archive/1", "/posts/archive"),
    (b"/posts/archives", "/posts"),
    (b"/posts//archive", "/posts"),
    (b"/a.b/c", "/a.b"),
    (b"/", None),
    (b"", None),
    (b"/post", None),
    (b"/postsX", None),
    (b"/posts;x", None),
    (b"/posts%2f1", None),
    (b"/%70osts", None),
    (b"/POSTS", None),
    (b"//posts", None),
    (b"/x/posts", None),
    (b"/aXb/c", None),
    (b"/posts\n", None),
]


@pytest.mark.parametrize(("path", "prefix"), PATHS)
def test_the_longest_prefix_of_whole_segments_is_found(path: bytes, prefix: str | None) -> None:
    route = FIND(path)
    assert (route.prefix if route else None) == prefix


def test_without_routes_no_path_has_one() -> None:
    assert matcher([])(b"/posts") is None


@pytest.mark.parametrize(
    ("text", "quota"),
    [
        ("1/second", (1, 1)),
        ("10/minute", (10, 60)),
        ("6000/hour", (6000, 3600)),
        ("5/day", (5, 86_400)),
    ],
)
def test_a_quota_is_a_number_per_unit_of_time(text: str, quota: tuple[int, int]) -> None:
    assert RateLimitRule.model_validate({"path": "*", "limit": text}).limit == quota


@pytest.mark.parametrize(
    "text", ["a few", "", "10", "10/", "/minute", "0/minute", "-1/minute", "1.5/minute", "10/week"]
)
def test_a_quota_that_cannot_be_parsed_is_a_validation_error(text: str) -> None:
    with pytest.raises(ValidationError):
        RateLimitRule.model_validate({"path": "*", "limit": text})


PREFIX_WITH_SLASH = """
upstreams.a.url = "http://a"
routes = [{ prefix = "/a/", upstream = "a" }]
"""
PREFIX_TWICE = """
upstreams.a.url = "http://a"
routes = [
    { prefix = "/a", upstream = "a" },
    { prefix = "/a", upstream = "a" },
]
"""
BAD_FILES = [
    ("not toml at all", "line 1"),
    ("", "upstreams"),
    (
        'routes = []\nnonsense = 1\n[upstreams.a]\nurl = "http://a"',
        "nonsense: There is no such key.",
    ),
    ('upstreams.a.url = "http://a"\nroutes = [{ prefix = "/b", upstream = "b" }]', '"b"'),
    ('routes = []\n[upstreams.a]\nurl = "http://a/path"', "upstreams.a.url"),
    ("routes = []\nupstreams = 3", "upstreams"),
    ("routes = []\ndefaults = 3\n[upstreams]\na = 3", "upstreams"),
    (PREFIX_WITH_SLASH, "routes.0.prefix"),
    (PREFIX_TWICE, "routes"),
]


@pytest.mark.parametrize(("text", "named"), BAD_FILES)
def test_a_bad_file_of_routes_is_named_by_its_key(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "routes.toml"
    file.write_text(text)
    with pytest.raises(SystemExit, match=re.escape(named)) as error:
        load_routes(file)
    assert "\n" not in str(error.value)


def test_an_upstream_may_have_limits_of_its_own(tmp_path: Path) -> None:
    file = routes_file(tmp_path, "http://a", "http://b", defaults={"max_queue": 7})
    text = file.read_text().replace('url = "http://a"', 'url = "http://a"\nmax_queue = 3')
    file.write_text(text)
    upstreams = load_routes(file).upstreams
    assert [it.max_queue for it in upstreams.values()] == [3, 7]
