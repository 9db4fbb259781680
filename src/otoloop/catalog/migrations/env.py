"""How Alembic reaches the catalogue: through a connection that is handed in, or an URL for authors of migrations."""

import os

from alembic import context
from sqlalchemy import Connection, create_engine

from otoloop.catalog.tables import Base


def run(connection: Connection) -> None:
    """Migrate over ``connection``, inside its transaction."""
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with create_engine(os.environ["OTOLOOP_DATABASE_URL"]).begin() as made:
        run(made)
