"""What the record takes up, what an exchange costs to store, and how fast lists answer."""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.table import Line

TESTS = Path(__file__).parents[1] / "tests"
Spacing = tuple[str, str]
COMPACT: Spacing = (",", ":")
SPACED: Spacing = (", ", ": ")

QUERIES = {
    "newest 200": "",
    "model:gpt-5*": "model:gpt-5*",
    "status:>=400": "status:>=400",
    "client:claude-code stream:yes": "client:claude-code stream:yes",
    "free text": "timeout",
}


def measure(*, quick: bool, large: bool) -> list[Line]:
    lines: list[Line] = []
    for name, spacing in (("compact JSON", COMPACT), ("spaced JSON", SPACED)):
        lines += measure_session(name, spacing, turns=20 if quick else 150)
    lines += measure_lists(1_000_000 if large else 10_000 if quick else 100_000)
    return lines


def measure_session(name: str, spacing: Spacing, *, turns: int) -> list[Line]:
    """Store a whole agent session, the one of the tests, and compare with its raw size."""
    from dragoman.store import Batch, Store

    sys.path.insert(0, str(TESTS))
    from fakes.session import session_recordings

    with tempfile.TemporaryDirectory() as place:
        store = Store(f"sqlite:///{place}/dragoman.db")
        store.open()
        try:
            raw = 0
            for recording in session_recordings(turns, spacing=spacing):
                raw += len(recording.request_body) + len(recording.response_body)
                store.commit(Batch(finished=[recording]))
            report = store.verify()
            if report.failures:
                raise RuntimeError(f"bodies that were not rebuilt: {report.failures[:3]}")
            kinds = store.storage().kinds
        finally:
            store.close()
        whole = sum(path.stat().st_size for path in Path(place).iterdir())
    content = kinds["segments"] + kinds["nodes"] + kinds["replies"]
    note = f"{turns} turns, {raw / 1e6:.0f} MB, {name}"
    return [
        Line("stored: segments, nodes and replies", content / raw * 100, "% of raw", budget=1.0, note=note),
        Line("stored: the whole database", whole / raw * 100, "% of raw", budget=3.0, note=note),
    ]


def measure_lists(count: int) -> list[Line]:
    """Seed a large store by SQL and time lists, filters and search over it."""
    from bench.seed import seed
    from dragoman.records.query import parse
    from dragoman.store import Store

    with tempfile.TemporaryDirectory() as place:
        url = f"sqlite:///{place}/dragoman.db"
        print(f"· seeding {count:,} exchanges", file=sys.stderr, flush=True)
        seed(url, count)
        store = Store(url)
        store.open()
        try:
            lines = []
            for name, text in QUERIES.items():
                query = parse(text, now_ns=time.time_ns())
                times = _times(lambda query=query: store.list_rows(query, limit=200))
                note = f"{name}; median {statistics.median(times):.1f} ms"
                lines.append(Line(f"list p95 at {count:,} exchanges", _p95(times), "ms", budget=50, note=note))
            return lines
        finally:
            store.close()


def _times(act: Callable[[], object], repeats: int = 40) -> list[float]:
    """Milliseconds of each call, after one to warm up."""
    act()
    times: list[float] = []
    for _ in range(repeats):
        begun = time.perf_counter()
        act()
        times.append((time.perf_counter() - begun) * 1000)
    return times


def _p95(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.95)]
