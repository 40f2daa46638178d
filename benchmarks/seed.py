"""Rows by the million, in seconds: INSERT … SELECT inside the database, in chunks."""

from sqlalchemy import Engine, create_engine, text

from benchmarks.progress import Progress

CHUNK = 10_000  # rows of one statement: PostgreSQL ends what takes three seconds
ROWS_PER_OWNER = 100
WORDS = "Plain words about nothing in particular, as long as an abstract is. " * 3
# A tenth are drafts: those whose id has the tens digit 3. Ids begin at 1 and have no gaps.
PUBLISHED = "(i / 10) % 10 <> 3"
PUBLISHED_AT = f"CASE WHEN {PUBLISHED} THEN CURRENT_TIMESTAMP END"
SERIES = (
    "WITH RECURSIVE numbers(i) AS "
    "(VALUES(:first) UNION ALL SELECT i + 1 FROM numbers WHERE i < :last)"
)
NUMBERS = {
    "postgresql": ("", "generate_series(:first, :last) AS numbers(i)"),
    "sqlite": (SERIES, "numbers"),
}
USERS = """
INSERT INTO users (email, hashed_password) SELECT 'author' || i || '@example.com', '!'
"""
ARTICLES = f"""
INSERT INTO articles (title, content, is_published, owner_id, published_at)
SELECT 'Article ' || i, :words || i, {PUBLISHED}, 1 + i % :owners, {PUBLISHED_AT}
"""
POSTS = f"""
INSERT INTO posts (title, body, published, published_at)
SELECT 'Post ' || i, :words || i, {PUBLISHED}, {PUBLISHED_AT}
"""


def owners(rows: int) -> int:
    """Return how many users share the articles: an odd number, so that each has drafts too."""
    return rows // ROWS_PER_OWNER + 1


def seed_articles(url: str, rows: int, name: str) -> None:
    """Fill a migrated platform database.

    Its one user so far has id 1, and then owns the multiples of `owners(rows)`.
    """
    engine = create_engine(url)
    insert(engine, USERS, 2, owners(rows), Progress(f"{name}: users", chunks(owners(rows))))
    values: dict[str, int | str] = {"owners": owners(rows), "words": WORDS}
    insert(engine, ARTICLES, 1, rows, Progress(f"{name}: articles", chunks(rows)), **values)
    tidy(engine)


def seed_posts(url: str, rows: int, name: str) -> None:
    """Fill a migrated blog database."""
    engine = create_engine(url)
    insert(engine, POSTS, 1, rows, Progress(f"{name}: posts", chunks(rows)), words=WORDS)
    tidy(engine)


def chunks(rows: int) -> int:
    return -(-rows // CHUNK)


def insert(
    engine: Engine, query: str, first: int, last: int, progress: Progress, **values: int | str
) -> None:
    """Run an INSERT … SELECT for the numbers from first to last, each number being `i`."""
    prefix, numbers = NUMBERS[engine.dialect.name]
    for start in range(first, last + 1, CHUNK):
        end = min(start + CHUNK - 1, last)
        progress.step(f"{end:,} rows")
        with engine.begin() as connection:
            statement = text(f"{prefix} {query} FROM {numbers}")
            connection.execute(statement, {"first": start, "last": end, **values})


def tidy(engine: Engine) -> None:
    """Do at once what would disturb the measurement later."""
    commands = ["VACUUM ANALYZE", "CHECKPOINT"]
    if engine.dialect.name == "sqlite":
        commands = ["PRAGMA wal_checkpoint(TRUNCATE)"]
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for command in commands:
            connection.execute(text(command))
    engine.dispose()
