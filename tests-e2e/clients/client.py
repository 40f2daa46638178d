"""Sign in, write posts, each once, page through them newest first and handle a 412.

`python client.py URL USERNAME PASSWORD`, with the generated package in `sys.path`.
"""

import sys
from http import HTTPStatus

from generated import AuthenticatedClient, Client
from generated.api.auth import create_token
from generated.api.posts import create_post, get_post, list_posts, update_post
from generated.models import (
    ListPostsSort,
    PostCreate,
    PostOut,
    PostUpdate,
    TokenOut,
    TokenRequest,
    TokenRequestGrantType,
)


def main(url: str, username: str, password: str) -> None:
    form = TokenRequest(username=username, password=password)
    token = create_token.sync(client=Client(url), body=form)
    assert isinstance(token, TokenOut), token
    refresh = TokenRequestGrantType.REFRESH_TOKEN
    form = TokenRequest(grant_type=refresh, refresh_token=token.refresh_token)
    token = create_token.sync(client=Client(url), body=form)
    assert isinstance(token, TokenOut), token
    with AuthenticatedClient(url, token=token.access_token) as client:
        posts = write_posts(client)
        page_through(client, posts)
        change_twice(client, posts[0].id)


def write_posts(client: AuthenticatedClient) -> list[PostOut]:
    """Return new posts, the newest first, each of which was asked for twice."""
    posts: list[PostOut] = []
    for title in ("One", "Two", "Three"):
        first, again = (
            create_post.sync_detailed(client=client, body=PostCreate(title), idempotency_key=title)
            for _ in range(2)
        )
        assert again.headers["Idempotent-Replayed"] == "true", again
        assert first.parsed == again.parsed
        assert isinstance(first.parsed, PostOut), first
        posts.insert(0, first.parsed)
    return posts


def page_through(client: AuthenticatedClient, posts: list[PostOut]) -> None:
    author = posts[0].author_id
    assert isinstance(author, int)
    found: list[PostOut] = []
    query = {"client": client, "author_id": author, "sort": ListPostsSort.NEWEST_FIRST, "limit": 2}
    while True:
        after = {"after": found[-1].id} if found else {}
        page = list_posts.sync_detailed(**query, **after)
        assert isinstance(page.parsed, list), page
        found += page.parsed
        if "Link" not in page.headers:
            break
    assert found == posts


def change_twice(client: AuthenticatedClient, post_id: int) -> None:
    etag = get_post.sync_detailed(post_id, client=client).headers["ETag"]
    first, second = (
        update_post.sync_detailed(post_id, client=client, body=PostUpdate(title), if_match=etag)
        for title in ("First", "Second")
    )
    assert isinstance(first.parsed, PostOut), first
    assert first.parsed.title == "First"
    assert second.status_code == HTTPStatus.PRECONDITION_FAILED, second


if __name__ == "__main__":
    main(*sys.argv[1:])
