"""Add keys of e-mails.

`platform_service.migrate` fills them, in transactions of its own.

Revision ID: 3b9d0c61a7f4
Revises: ef0b5f20ee73
Created: 2026-11-28 22:36:11+00:00
"""

import sqlalchemy as sa
from alembic import op

revision: str = "3b9d0c61a7f4"
down_revision: str | None = "ef0b5f20ee73"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    op.add_column("users", sa.Column("email_key", sa.String(length=254), nullable=True))
    op.create_index("uq_users_email_key", "users", ["email_key"], unique=True)


def downgrade() -> None:
    op.drop_index("uq_users_email_key", table_name="users")
    op.drop_column("users", "email_key")
