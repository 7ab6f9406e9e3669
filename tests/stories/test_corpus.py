"""Recorded traffic through a whole Dragoman: every byte in both directions, and all of it on record afterwards.

Runs over all recorded traffic when it lies beside the project, else over the sample that the project carries.
"""

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from dragoman.records.redaction import BodyMasker
from fakes.corpus import agrees_with_truth, records_of, truths_of
from fakes.dragoman import Dragoman, running_dragoman
from fakes.replay import Answer, ReplayUpstream, body_of, send

PATHS = {
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "anthropic_messages": "/v1/messages",
    "ollama_chat": "/api/chat",
}
AT_ONCE = 8


@pytest.mark.timeout(600)
@pytest.mark.parametrize("dialect", PATHS)
async def test_recorded_traffic_passes_byte_exact_and_is_understood(dialect: str, tmp_path: Path) -> None:
    records = {record["id"]: record for record in records_of(dialect)}
    async with ReplayUpstream(records) as upstream:
        provider = {"slug": "replay", "base_url": f"http://127.0.0.1:{upstream.port}", "default_for": list(PATHS)}
        with running_dragoman(tmp_path, providers=[{**provider, "dialects": list(PATHS)}]) as dragoman:
            port = int(dragoman.url.rsplit(":", 1)[1])
            answers = await _send_all(port, records, PATHS[dialect])
            for case, record in records.items():
                assert upstream.received[case] == body_of(record, "request"), f"{case}: the upstream got other bytes"
                assert answers[case].status == record["status"], case
                assert answers[case].body == body_of(record, "response"), f"{case}: the client got other bytes"
            await asyncio.to_thread(dragoman.wait_until, lambda: _is_drained(dragoman), "the record", 60)
            await asyncio.to_thread(_check_record, dragoman, dialect, records, answers)


async def _send_all(port: int, records: dict[str, dict[str, Any]], path: str) -> dict[str, Answer]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(record: dict[str, Any]) -> tuple[str, Answer]:
        async with gate:
            return record["id"], await send(port, record, path)

    order = list(records.values())
    random.Random(7).shuffle(order)
    return dict(await asyncio.gather(*(one(record) for record in order)))


def _is_drained(dragoman: Dragoman) -> bool:
    lag = dragoman.api("/api/status")["lag"]
    return not any(lag.values())


def _id_of(answer: Answer) -> str:
    return answer.header(b"x-dragoman-exchange").decode()


def _check_record(
    dragoman: Dragoman, dialect: str, records: dict[str, dict[str, Any]], answers: dict[str, Answer]
) -> None:
    truths, wrong = truths_of(dialect), []
    for case, record in records.items():
        exchange = _id_of(answers[case])
        for side in ("request", "response"):
            masked = BodyMasker().feed(body_of(record, side))
            assert dragoman.raw(f"/api/exchanges/{exchange}/{side}") == masked, case
        if case in truths:
            reply = dragoman.api(f"/api/exchanges/{exchange}/response?as=canonical")
            wrong += [f"{case}: {why}" for why in agrees_with_truth(dialect, reply, truths[case])]
    assert not wrong, "\n".join(wrong)
