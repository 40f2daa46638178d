"""A service of a few lines, on which the chassis is tested.

`python -m sample` serves it, `python -m sample migrate` migrates its database.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from pydantic import MISSING, Field
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from starlette.types import StatelessLifespan

from chassis import first_answers
from chassis.app import make_app
from chassis.callers import CallerId
from chassis.database import Database, MakeEngine
from chassis.errors import NotFoundError
from chassis.idempotency import idempotent
from chassis.migrations import migrate
from chassis.models import NAMING_CONVENTION, Publishable, Versioned
from chassis.pages import TextPage
from chassis.pagination import Row, count_rows, fetch_page, link_next_page
from chassis.postgresql import make_postgresql_engine, parse_url
from chassis.preconditions import ConditionalRequest, entity_tag
from chassis.routes import Route
from chassis.schemas import Input, NoNul, OptionalParameter, Output, RowId
from chassis.search import Search
from chassis.server import serve
from chassis.settings import CallerSettings, load_settings
from chassis.sqlite import make_sqlite_engine
from chassis.tokens import make_token_verifier
from chassis.visibility import Visibility, index_lists

READERS = 2
WRITERS = 1
TEXT_LENGTH = 100_000


class Settings(CallerSettings, env_prefix="SAMPLE_"):
    part = "sample"

    database_url: str


class Base(DeclarativeBase):
    metadata = sa.MetaData(naming_convention=NAMING_CONVENTION)


class Note(Versioned, Publishable, Base):
    __tablename__ = "notes"
    __table_args__ = (
        sa.CheckConstraint(f"length(text) BETWEEN 1 AND {TEXT_LENGTH}", name="text_length"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.Text)
    published: Mapped[bool] = mapped_column(server_default=sa.false())
    owner_id: Mapped[int | None]


index_lists(Note.published, Note.published_at, Note.owner_id, Note.id)

NOTE_SEARCH = Search(Note, "text")

first_answers.add_table(Base.metadata)

Text = Annotated[str, Field(min_length=1, max_length=TEXT_LENGTH), NoNul]


class NoteCreate(Input):
    text: Text


class NoteUpdate(Input):
    text: Text | MISSING = MISSING


class NotePage(TextPage):
    published: OptionalParameter[bool] = None
    owner_id: OptionalParameter[RowId] = None


class NoteOut(Output):
    id: int
    text: str
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None


def make_database(settings: Settings) -> Database:
    url = parse_url(settings.database_url)
    if url.get_backend_name() == "sqlite":
        make_engine: MakeEngine = partial(make_sqlite_engine, url)
    else:
        make_engine = partial(make_postgresql_engine, url, settings.part)
    migrations = Path(__file__).parent / "migrations"
    return Database(make_engine, migrations, readers=READERS, writers=WRITERS)


async def get_db(request: Request) -> Session:
    session: Session = request.app.state.database.session(request)
    return session


Db = Annotated[Session, Depends(get_db)]
router = APIRouter(prefix="/notes", route_class=Route)

notes = Note.__table__
SHOWN = sa.select(
    notes.c.id,
    notes.c.text,
    notes.c.created_at,
    sa.func.coalesce(notes.c.changed_at, notes.c.created_at).label("updated_at"),
    notes.c.published_at,
)
VISIBLE = Visibility(
    NOTE_SEARCH,
    notes.c.published,
    notes.c.published_at,
    notes.c.owner_id,
    shares_drafts_of_nobody=True,
)


@router.get("/", response_model=list[NoteOut])
def list_notes(
    page: Annotated[NotePage, Query()],
    caller_id: CallerId,
    db: Db,
    request: Request,
    response: Response,
) -> list[Row]:
    selection = VISIBLE.selection(
        db, page, published=page.published, owner_id=page.owner_id, caller_id=caller_id
    )
    if page.count:
        response.headers["X-Total-Count"] = str(count_rows(db, SHOWN, selection))
    return link_next_page(request, response, page, fetch_page(db, SHOWN, page, selection))


@router.get("/{note_id}", response_model=NoteOut)
def get_note(note_id: RowId, db: Db, request: ConditionalRequest) -> Note:
    return request.show(_find(db, note_id))


@router.post("/", status_code=201, response_model=NoteOut)
@idempotent
def create_note(note: NoteCreate, db: Db, response: Response) -> Note:
    created = Note(text=note.text)
    db.add(created)
    db.flush()
    response.headers["Location"] = f"/notes/{created.id}"
    response.headers["ETag"] = entity_tag(created.version)
    return created


@router.patch("/{note_id}", response_model=NoteOut)
def update_note(note_id: RowId, changes: NoteUpdate, db: Db, request: ConditionalRequest) -> Note:
    note = _find(db, note_id, lock=True)
    request.check(note.version)
    for field, value in changes.model_dump().items():
        setattr(note, field, value)
    db.flush()
    return request.show(note)


@router.delete("/{note_id}", status_code=204, response_class=Response)
def delete_note(note_id: RowId, db: Db, request: ConditionalRequest) -> None:
    note = _find(db, note_id, lock=True)
    request.check(note.version)
    db.delete(note)


def _find(db: Session, note_id: int, *, lock: bool = False) -> Note:
    note = db.get(Note, note_id, with_for_update=lock)
    if note is None:
        raise NotFoundError
    return note


def lifespan_of(settings: Settings) -> StatelessLifespan[FastAPI]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with make_database(settings).serving() as database:
            if database.engine.dialect.name == "sqlite":
                database.create_schema(Base.metadata)
            app.state.database = database
            app.state.token_verifier = make_token_verifier(settings)
            yield

    return lifespan


def create_app(settings: Settings) -> FastAPI:
    return make_app(settings.part, lifespan_of(settings), router)


if __name__ == "__main__":
    import chassis.signals  # noqa: F401 - not at the top, since tests import this module

    settings = load_settings(Settings)
    if sys.argv[1:] == ["migrate"]:
        migrate(settings, make_database, Base.metadata, NOTE_SEARCH.fill)
    else:
        serve(create_app(settings), settings)
