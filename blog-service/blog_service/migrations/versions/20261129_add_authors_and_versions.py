"""Add authors, versions, times, search, and keys of requests.

`blog_service.migrate` fills the times and the words of the search, in transactions of its own.

Revision ID: 5c1f7e2a9b36
Revises: 670e80bf95da
Created: 2026-11-29 02:04:09+00:00
"""

import sqlalchemy as sa
from alembic import op

from chassis.search_upkeep import create_search, drop_search

revision: str = "5c1f7e2a9b36"
down_revision: str | None = "670e80bf95da"
branch_labels: None = None
depends_on: None = None

INDEXED = [["published_at", "id"], ["author_id", "published_at", "id"]]


def upgrade() -> None:
    op.add_column(
        "posts", sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False)
    )
    op.add_column("posts", sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("posts", sa.Column("published_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("posts", sa.Column("author_id", sa.BigInteger(), nullable=True))
    op.create_index(
        op.f("ix_posts_author_id_published_id"), "posts", ["author_id", "published", "id"]
    )
    for columns in INDEXED:
        op.create_index(
            op.f(f"ix_posts_{'_'.join(columns)}"),
            "posts",
            columns,
            sqlite_where=sa.text("published IS NOT 0 AND published_at IS NOT NULL"),
            postgresql_where=sa.text("published IS NOT false AND published_at IS NOT NULL"),
        )
    create_search(op.get_bind(), "posts", "title", "body")
    op.create_table(
        "idempotency_keys",
        sa.Column("caller_id", sa.BigInteger(), nullable=False),
        sa.Column("route", sa.String(length=100), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("secret", sa.String(length=255), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("location", sa.String(length=255), nullable=True),
        sa.Column("etag", sa.String(length=100), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("caller_id", "route", "key", name=op.f("pk_idempotency_keys")),
    )
    for column in ("expires_at", "location"):
        name = op.f(f"ix_idempotency_keys_{column}")
        op.create_index(name, "idempotency_keys", [column])


def downgrade() -> None:
    op.drop_table("idempotency_keys")
    drop_search(op.get_bind(), "posts", "title", "body")
    for columns in INDEXED:
        op.drop_index(op.f(f"ix_posts_{'_'.join(columns)}"), table_name="posts")
    op.drop_index(op.f("ix_posts_author_id_published_id"), table_name="posts")
    for column in ("author_id", "published_at", "changed_at", "version"):
        op.drop_column("posts", column)
