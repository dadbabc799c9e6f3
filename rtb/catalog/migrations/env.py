"""What Alembic runs: the migrations, on the connection and in the transaction of `rtb.catalog.migrate`.

It leaves logging alone, which belongs to the process that opens the catalog.
"""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
