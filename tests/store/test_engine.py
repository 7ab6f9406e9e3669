"""Opening a store: made new, found at an age, or refused with words that help."""

import os
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from dragoman.errors import BadConfig
from dragoman.ids import IdMaker
from dragoman.store import Batch, Store, schema, search
from dragoman.store.migrations.run import script, upgrade
from fakes.session import START_MS, recording


def objects(connection: sa.Connection) -> dict[str, str]:
    found = connection.exec_driver_sql("SELECT name, sql FROM sqlite_schema WHERE sql NOTNULL")
    return {name: "".join(text.split()) for name, text in found if not name.startswith("alembic")}


def test_the_migrations_make_the_tables_that_the_code_describes() -> None:
    migrated, described = sa.create_engine("sqlite://"), sa.create_engine("sqlite://")
    with migrated.connect() as one, described.connect() as other:
        upgrade(one)
        schema.metadata.create_all(other)
        search.create(other)
        assert objects(one) == objects(other)
    migrated.dispose()
    described.dispose()


def test_the_newest_migration_is_the_one_the_code_expects() -> None:
    assert script().get_current_head() == schema.HEAD


def test_an_open_store_keeps_a_log_and_gives_pages_back(store: Store, path: Path) -> None:
    assert store.storage().rows == 0
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert database.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    database.close()


def test_a_store_at_the_newest_form_opens_without_alembic(path: Path) -> None:
    with Store(f"sqlite:///{path}"):
        pass
    code = (
        "import sys; from dragoman.store import Store\n"
        f"with Store('sqlite:///{path}'): pass\n"
        "assert 'alembic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_store_of_a_newer_version_is_refused(path: Path) -> None:
    with Store(f"sqlite:///{path}"):
        pass
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    with pytest.raises(BadConfig, match=r"newer Dragoman.*9999.*name another data directory"):
        Store(f"sqlite:///{path}").open()


def test_another_program_s_database_is_refused(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE something (else_ TEXT)")
    database.close()
    with pytest.raises(BadConfig, match="not one of Dragoman's"):
        Store(f"sqlite:///{path}").open()


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_bytes(b"just some words, long enough to be looked at" * 100)
    with pytest.raises(BadConfig, match="not a database"):
        Store(f"sqlite:///{path}").open()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(BadConfig, match="--data-dir"):
        Store(f"sqlite:///{tmp_path}/deeper/dragoman.db").open()


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadConfig, match="--data-dir"):
        Store(f"sqlite:///{tmp_path}/file/dragoman.db").open()


def test_a_store_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(BadConfig, match="expected sqlite:////absolute"):
        Store("mysql://localhost/x")


def test_nothing_is_taken_for_stored_once_the_file_is_gone(store: Store, path: Path) -> None:
    store.commit(Batch())
    path.rename(path.with_name("moved.db"))
    with pytest.raises(FileNotFoundError, match="removed or replaced while Dragoman ran"):
        store.commit(Batch())
    path.with_name("moved.db").rename(path)
    store.commit(Batch())


def test_a_new_database_is_its_owners_alone(store: Store, path: Path) -> None:
    store.commit(Batch())
    assert {one.name: one.stat().st_mode & 0o077 for one in path.parent.glob("dragoman.db*")} == {
        "dragoman.db": 0, "dragoman.db-wal": 0, "dragoman.db-shm": 0,
    }  # fmt: skip


def test_a_full_database_is_told_from_a_batch_that_is_wrong(store: Store) -> None:
    large = recording(random.Random(1).randbytes(1_000_000), b"x", ids=IdMaker(), ms=START_MS)
    with store._engines.writer.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # means: no larger than it is now
        connection.rollback()
    with pytest.raises(OSError, match="takes nothing at the moment: database or disk is full"):
        store.commit(Batch(finished=[large]))


def test_what_is_stored_can_be_made_sure_of_at_any_time(store: Store, path: Path) -> None:
    store.sync()
    (row,) = store.commit(Batch(finished=[recording(b"{}", b"{}", ids=IdMaker(), ms=START_MS)]))
    store.sync()
    store.commit(Batch())  # and writing goes on
    assert store.request_body(row.id) == b"{}"
    store.close()
    store.sync()  # the log is gone by now
    store.open()
