"""NOT HOW THIS PROJECT DOES IT: the usual way, for comparison.

The articles' routes as FastAPI's tutorials write them: sync routes, a sync yield dependency,
whole ORM objects, a session and a pool with the default settings, commit and refresh. Owners
come by a join, so that what is compared is not a query per row; and there is no log, no request
id, no limit and no problem body. `DATABASE_URL=… python -m benchmarks.usual_way PORT`.
"""

import os
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import jwt
import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm
from passlib.context import CryptContext
from pydantic import BaseModel, ConfigDict
from sqlalchemy import ForeignKey, create_engine, func, or_
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Query,
    Session,
    joinedload,
    mapped_column,
    relationship,
    sessionmaker,
)

URL = os.environ.get("DATABASE_URL", "sqlite://")
ARGUMENTS = {"check_same_thread": False} if URL.startswith("sqlite") else {}
SECRET = "a secret of thirty-two bytes or so"

engine = create_engine(URL, connect_args=ARGUMENTS)
SessionLocal = sessionmaker(autocommit=False, autoflush=False, bind=engine)
passwords = CryptContext(schemes=["argon2"])
bearer = OAuth2PasswordBearer(tokenUrl="/auth/token", auto_error=False)
app = FastAPI()


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    hashed_password: Mapped[str]
    is_active: Mapped[bool]


class Article(Base):
    __tablename__ = "articles"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    content: Mapped[str]
    is_published: Mapped[bool]
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    changed_at: Mapped[datetime | None] = mapped_column(onupdate=func.now())
    published_at: Mapped[datetime | None]
    owner: Mapped[User] = relationship()

    @property
    def owner_email(self) -> str:
        return self.owner.email

    @property
    def updated_at(self) -> datetime:
        return self.changed_at or self.created_at


class ArticleCreate(BaseModel):
    title: str
    content: str
    is_published: bool = False


class ArticleUpdate(BaseModel):
    title: str | None = None
    content: str | None = None
    is_published: bool | None = None


class ArticleOut(ArticleCreate):
    model_config = ConfigDict(from_attributes=True)

    id: int
    owner_id: int
    owner_email: str
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None


def get_db() -> Iterator[Session]:
    db = SessionLocal()
    try:
        yield db
    finally:
        db.close()


Db = Annotated[Session, Depends(get_db)]


def get_caller(db: Db, token: Annotated[str | None, Depends(bearer)]) -> User | None:
    if token is None:
        return None
    claims = jwt.decode(token, SECRET, algorithms=["HS256"])
    return db.query(User).filter(User.email == claims["sub"]).first()


Caller = Annotated[User | None, Depends(get_caller)]


def visible(db: Session, caller: User | None) -> Query[Article]:
    articles = db.query(Article).options(joinedload(Article.owner))
    if caller is None:
        return articles.filter(Article.is_published)
    return articles.filter(or_(Article.is_published, Article.owner_id == caller.id))


@app.get("/livez")
def livez() -> str:
    return "up"


@app.post("/auth/token")
def sign_in(db: Db, form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> dict[str, str]:
    user = db.query(User).filter(func.lower(User.email) == form.username).first()
    if user is None or not passwords.verify(form.password, user.hashed_password):
        raise HTTPException(401)
    return {"access_token": jwt.encode({"sub": user.email}, SECRET), "token_type": "bearer"}


@app.get("/articles/", response_model=list[ArticleOut])
def list_articles(
    db: Db,
    caller: Caller,
    skip: int = 0,
    limit: int = 20,
    is_published: bool | None = None,
    owner_id: int | None = None,
) -> Any:
    articles = visible(db, caller)
    if is_published is not None:
        articles = articles.filter(Article.is_published == is_published)
    if owner_id is not None:
        articles = articles.filter(Article.owner_id == owner_id)
    return articles.order_by(Article.id).offset(skip).limit(limit).all()


@app.get("/articles/{article_id}", response_model=ArticleOut)
def get_article(article_id: int, db: Db, caller: Caller) -> Any:
    article = visible(db, caller).filter(Article.id == article_id).first()
    if article is None:
        raise HTTPException(404)
    return article


@app.post("/articles/", status_code=201, response_model=ArticleOut)
def create_article(new: ArticleCreate, db: Db, caller: Caller) -> Any:
    if caller is None:
        raise HTTPException(401)
    article = Article(**new.model_dump(), owner_id=caller.id)
    db.add(article)
    db.commit()
    db.refresh(article)
    return article


@app.patch("/articles/{article_id}", response_model=ArticleOut)
def update_article(article_id: int, changes: ArticleUpdate, db: Db, caller: Caller) -> Any:
    article = db.query(Article).filter(Article.id == article_id).first()
    if article is None or caller is None or article.owner_id != caller.id:
        raise HTTPException(404)
    for name, value in changes.model_dump(exclude_unset=True).items():
        setattr(article, name, value)
    db.commit()
    db.refresh(article)
    return article


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False)
