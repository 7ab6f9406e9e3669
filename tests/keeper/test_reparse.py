"""Re-parsing: all older ones, some by name, and those that fail."""

import asyncio

from dragoman.dialects import PARSER_VERSION
from dragoman.journal.format import Opened
from dragoman.keeper.assemble import Assembly, TimeBase
from dragoman.keeper.reparse import Reparse, ReparseProgress
from dragoman.keeper.understand import understand
from dragoman.records.exchange import Recording, Row
from fakes.playbook import whole


def stored(name: str) -> Recording:
    first, *rest = whole(name)
    assert isinstance(first, Opened)
    assembly = Assembly(first, TimeBase(0, 0))
    for record in rest:
        assembly.take(record)
    made = understand(assembly.recording())
    made.detail.row.parser_version = 0
    made.detail.row.model_served = None
    return made


class Shelf:
    """A store with some recordings, of which `broken` cannot be read."""

    def __init__(self, names: list[str], broken: set[str]) -> None:
        self.recordings = {name: stored(name) for name in names}
        self.broken = broken

    def reparse_candidates(self, below_version: int, limit: int) -> list[str]:
        rows = [one.detail.row for one in self.recordings.values()]
        return [row.id for row in rows if row.parser_version < below_version][:limit]

    def recording(self, name: str) -> Recording | None:
        if name in self.broken:
            raise ValueError("no such thing")
        return self.recordings.get(name)

    def replace_facts(self, recording: Recording) -> Row:
        self.recordings[recording.detail.row.id] = recording
        return recording.detail.row


async def run(shelf: Shelf, ids: list[str] | None) -> tuple[list[str], ReparseProgress]:
    changed: list[str] = []
    ended = asyncio.Event()
    reparse = Reparse(shelf, on_changed=lambda row: changed.append(row.id))
    reparse.begin(ids)
    while reparse.progress.is_running:
        await asyncio.to_thread(ended.is_set)
    await reparse.close()
    return changed, reparse.progress


async def test_all_that_an_older_parser_read_are_read_again() -> None:
    shelf = Shelf(["a", "b", "c"], set())
    changed, progress = await run(shelf, None)
    assert sorted(changed) == ["a", "b", "c"]
    assert progress == ReparseProgress(is_running=False, done=3, failed=0, total=3)
    assert {one.detail.row.model_served for one in shelf.recordings.values()} == {"gpt-4o-2024"}
    assert {one.detail.row.parser_version for one in shelf.recordings.values()} == {PARSER_VERSION}


async def test_only_those_named_are_read_again() -> None:
    shelf = Shelf(["a", "b"], set())
    changed, progress = await run(shelf, ["b", "gone"])
    assert changed == ["b"]
    assert progress.total == 2
    assert shelf.recordings["a"].detail.row.parser_version == 0


async def test_one_that_fails_is_counted_and_passed() -> None:
    shelf = Shelf(["a", "b", "c"], {"b"})
    changed, progress = await run(shelf, None)
    assert changed == ["a", "c"]
    assert (progress.done, progress.failed, progress.is_running) == (2, 1, False)
