"""Run by alembic; the connection comes from `adapters/store/schema.py`."""

from alembic import context

from repwatch.adapters.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
