"""Bring the tables of a store to the newest form, in one transaction."""

from pathlib import Path

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory


def script() -> ScriptDirectory:
    """The numbered migrations beside this file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return ScriptDirectory.from_config(config)


def upgrade(connection: sa.Connection, target: str = "head") -> None:
    """Run what is missing up to `target`; on failure nothing of it stays."""
    directory = script()
    config = Config()
    with EnvironmentContext(
        config, directory, fn=lambda revision, _: directory._upgrade_revs(target, revision), destination_rev=target
    ) as environment:
        environment.configure(connection=connection, render_as_batch=False, transactional_ddl=True)
        with environment.begin_transaction():
            environment.run_migrations()
    if connection.in_transaction():
        connection.commit()
