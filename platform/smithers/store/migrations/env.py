"""Run by Alembic. The connection is given by `migrate.py`; there is no other way in."""

from alembic import context

from smithers.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
