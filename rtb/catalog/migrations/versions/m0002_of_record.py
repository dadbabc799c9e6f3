"""Versions of campaigns, who changed them, and what they spent."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_COUNTS = ("settled", "micros", "wins", "clicks", "conversions")


def upgrade() -> None:
    """Add the column and the tables; existing campaigns get the first line of their history."""
    op.add_column("campaigns", sa.Column("version", sa.Integer, nullable=False, server_default="1"))
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(255), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text, nullable=False),
    )
    op.create_index("audit_of_campaign", "audit", ["number", "version"])
    op.execute(
        'INSERT INTO audit (number, at, actor, action, version, "before", "after") '
        "SELECT number, created_at, 'unknown', 'create', 1, NULL, body FROM campaigns ORDER BY number"
    )
    _make_single("revision", sa.BigInteger(), "(SELECT count(*) FROM campaigns)")
    op.create_table(
        "spend",
        sa.Column("campaign", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _COUNTS),
        sa.Column("last_event", sa.String(64), nullable=False),
    )
    _make_single("position", sa.String(64), "'0-0'")


def downgrade() -> None:
    """Drop the tables and the column."""
    for table in ("position", "spend", "revision", "audit"):
        op.drop_table(table)
    op.drop_column("campaigns", "version")


def _make_single(table: str, kind: sa.types.TypeEngine[Any], first: str) -> None:
    """Create a table with its single row, so that no reader has to expect none."""
    op.create_table(
        table,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("value", kind, nullable=False),
    )
    op.execute(f'INSERT INTO "{table}" (id, value) VALUES (1, {first})')  # nosec B608 # names of this file
