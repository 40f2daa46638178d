"""Search: posts (SQLite) and articles (PostgreSQL) are found alike, through the gateway."""

import secrets

import httpx
import pytest
from support.api import User, write_article, write_post

from chassis_testing.searches import CASES

AT_ONCE = 20


@pytest.mark.parametrize("first", range(0, len(CASES), AT_ONCE))
def test_posts_and_articles_are_found_alike(
    api: httpx.Client, ada: User, first: int, subtests: pytest.Subtests
) -> None:
    for text, query, is_found in CASES[first : first + AT_ONCE]:
        post = write_post(api, ada, body=text)
        article = write_article(api, ada, content=text, is_published=True)
        for path, written, mine in (
            ("/posts/", post, "author_id"),
            ("/articles/", article, "owner_id"),
        ):
            with subtests.test(path=path, text=text[:40], query=query[:40]):
                asked = {"q": query, "sort": "-id", mine: str(ada.id)}
                answer = api.get(path, params=asked)
                assert answer.status_code == 200, answer.text
                assert (written["id"] in [one["id"] for one in answer.json()]) == is_found


def test_a_search_is_in_title_and_text_and_goes_on_by_links(api: httpx.Client, ada: User) -> None:
    word = f"w{secrets.token_hex(8)}"
    posts = [write_post(api, ada, title=f"{word} {number}", body="loom") for number in range(3)]
    posts.append(write_post(api, ada, title="Loom", body=f"A {word.upper()}."))
    write_post(api, ada, title=f"{word}s", body="loom")
    first = api.get("/posts/", params={"q": f"LOOM {word}", "sort": "-id", "limit": "3"})
    assert first.json() == posts[:0:-1]
    second = api.get(first.links["next"]["url"])
    assert (second.json(), second.links) == (posts[:1], {})
    by_time = api.get("/posts/", params={"q": word, "sort": "-published_at", "count": "true"})
    assert by_time.headers["X-Total-Count"] == "4"
    assert {one["id"] for one in by_time.json()} == {one["id"] for one in posts}


def test_a_changed_and_a_removed_text_are_found_no_more(api: httpx.Client, ada: User) -> None:
    word = f"w{secrets.token_hex(8)}"
    changed, removed = (write_article(api, ada, title=word, is_published=True) for _ in range(2))
    api.patch(f"/articles/{changed['id']}", json={"title": "Another"}, headers=ada.auth)
    api.delete(f"/articles/{removed['id']}", headers=ada.auth)
    assert api.get("/articles/", params={"q": word}).json() == []
