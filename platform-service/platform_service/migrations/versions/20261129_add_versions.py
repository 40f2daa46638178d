"""Add versions and times, sessions, networks that sign in, and keys of requests.

`platform_service.migrate` fills the times and the words of the search, in transactions of its own.

Revision ID: 8d42b6f01ce5
Revises: 3b9d0c61a7f4
Created: 2026-11-29 02:04:41+00:00
"""

import sqlalchemy as sa
from alembic import op

from chassis.search_upkeep import create_search, drop_search

revision: str = "8d42b6f01ce5"
down_revision: str | None = "3b9d0c61a7f4"
branch_labels: None = None
depends_on: None = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INDEXED = [["published_at", "id"], ["owner_id", "published_at", "id"]]


def upgrade() -> None:
    op.add_column(
        "articles", sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False)
    )
    op.add_column("articles", sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("articles", sa.Column("published_at", sa.DateTime(timezone=True), nullable=True))
    for columns in INDEXED:
        op.create_index(
            op.f(f"ix_articles_{'_'.join(columns)}"),
            "articles",
            columns,
            sqlite_where=sa.text("is_published IS NOT 0 AND published_at IS NOT NULL"),
            postgresql_where=sa.text("is_published IS NOT false AND published_at IS NOT NULL"),
        )
    create_search(op.get_bind(), "articles", "title", "content")
    op.create_table(
        "refresh_tokens",
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("family", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_id", ID, nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_refresh_tokens_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_refresh_tokens")),
    )
    for column in ("family", "user_id", "expires_at"):
        op.create_index(op.f(f"ix_refresh_tokens_{column}"), "refresh_tokens", [column])
    op.create_table(
        "sign_in_networks",
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_known", sa.Boolean(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_sign_in_networks")),
    )
    op.create_index(op.f("ix_sign_in_networks_expires_at"), "sign_in_networks", ["expires_at"])
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
    drop_search(op.get_bind(), "articles", "title", "content")
    op.drop_table("idempotency_keys")
    op.drop_table("sign_in_networks")
    op.drop_table("refresh_tokens")
    for columns in INDEXED:
        op.drop_index(op.f(f"ix_articles_{'_'.join(columns)}"), table_name="articles")
    for column in ("published_at", "changed_at", "version"):
        op.drop_column("articles", column)
