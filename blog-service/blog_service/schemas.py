"""The shapes that the routes accept and return."""

from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import MISSING, Field, StrictBool

from blog_service.models import BODY_LENGTH, TITLE_LENGTH
from chassis.pages import TextPage
from chassis.schemas import Input, NoNul, OptionalParameter, Output, RowId, example

PostId = Annotated[RowId, Path(examples=[1])]
Title = Annotated[str, Field(min_length=1, max_length=TITLE_LENGTH), NoNul]
Body = Annotated[str, Field(max_length=BODY_LENGTH), NoNul]
EXAMPLE = {"title": "On engines", "body": "The engine weaves patterns.", "published": True}


class PostPage(TextPage):
    """A page of posts, and the filters."""

    published: OptionalParameter[bool] = None
    author_id: OptionalParameter[RowId] = None


class PostCreate(Input):
    """A new post."""

    model_config = example(EXAMPLE)

    title: Title
    body: Body | None = None
    published: StrictBool = False


class PostUpdate(Input):
    """The fields to change. A field that is not sent keeps its value."""

    model_config = example({"published": True})

    # model_dump() leaves out what is MISSING.
    title: Title | MISSING = MISSING
    body: Body | MISSING | None = MISSING
    published: StrictBool | MISSING = MISSING


class PostOut(Output):
    """A post as clients see it."""

    model_config = example(
        {
            "id": 1,
            **EXAMPLE,
            "author_id": 1,
            "created_at": "2026-11-28T09:30:00Z",
            "updated_at": "2026-11-28T10:15:00Z",
            "published_at": "2026-11-28T10:00:00Z",
        }
    )

    id: int
    title: str
    body: str | None
    published: bool
    author_id: int | None
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None
