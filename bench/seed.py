"""Fill a store with many exchanges: `python -m bench.seed PATH COUNT`.

Rows, labels, facts, text and roll-ups are written by SQL, without bodies, as if retention had dropped those: a
million take minutes that way, not hours. The newest thousand go through the store's own door, bodies and all, so
that there is something to open. Traffic is spread over thirty days up to now and looks varied: common and rare
values for every filter, and words of a skewed frequency. The same count gives the same traffic.
"""

import json
import random
import sqlite3
import sys
import time
from collections import Counter
from itertools import accumulate
from pathlib import Path
from typing import Any

from dragoman.ids import encode
from dragoman.records.chain import body_hash
from dragoman.records.exchange import BodyFacts, Detail, Head, Recording, Row, state_of
from dragoman.store import Batch, Store
from dragoman.store import statements as sql
from dragoman.store.commit import rollup_of
from dragoman.store.compression import Packer
from dragoman.store.indexing import source_values
from dragoman.store.rows import facts_to_bytes, key_of, labels_of, to_values
from dragoman.store.search import INSERT as INDEX

SPAN_MS = 30 * 86_400_000
WHOLE = 1_000
AT_ONCE = 20_000

MODELS = ["gpt-5", "gpt-5-mini", "claude-sonnet-4-5", "claude-opus-4-1", "llama3.2", "qwen3", "gemini-2.5-pro", "o3"]
PROVIDERS = ["openai", "openai", "anthropic", "anthropic", "ollama", "ollama", "gemini", "openai"]
DIALECTS = {
    "openai": "openai_chat", "anthropic": "anthropic_messages", "ollama": "ollama_chat", "gemini": "gemini_generate",
}  # fmt: skip
CLIENTS = ["claude-code", "openai-python", "codex", "anthropic-typescript", "curl", "rare-client"]
TOOLS = ["Bash", "Read", "Edit", "Grep", "WebSearch", "mcp__files__list", "rare_tool"]
STATUSES = [200, 200, 200, 400, 429, 500, 529]


class Traffic:
    """Makes up exchanges, oldest first."""

    def __init__(self, count: int, end_ms: int) -> None:
        self._random = random.Random(count)
        self._step = SPAN_MS / count
        self._start = end_ms - SPAN_MS
        self._words = [self._word() for _ in range(20_000)] + ["timeout", "connection", "reset", "weather", "京都"]
        self._weights = list(accumulate(1 / (rank + 20) for rank in range(len(self._words))))

    def _word(self) -> str:
        return "".join(self._random.choices("etaoinshrdlucmfwyp", k=self._random.randint(3, 9)))

    def words(self, count: int) -> str:
        return " ".join(self._random.choices(self._words, cum_weights=self._weights, k=count))

    def row(self, number: int) -> Row:
        pick = self._random
        ms = int(self._start + number * self._step)
        model = pick.choices(range(len(MODELS)), [30, 20, 25, 5, 8, 6, 5, 1])[0]
        status = pick.choices(STATUSES, [70, 15, 10, 2, 2, 0.9, 0.1])[0]
        client = pick.choices(CLIENTS, [40, 30, 15, 10, 5, 0.01])[0]
        is_streamed = pick.random() < 0.7
        duration = int(pick.lognormvariate(1, 1) * 1e9)
        tools = [pick.choices(TOOLS, [40, 20, 15, 15, 5, 5, 0.01])[0]] if pick.random() < 0.4 else []
        session = f"session-{number // 40}" if client == "claude-code" else None
        identity = encode((ms << 80) | pick.getrandbits(79))
        provider = PROVIDERS[model]
        return Row(
            id=identity, state=state_of("complete", status), ending="complete", status=status,
            started_ns=ms * 1_000_000, duration_ns=duration, first_byte_ns=duration // 4,
            first_token_ns=duration // 3 if is_streamed else None, last_token_ns=duration if is_streamed else None,
            method="POST", path="/v1/messages" if provider == "anthropic" else "/v1/chat/completions",
            error_code="rate_limit_error" if status == 429 else None, provider=provider, dialect=DIALECTS[provider],
            endpoint="messages" if provider == "anthropic" else "chat", model_asked=MODELS[model],
            model_served=f"{MODELS[model]}-2025", is_streamed=is_streamed, client=client, client_version="2.0.1",
            peer="127.0.0.1:50000", session=session, conversation=session or identity, turns=pick.randint(1, 60),
            input_fresh=pick.randint(10, 4_000), cache_read=pick.choice([0, 0, 20_000, 60_000]),
            output=pick.randint(1, 2_000), stop_reason=pick.choices(["end", "tool_use", "length"], [60, 38, 2])[0],
            preview=self.words(20), reply_preview=self.words(20), tools_declared=3 * len(tools), tools_called=tools,
            flags=[*(["tools"] if tools else []), *(["image"] if pick.random() < 0.005 else [])], attempts=1,
            request_bytes=2_000, response_bytes=1_500, is_untouched=True, parser_version=1,
        )  # fmt: skip


def seed(url: str, count: int, *, end_ms: int | None = None) -> None:
    """Make the store at `url` (which must not be there yet) and fill it with `count` exchanges."""
    with Store(url):
        pass
    traffic = Traffic(count, end_ms or int(time.time() * 1000))
    whole = min(WHOLE, count)
    _write_rows(Path(url.removeprefix("sqlite:///")), traffic, count - whole)
    with Store(url) as store:
        for first in range(count - whole, count, 100):
            batch = [_recording(traffic, number) for number in range(first, min(first + 100, count))]
            store.commit(Batch(finished=batch))


def _write_rows(path: Path, traffic: Traffic, count: int) -> None:
    with sqlite3.connect(path, isolation_level=None) as database:
        indexes = database.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql NOTNULL"
        ).fetchall()
        for name, _ in indexes:
            database.execute(f"DROP INDEX {name}")
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA cache_size = -200000")
        totals: Counter[str] = Counter()
        for first in range(0, count, AT_ONCE):
            database.execute("BEGIN")
            _write_some(database, traffic, range(first, min(first + AT_ONCE, count)), totals)
            database.execute("COMMIT")
        database.executemany(sql.SET_COUNTER, totals.items())
        for _, statement in indexes:
            database.execute(statement)
    database.close()


def _write_some(database: sqlite3.Connection, traffic: Traffic, numbers: range, totals: Counter[str]) -> None:
    packer = Packer()
    rows: list[tuple[Any, ...]] = []
    labels: list[tuple[str, str, int]] = []
    facts: list[tuple[int, bytes]] = []
    texts: list[tuple[int, str]] = []
    minutes: Counter[tuple[int, int, int, int]] = Counter()
    for number in numbers:
        row = traffic.row(number)
        totals["seq"] += 1
        row.seq = totals["seq"]
        key = max(key_of(row.started_ns // 1_000_000), totals["last_key"] + 1)
        totals["last_key"] = key
        rows.append(sql.row_values(to_values(row, key, is_finished=True)))
        labels += labels_of(row, key)
        facts.append((key, packer.pack(facts_to_bytes(_detail(row, b"", b"")))))
        texts.append((key, traffic.words(40)))
        minutes[rollup_of(row)] += 1
    totals["rows"] += len(rows)
    totals["facts_bytes"] += sum(len(data) for _, data in facts)
    database.executemany(sql.UPSERT_ROW, rows)
    database.executemany(sql.INSERT_LABEL, sorted(labels))
    database.executemany(sql.UPSERT_FACTS, facts)
    database.executemany(INDEX, texts)
    database.executemany(sql.UPSERT_SOURCE, [source_values(key, [], text, packer) for key, text in texts])
    database.executemany(
        sql.ADD_ROLLUP, [(minute, *(one * many for one in kinds)) for (minute, *kinds), many in minutes.items()]
    )


def _detail(row: Row, request: bytes, reply: bytes) -> Detail:
    return Detail(
        row=row,
        request=Head(line=f"{row.method} {row.path} HTTP/1.1", headers=[("content-type", "application/json")]),
        response=Head(line="HTTP/1.1 200 OK", headers=[("content-type", "application/json")]),
        request_body=BodyFacts(bytes=len(request) or 2_000, hash=body_hash(request) if request else None),
        response_body=BodyFacts(bytes=len(reply) or 1_500, hash=body_hash(reply) if reply else None),
    )


def _recording(traffic: Traffic, number: int) -> Recording:
    row = traffic.row(number)
    said, answered = traffic.words(60), traffic.words(60)
    request = json.dumps({"model": row.model_asked, "messages": [{"role": "user", "content": said}]}).encode()
    reply = json.dumps({"choices": [{"message": {"role": "assistant", "content": answered}}]}).encode()
    row.request_bytes, row.response_bytes = len(request), len(reply)
    return Recording(
        detail=_detail(row, request, reply), request_body=request, response_body=reply, search_texts=[answered]
    )


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit("usage: python -m bench.seed PATH COUNT")
    begun = time.perf_counter()
    seed(f"sqlite:///{Path(sys.argv[1]).absolute()}", int(sys.argv[2]))
    print(f"{int(sys.argv[2]):,} exchanges in {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
