"""Interleaved rounds over targets, and the medians of what they cost."""

import statistics
import time
import urllib.request
from collections import defaultdict
from dataclasses import dataclass, field

from bench.processes import Target, cpu_seconds, load, wait_until_drained


@dataclass(slots=True)
class Samples:
    """Figures of one target for one kind of load, a value per round."""

    cpu_us: list[float] = field(default_factory=list)
    """CPU of the target per unit (request, or streamed chunk), in microseconds."""
    keeper_cpu_us: list[float] = field(default_factory=list)
    """CPU of the keeper per exchange, in microseconds."""
    per_second: list[float] = field(default_factory=list)
    p50_us: list[float] = field(default_factory=list)
    p99_us: list[float] = field(default_factory=list)

    def medians(self) -> dict[str, float]:
        names = ("cpu_us", "keeper_cpu_us", "per_second", "p50_us", "p99_us")
        return {name: statistics.median(values) for name in names if (values := getattr(self, name))}


def bytes_per_chunk(port: int, path: str = "/v1/chat/completions") -> float:
    """Size of one streamed chunk as the client gets it, framing included."""
    asked = b'{"model":"bench-1","stream":true,"max_tokens":99,"messages":[{"role":"user","content":"?"}]}'
    headers = {"content-type": "application/json", "anthropic-version": "2023-06-01"}
    with urllib.request.urlopen(
        urllib.request.Request(f"http://127.0.0.1:{port}{path}", asked, headers), timeout=30
    ) as answer:
        body = answer.read()
    chunks = body.count(b"\n\n")
    return (len(body) + chunks * 6) / chunks


def run(
    targets: list[Target], kind: str, *, connections: int, seconds: float, rounds: int, unit_bytes: float | None = None,
) -> dict[str, dict[str, float]]:  # fmt: skip
    """Load each target in turn, `rounds` times; returns medians by target.

    With `unit_bytes` the CPU is divided by received bytes / `unit_bytes` (streams), else by requests. The keeper is
    drained after each round, so that none works for another.
    """
    samples: dict[str, Samples] = defaultdict(Samples)
    for _ in range(rounds):
        for target in targets:
            _one_round(target, kind, samples[target.name], connections, seconds, unit_bytes)
    return {name: one.medians() for name, one in samples.items()}


def _one_round(
    target: Target, kind: str, samples: Samples, connections: int, seconds: float, unit_bytes: float | None
) -> None:
    keeper = target.keeper
    keeper_before = cpu_seconds(keeper) if keeper else 0.0
    before = sum(map(cpu_seconds, target.pids))
    summary = load(target, kind, connections=connections, seconds=seconds)
    time.sleep(0.05)
    spent = sum(map(cpu_seconds, target.pids)) - before
    units = summary["bytes"] / unit_bytes if unit_bytes else summary["requests"]
    samples.cpu_us.append(spent / units * 1e6)
    samples.per_second.append(summary["requests"] / summary["duration_us"] * 1e6)
    samples.p50_us.append(summary["p50_us"])
    samples.p99_us.append(summary["p99_us"])
    if keeper:
        wait_until_drained(target)
        samples.keeper_cpu_us.append((cpu_seconds(keeper) - keeper_before) / summary["requests"] * 1e6)
