"""The floor: what FastAPI itself costs. `python -m benchmarks.floor PORT`.

Two routes that do nothing, one in a thread and one in the event loop. Both take one path
parameter and return an instance of a response model with the nine fields of an article.
"""

import sys
from datetime import UTC, datetime

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel


class Article(BaseModel):
    """An article as the platform shows it."""

    id: int
    title: str
    content: str
    is_published: bool
    owner_id: int
    owner_email: str
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None


TIME = datetime(2026, 1, 1, tzinfo=UTC)
ARTICLE = Article(
    id=1,
    title="A title",
    content="Plain words about nothing in particular, as long as an abstract is. " * 3,
    is_published=True,
    owner_id=1,
    owner_email="ada@example.com",
    created_at=TIME,
    updated_at=TIME,
    published_at=TIME,
)

app = FastAPI()


@app.get("/sync/{article_id}")
def get_in_a_thread(article_id: int) -> Article:  # noqa: ARG001
    return ARTICLE


@app.get("/async/{article_id}")
async def get_in_the_loop(article_id: int) -> Article:  # noqa: ARG001
    return ARTICLE


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False)
