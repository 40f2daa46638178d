"""Add versions and times.

`platform_service.migrate` fills the times, in transactions of its own.

Revision ID: 8d42b6f01ce5
Revises: 3b9d0c61a7f4
Created: 2026-11-29 02:04:41+00:00
"""

import sqlalchemy as sa
from alembic import op

revision: str = "8d42b6f01ce5"
down_revision: str | None = "3b9d0c61a7f4"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    op.add_column(
        "articles", sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False)
    )
    op.add_column("articles", sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("articles", sa.Column("published_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for column in ("published_at", "changed_at", "version"):
        op.drop_column("articles", column)
