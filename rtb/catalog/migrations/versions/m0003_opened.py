"""Time when the ledger first had a campaign's money, so that a ledger without it is known to have lost it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column. It is unknown for existing campaigns, until they are next found open."""
    op.add_column("campaigns", sa.Column("opened_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("campaigns", "opened_at")
