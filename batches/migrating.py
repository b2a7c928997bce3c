"""Tables that an older Assay made are brought to this version: the revisions, by Alembic."""

import asyncio
from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

import batches.migrations
from batches.database import MIGRATING, Database, Transaction
from batches.errors import StoreTooNew
from batches.tables import METADATA


async def migrate(database: Database) -> None:
    """Bring the tables in `database` to the newest revision, or make them by all of them.

    Raises:
        StoreTooNew: they are at a revision that is none of ours.
        StoreUnavailable: the database can't be reached, or not be written.
    """
    await database.write(_migrate, await asyncio.to_thread(revisions))


def revisions() -> ScriptDirectory:
    """Return the revisions, read from their files."""
    config = Config()
    config.set_main_option("script_location", str(Path(batches.migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    list(scripts.walk_revisions())  # reads every file: not in the event loop, later
    return scripts


def _migrate(transaction: Transaction, scripts: ScriptDirectory) -> None:
    """Bring the tables to the newest of `scripts`, alone.

    Raises:
        StoreTooNew: they are at a revision that is none of `scripts`.
    """
    transaction.hold(MIGRATING)
    connection = transaction.connection
    present = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if present is not None and present not in known:
        raise StoreTooNew(
            f"the store is at revision {present}, which this version of Assay does not know: a"
            " newer one has written it. Run that one, or put back a backup from before"
        )
    if present == scripts.get_current_head():
        return
    config = Config()

    def steps(at: str, context: object) -> object:
        del context
        return scripts._upgrade_revs("head", at)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - alembic's recipe

    with EnvironmentContext(config, scripts, fn=steps) as context:
        context.configure(connection=connection, target_metadata=METADATA)
        context.run_migrations()
