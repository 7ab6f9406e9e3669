"""The first tables.

Why: there is nothing yet.
"""

from alembic import op

from dragoman.store import schema, search

revision = "0001"
down_revision = None


def upgrade() -> None:
    schema.metadata.create_all(op.get_bind())
    search.create(op.get_bind())
