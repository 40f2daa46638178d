"""The database: its rules hold for plain SQL too."""

from collections.abc import Callable

import httpx
import pytest
from conftest import PASSWORD, User, Write
from sqlalchemy.exc import DBAPIError, IntegrityError

from chassis.database import Database
from chassis_testing.fixtures import Sql
from chassis_testing.problem import assert_problem

USER = "INSERT INTO users (email, hashed_password) VALUES ({}, 'x')"
ARTICLE = "INSERT INTO articles (title, content, owner_id) VALUES ({}, {}, {})"


def test_plain_sql_cannot_give_an_article_an_owner_who_does_not_exist(sql: Sql) -> None:
    with pytest.raises(IntegrityError, match=r"(?i)foreign key"):
        sql(ARTICLE.format("'x'", "'x'", 1))
    assert sql("SELECT count(*) FROM articles")[0] == (0,)


def test_plain_sql_cannot_hand_an_article_to_nobody(
    sql: Sql, write_article: Write, ann: User
) -> None:
    write_article(ann)
    with pytest.raises(IntegrityError, match=r"(?i)foreign key"):
        sql(f"UPDATE articles SET owner_id = {ann.id + 1}")
    with pytest.raises(IntegrityError, match=r"(?i)not.null"):
        sql("UPDATE articles SET owner_id = NULL")


def test_plain_sql_cannot_remove_a_user_while_articles_are_left(
    sql: Sql, client: httpx.Client, write_article: Write, ann: User
) -> None:
    article = write_article(ann)
    with pytest.raises(IntegrityError, match=r"(?i)foreign key"):
        sql("DELETE FROM users")
    client.delete(f"/articles/{article['id']}", headers=ann.headers)
    sql("DELETE FROM users")
    assert sql("SELECT count(*) FROM users")[0] == (0,)


@pytest.mark.parametrize("email", ["'ann@example.com'", "'ANN@example.COM'"])
def test_plain_sql_cannot_use_an_email_twice_in_any_letter_case(
    sql: Sql, ann: User, email: str
) -> None:
    assert ann
    with pytest.raises(IntegrityError, match=r"(?i)unique"):
        sql(USER.format(email))


@pytest.mark.parametrize(
    "statement",
    [
        USER.format("NULL"),
        USER.format("''"),
        USER.format("'ab'"),
        USER.format(f"'{'é' * 255}'"),
        "INSERT INTO users (email) VALUES ('abc')",
        ARTICLE.format("NULL", "'x'", 1),
        ARTICLE.format("''", "'x'", 1),
        ARTICLE.format(f"'{'é' * 201}'", "'x'", 1),
        ARTICLE.format("'x'", "NULL", 1),
        ARTICLE.format("'x'", "''", 1),
        ARTICLE.format("'x'", f"'{'é' * 100_001}'", 1),
    ],
    ids=lambda statement: statement[:80],
)
def test_plain_sql_cannot_go_beyond_the_limits(sql: Sql, statement: str) -> None:
    sql("INSERT INTO users (id, email, hashed_password) VALUES (1, 'owner@example.com', 'x')")
    with pytest.raises(DBAPIError, match=r"(?i)not.null|check constraint|too long"):
        sql(statement)
    assert sql("SELECT count(*) FROM articles")[0] == (0,)
    assert sql("SELECT count(*) FROM users")[0] == (1,)


def test_plain_sql_may_go_to_the_limits_and_gets_the_defaults(
    client: httpx.Client, sql: Sql, ann: User
) -> None:
    sql(ARTICLE.format(f"'{'é' * 200}'", f"'{'é' * 100_000}'", ann.id))
    (article,) = client.get("/articles/", headers=ann.headers).json()
    assert article["is_published"] is False
    assert article["created_at"].endswith("Z")


def test_ids_are_not_used_again_after_plain_sql_removed_them(
    sql: Sql, new_user: Callable[[str], User], write_article: Write
) -> None:
    ann = new_user("ann")
    last = write_article(ann)["id"]
    sql("DELETE FROM articles")
    assert write_article(ann)["id"] > last
    sql("DELETE FROM articles")
    sql("DELETE FROM users")
    assert new_user("bob").id > ann.id


def test_an_owner_who_is_removed_while_they_write_is_a_conflict(
    client: httpx.Client, sql: Sql, database: Database, ann: User
) -> None:
    removal = "DELETE FROM users WHERE id = NEW.owner_id"
    if database.engine.dialect.name == "postgresql":
        sql(
            "CREATE FUNCTION remove() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {removal}; RETURN NEW; END $$"
        )
        sql("CREATE TRIGGER early BEFORE INSERT ON articles FOR EACH ROW EXECUTE FUNCTION remove()")
    else:
        sql(f"CREATE TRIGGER early BEFORE INSERT ON articles BEGIN {removal}; END")
    body = {"title": "x", "content": "x"}
    assert_problem(client.post("/articles/", json=body, headers=ann.headers), 409)


def test_a_sign_up_that_fails_at_commit_is_no_success(
    client: httpx.Client, sql: Sql, database: Database
) -> None:
    if database.engine.dialect.name == "sqlite":
        sql("CREATE TABLE notes (id INTEGER REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED)")
        sql("CREATE TRIGGER late AFTER INSERT ON users BEGIN INSERT INTO notes VALUES (-1); END")
    else:
        sql(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'not today'; END $$"
        )
        sql(
            "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON users "
            "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    answer = client.post("/users/", json={"email": "ann@example.com", "password": PASSWORD})
    assert_problem(answer, answer.status_code)
    assert sql("SELECT count(*) FROM users")[0] == (0,)
