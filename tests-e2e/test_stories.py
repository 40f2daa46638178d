"""Stories of people who use Inkwell, from the first call to the last."""

import httpx
import pytest
from support.api import (
    PASSWORD,
    User,
    everything,
    new_email,
    pages,
    sign_in,
    sign_up,
    word,
    write_article,
    write_post,
)

from chassis_testing.changes import assert_changed


def test_a_new_user_signs_up_signs_in_and_is_recognised(api: httpx.Client) -> None:
    email = new_email()
    registered = sign_up(api, email)
    assert registered.status_code == 201
    token = sign_in(api, email).json()["access_token"]
    me = api.get("/users/me", headers={"Authorization": f"Bearer {token}"})
    assert me.json() == registered.json()
    assert me.json()["email"] == email


def test_a_user_signs_in_with_any_letter_case_of_the_email(api: httpx.Client) -> None:
    email = new_email()
    sign_up(api, email.upper())
    assert sign_in(api, email).status_code == 200
    assert sign_in(api, email.title()).status_code == 200


def test_an_unknown_user_and_a_wrong_password_get_the_same_answer(
    api: httpx.Client, ada: User
) -> None:
    unknown = sign_in(api, new_email(), PASSWORD)
    mistaken = sign_in(api, ada.email, "wrong" + PASSWORD)
    assert unknown.status_code == mistaken.status_code == 401
    assert unknown.json() | {"request_id": ""} == mistaken.json() | {"request_id": ""}


def test_a_draft_is_seen_only_by_its_owner(api: httpx.Client, ada: User, bob: User) -> None:
    draft = write_article(api, ada)
    path, list_of_ada = f"/articles/{draft['id']}", f"/articles/?owner_id={ada.id}"
    assert draft["is_published"] is False
    assert api.get(path, headers=ada.auth).json() == draft
    assert api.get(list_of_ada, headers=ada.auth).json() == [draft]
    for anyone_else in (bob.auth, {}):
        assert api.get(path, headers=anyone_else).status_code == 404
        counted = api.get(f"{list_of_ada}&count=true", headers=anyone_else)
        assert (counted.json(), counted.headers["x-total-count"]) == ([], "0")
        drafts = api.get(f"{list_of_ada}&is_published=false", headers=anyone_else)
        assert drafts.json() == []


def test_a_published_article_is_read_by_everyone(api: httpx.Client, ada: User, bob: User) -> None:
    path = f"/articles/{write_article(api, ada, content='Hello.')['id']}"
    published = api.patch(path, json={"is_published": True}, headers=ada.auth).json()
    assert published["is_published"] is True
    assert published["content"] == "Hello."
    assert (published["owner_id"], published["owner_email"]) == (ada.id, ada.email)
    for reader in (ada.auth, bob.auth, {}):
        assert api.get(path, headers=reader).json() == published
        assert api.get(f"/articles/?owner_id={ada.id}", headers=reader).json() == [published]


def test_a_published_article_can_be_withdrawn(api: httpx.Client, ada: User) -> None:
    path = f"/articles/{write_article(api, ada, is_published=True)['id']}"
    assert api.patch(path, json={"is_published": False}, headers=ada.auth).status_code == 200
    assert api.get(path).status_code == 404


def test_a_reader_pages_through_all_articles_without_loss_or_repeat(
    api: httpx.Client, ada: User
) -> None:
    written = [write_article(api, ada, is_published=number % 3 > 0) for number in range(11)]
    published = [article for article in written if article["is_published"]]
    path = f"/articles/?owner_id={ada.id}&limit=3"
    assert list(pages(api, path)) == [published[0:3], published[3:6], published[6:]]
    own = list(pages(api, path, ada.auth))
    assert [len(page) for page in own] == [3, 3, 3, 2]
    assert [article for page in own for article in page] == written


def test_articles_written_and_deleted_meanwhile_do_not_disturb_a_reader(
    api: httpx.Client, ada: User
) -> None:
    written = [write_article(api, ada, is_published=True) for _ in range(6)]
    reading = pages(api, f"/articles/?owner_id={ada.id}&limit=2")
    assert next(reading) == written[0:2]
    api.delete(f"/articles/{written[0]['id']}", headers=ada.auth)
    added = write_article(api, ada, is_published=True)
    assert list(reading) == [written[2:4], written[4:6], [added]]


def test_another_user_may_not_change_or_delete_an_article(
    api: httpx.Client, ada: User, bob: User
) -> None:
    for fields, refused in (({"is_published": True}, 403), ({}, 404)):
        article = write_article(api, ada, **fields)
        path = f"/articles/{article['id']}"
        change = api.patch(path, json={"title": "Bob was here"}, headers=bob.auth)
        removal = api.delete(path, headers=bob.auth)
        assert (change.status_code, removal.status_code) == (refused, refused)
        assert api.get(path, headers=ada.auth).json() == article


def test_an_owner_deletes_an_article(api: httpx.Client, ada: User) -> None:
    path = f"/articles/{write_article(api, ada, is_published=True)['id']}"
    assert api.delete(path, headers=ada.auth).status_code == 204
    assert api.get(path, headers=ada.auth).status_code == 404
    assert api.delete(path, headers=ada.auth).status_code == 404
    assert api.get(f"/articles/?owner_id={ada.id}", headers=ada.auth).json() == []


def test_signed_in_users_find_each_other(api: httpx.Client, ada: User, bob: User) -> None:
    seen = api.get(f"/users/{bob.id}", headers=ada.auth)
    assert seen.json()["email"] == bob.email
    others = everything(api, f"/users/?after={ada.id}&limit=100", ada.auth)
    assert bob.email in [user["email"] for user in others]
    assert api.get(f"/users/{bob.id}").status_code == 401
    assert api.get("/users/").status_code == 401


def test_a_blog_post_lives_from_its_creation_to_its_end(api: httpx.Client, ada: User) -> None:
    title = word()
    assert api.post("/posts/", json={"title": title}).status_code == 401
    post = write_post(api, ada, title=title, body="First lines.", published=False)
    path = f"/posts/{post['id']}"
    assert api.get(path, headers=ada.auth).json() == post
    assert (post["title"], post["body"], post["published"]) == (title, "First lines.", False)
    assert api.get(path).status_code == 404

    changed = api.patch(path, json={"published": True}, headers=ada.auth)
    assert_changed(changed.json(), post, {"published": True})
    emptied = api.patch(path, json={"body": None}, headers=ada.auth)
    assert_changed(emptied.json(), changed.json(), {"body": None})
    assert api.get(path).json() == emptied.json()

    assert api.delete(path).status_code == 401
    assert api.delete(path, headers=ada.auth).status_code == 204
    assert api.get(path).status_code == 404
    assert api.delete(path, headers=ada.auth).status_code == 404


def test_a_reader_pages_through_all_posts_without_loss_or_repeat(
    api: httpx.Client, ada: User
) -> None:
    before = write_post(api, ada)
    written = [write_post(api, ada, published=number % 2 == 0) for number in range(7)]
    seen = everything(api, f"/posts/?after={before['id']}&limit=2", ada.auth)
    assert [post for post in seen if post in written] == written
    assert [post["id"] for post in seen] == sorted({post["id"] for post in seen})
    published = everything(api, f"/posts/?after={before['id']}&limit=2&published=true")
    assert [post for post in published if post in written] == written[::2]
    assert all(post["published"] for post in published)


@pytest.mark.parametrize(
    "text", ["Ünïcødé", "雪", "👩‍👩‍👧", "\u202eright to left", "a\tb\nc", "<b>&amp;</b>"]
)
def test_text_comes_back_as_it_was_written(api: httpx.Client, author: User, text: str) -> None:
    title = f"{word()} {text}"
    post = write_post(api, author, title=title, body=text)
    article = write_article(api, author, title=title, content=text)
    assert api.get(f"/posts/{post['id']}").json() == post
    assert (post["title"], post["body"]) == (title, text)
    assert (article["title"], article["content"]) == (title, text)
