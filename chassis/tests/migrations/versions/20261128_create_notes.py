"""Create notes.

Revision ID: 5a1c0de00001
Revises:
Created: 2026-11-28 19:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

from chassis.search_upkeep import create_search, drop_search

revision: str = "5a1c0de00001"
down_revision: str | None = None
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    op.create_table(
        "notes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("published", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("owner_id", sa.Integer(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.func.now(),
            nullable=False,
        ),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("length(text) BETWEEN 1 AND 100000", name=op.f("ck_notes_text_length")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_notes_published_id"), "notes", ["published", "id"])
    op.create_index(
        op.f("ix_notes_owner_id_published_id"), "notes", ["owner_id", "published", "id"]
    )
    for columns in (["published_at", "id"], ["owner_id", "published_at", "id"]):
        op.create_index(
            op.f(f"ix_notes_{'_'.join(columns)}"),
            "notes",
            columns,
            sqlite_where=sa.text("published IS NOT 0 AND published_at IS NOT NULL"),
            postgresql_where=sa.text("published IS NOT false AND published_at IS NOT NULL"),
        )
    create_search(op.get_bind(), "notes", "text")
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
    drop_search(op.get_bind(), "notes", "text")
    op.drop_table("notes")
