"""Keep what the policy says and give the rest of the space back, a little at a time.

In this order: what was deleted and can no longer be restored, facts that are too old, bodies that are too old,
the oldest bodies (then the oldest exchanges) while the store is too large; then the sweep of segments that
nobody carries any more; then free pages go back to the file system. Each step is one short transaction.
"""

import msgspec
import sqlalchemy as sa

from dragoman.store import sweep
from dragoman.store.deletion import purge_some
from dragoman.store.engine import Engines, file_bytes, give_back, pages
from dragoman.store.removal import drop_bodies, remove
from dragoman.store.rows import key_of
from dragoman.store.schema import counter, exchange, reply, request, rollup, upstream_reply, upstream_request
from dragoman.store.types import Policy, Preview, StepResult, Storage
from dragoman.store.writer import Hand

AT_ONCE = 200
VACUUM_PAGES = 512
SPARE_BYTES = 8 * 1024 * 1024
"""Free pages kept for what comes next."""
_NS_PER_MS = 1_000_000
_MINUTE_NS = 60_000_000_000


def step(hand: Hand, policy: Policy, now_ns: int) -> StepResult:
    """Do the first thing that is to be done, and say what it was."""
    before = hand.book["segment_bytes"] + hand.book["reply_bytes"] + hand.book["facts_bytes"]
    made = (
        _purge(hand, policy, now_ns)
        or _drop_facts(hand, policy, now_ns)
        or _drop_bodies(hand, policy, now_ns)
        or _shrink(hand, policy)
        or _sweep(hand)
        or _give_back(hand)
        or StepResult(phase="rest", is_done=True)
    )
    after = hand.book["segment_bytes"] + hand.book["reply_bytes"] + hand.book["facts_bytes"]
    return msgspec.structs.replace(made, freed_bytes=made.freed_bytes or max(0, before - after))


def _purge(hand: Hand, policy: Policy, now_ns: int) -> StepResult | None:
    gone = purge_some(hand, now_ns - policy.undo_ns)
    return StepResult(phase="purge", is_done=False, rows=gone) if gone else None


def _drop_facts(hand: Hand, policy: Policy, now_ns: int) -> StepResult | None:
    if policy.facts_ns is None:
        return None
    keys = _oldest(hand.connection, exchange.c.key, _key_before(now_ns, policy.facts_ns), AT_ONCE)
    remove(hand, keys)
    return StepResult(phase="facts", is_done=False, rows=len(keys)) if keys else None


def _drop_bodies(hand: Hand, policy: Policy, now_ns: int) -> StepResult | None:
    if policy.bodies_ns is None:
        return None
    keys = _oldest_bodies(hand.connection, _key_before(now_ns, policy.bodies_ns), AT_ONCE)
    dropped = drop_bodies(hand, keys)
    return StepResult(phase="bodies", is_done=False, bodies=dropped) if keys else None


def _shrink(hand: Hand, policy: Policy) -> StepResult | None:
    """Drop the oldest until the store should fit. How much that freed is seen only after the sweep, so what is
    to go is settled once for each round: as large a share of the bodies as the store is over its size."""
    book = hand.book
    if policy.max_bytes is None or book["sweep_phase"]:
        return None
    if not book["shrink_quota"] and not book["garbage"]:
        used = pages(hand.connection)[0]
        if used > policy.max_bytes:
            book["shrink_quota"] = 1 + (book["bodies"] or book["rows"]) * (used - policy.max_bytes) // used
    if not book["shrink_quota"]:
        return None
    amount = min(AT_ONCE, book["shrink_quota"])
    book.add("shrink_quota", -amount)
    keys = _oldest_bodies(hand.connection, None, amount)
    if keys:
        return StepResult(phase="size", is_done=False, bodies=drop_bodies(hand, keys))
    rows = _oldest(hand.connection, exchange.c.key, None, amount)
    remove(hand, rows)
    book["shrink_quota"] = book["shrink_quota"] if rows else 0
    return StepResult(phase="size", is_done=False, rows=len(rows)) if rows else None


def _sweep(hand: Hand) -> StepResult | None:
    if not hand.book["garbage"] and not hand.book["sweep_phase"]:
        return None
    return StepResult(phase="sweep", is_done=False, segments=sweep.step(hand))


def _give_back(hand: Hand) -> StepResult | None:
    if pages(hand.connection)[1] <= SPARE_BYTES:
        return None
    freed = give_back(hand.connection, VACUUM_PAGES)
    return StepResult(phase="vacuum", is_done=False, freed_bytes=freed) if freed > 0 else None


def _key_before(now_ns: int, age_ns: int) -> int:
    return key_of((now_ns - age_ns) // _NS_PER_MS)


def _oldest(connection: sa.Connection, key: sa.Column[int], below: int | None, limit: int) -> list[int]:
    statement = sa.select(key).order_by(key).limit(limit)
    return list(connection.execute(statement if below is None else statement.where(key < below)).scalars())


def _oldest_bodies(connection: sa.Connection, below: int | None, limit: int) -> list[int]:
    tables = (request, reply, upstream_request, upstream_reply)
    found = {key for table in tables for key in _oldest(connection, table.c.key, below, limit)}
    return sorted(found)[:limit]


def storage(connection: sa.Connection, engines: Engines) -> Storage:
    book = _figures(connection)
    used, free = pages(connection)
    kinds = {kind: book.get(f"{name}_bytes", 0) for kind, name in _KINDS.items()}
    kinds["rows_and_search"] = max(0, used - sum(kinds.values()))
    oldest, newest = (
        connection.execute(sa.select(exchange.c.started_ns).order_by(order).limit(1)).scalar()
        for order in (exchange.c.key, exchange.c.key.desc())
    )
    return Storage(
        rows=book.get("rows", 0),
        bodies=book.get("bodies", 0),
        oldest_ns=oldest,
        newest_ns=newest,
        raw_bytes=book.get("raw_bytes", 0),
        kinds=kinds,
        file_bytes=file_bytes(engines),
        free_bytes=free,
    )


_KINDS = {"segments": "segment", "nodes": "node", "replies": "reply", "facts": "facts"}


def preview(connection: sa.Connection, policy: Policy, now_ns: int) -> Preview:
    """Say what would go, from the roll-ups: counted by whole minutes, sizes by the mean."""
    book = _figures(connection)
    facts_before = None if policy.facts_ns is None else now_ns - policy.facts_ns
    bodies_before = max((now_ns - one for one in (policy.facts_ns, policy.bodies_ns) if one is not None), default=None)
    first_body = min(_oldest_bodies(connection, None, 1), default=None)
    first_body_ns = None if first_body is None else first_body // key_of(1) * _NS_PER_MS
    rows = _began_between(connection, None, facts_before)
    bodies = 0 if first_body_ns is None else _began_between(connection, first_body_ns, bodies_before)
    used = pages(connection)[0]
    mean = _mean_body(book)
    over = 0 if policy.max_bytes is None else max(0, used - bodies * mean - policy.max_bytes)
    more = min(book.get("bodies", 0) - bodies, -(-over // mean)) if mean else 0
    return Preview(
        rows=rows,
        bodies=bodies + max(0, more),
        freed_bytes=(bodies + max(0, more)) * mean,
        oldest_kept_ns=facts_before,
        oldest_kept_body_ns=bodies_before,
    )


def _figures(connection: sa.Connection) -> dict[str, int]:
    found = connection.execute(sa.select(counter.c.name, counter.c.value))
    return {row.name: row.value for row in found}


def _mean_body(book: dict[str, int]) -> int:
    kept = book.get("segment_bytes", 0) + book.get("node_bytes", 0) + book.get("reply_bytes", 0)
    return kept // book["bodies"] if book.get("bodies") else 0


def _began_between(connection: sa.Connection, start_ns: int | None, end_ns: int | None) -> int:
    if end_ns is None:
        return 0
    total = sa.func.sum(rollup.c.done + rollup.c.error + rollup.c.other)
    statement = sa.select(total).where(rollup.c.minute < end_ns // _MINUTE_NS)
    if start_ns is not None:
        statement = statement.where(rollup.c.minute >= start_ns // _MINUTE_NS)
    return connection.execute(statement).scalar() or 0
