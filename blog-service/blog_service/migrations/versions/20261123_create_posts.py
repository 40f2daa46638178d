"""Create posts.

Revision ID: 670e80bf95da
Revises:
Created: 2026-11-23 18:26:27+00:00
"""

import sqlalchemy as sa
from alembic import op

revision: str = "670e80bf95da"
down_revision: str | None = None
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    op.create_table(
        "posts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("published", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("created_at", sa.DateTime(), server_default=sa.func.now(), nullable=False),
        sa.CheckConstraint("length(body) <= 100000", name=op.f("ck_posts_body_length")),
        sa.CheckConstraint("length(title) BETWEEN 1 AND 200", name=op.f("ck_posts_title_length")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posts")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_posts_published_id"), "posts", ["published", "id"])


def downgrade() -> None:
    op.drop_table("posts")
