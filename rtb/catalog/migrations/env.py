"""Alembic's environment: it runs the migrations in the transaction of `rtb.catalog.migrate`.

It does not configure logging, which belongs to the process that opens the catalog.
"""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
