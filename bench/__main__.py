"""Run the benchmark: `python -m bench [--quick] [--peers] [--rounds N] [--seconds S] [--only PART]`.

Prints the table of budgets as Markdown, and writes it and a JSON file to bench/results/. Figures are ratios
against nginx in the same run; nothing here passes or fails.
"""

import argparse
import json
import os
import platform
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from bench import peers, processes, rounds, stored
from bench.table import Line, as_markdown

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    options = _options()
    started = time.time()
    lines: list[Line] = []
    if options.only in (None, "gateway"):
        lines += measure_gateway(options)
    if options.only in (None, "start"):
        lines += measure_start(options)
    if options.only in (None, "store"):
        lines += stored.measure(quick=options.quick, large=options.large)
    table = as_markdown(lines)
    print(table)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "bench.md").write_text(table)
    report = {
        "started": started, "seconds": time.time() - started, "machine": platform.platform(),
        "cores": os.cpu_count(), "python": sys.version.split()[0], "lines": [line.as_dict() for line in lines],
    }  # fmt: skip
    (RESULTS / "bench.json").write_text(json.dumps(report, indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round each: shows that it works, not how fast")
    parser.add_argument("--peers", action="store_true", help="add FastAPI with httpx, and LiteLLM")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--large", action="store_true", help="lists and search over 1,000,000 exchanges (minutes)")
    parser.add_argument("--only", choices=["gateway", "start", "store"])
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 2
    return options


def measure_gateway(options: argparse.Namespace) -> list[Line]:
    """What a request, a chunk and a large body cost, and how fast they pass, against nginx."""
    with ExitStack() as stack:
        port = stack.enter_context(processes.upstream())
        nginx = stack.enter_context(processes.nginx(port))
        dragoman = stack.enter_context(processes.dragoman(port))
        still = stack.enter_context(processes.dragoman(port, keeper_stopped=True))
        others = peers.start(stack, port) if options.peers else []
        pair, still_pair = [nginx, dragoman], [nginx, still]
        seconds, count = options.seconds, options.rounds
        _say("small requests, one client")
        single = rounds.run(pair, "small", connections=1, seconds=seconds, rounds=count)
        single_still = rounds.run(still_pair, "small", connections=1, seconds=seconds, rounds=count)
        _say("small requests, 64 clients")
        many = rounds.run([*pair, *others], "small", connections=64, seconds=seconds, rounds=count)
        many_still = rounds.run(still_pair, "small", connections=64, seconds=seconds, rounds=count)
        _say("streams, 32 clients")
        chunk = rounds.bytes_per_chunk(port)
        streams = rounds.run(pair, "stream", connections=32, seconds=max(seconds, 4), rounds=count, unit_bytes=chunk)
        _say("300 KB bodies")
        large = rounds.run(still_pair, "large", connections=4, seconds=seconds, rounds=count)
        _say("translated streams, 32 clients")
        translated = _translated_lines(dragoman, others, seconds=max(seconds, 4), rounds_=count)
        memory = sum(map(processes.resident_bytes, (*dragoman.pids, dragoman.keeper or 0)))
    return translated + _gateway_lines(single, single_still, many, many_still, streams, large, memory)


Medians = dict[str, dict[str, float]]


def _gateway_lines(
    single: Medians, single_still: Medians, many: Medians, many_still: Medians, streams: Medians, large: Medians,
    memory: int,
) -> list[Line]:  # fmt: skip
    lines = [
        _ratio("gateway CPU per small request", "µs", many_still, "cpu_us", 2.5),
        _ratio("gateway CPU per streamed chunk", "µs", streams, "cpu_us", 2.5),
        _ratio("gateway CPU per 300 KB request", "µs", large, "cpu_us", 3.0),
        _added("added latency p50, one client", single, "p50_us", 150),
        _added("added latency p99, one client", single, "p99_us", 500),
        _added("added latency p50, keeper stopped", single_still, "p50_us", 150),
        _added("added latency p99, keeper stopped", single_still, "p99_us", 500),
        _ratio("requests per second, 64 clients", "/s", many, "per_second", 0.4, more_is_better=True),
        _ratio("requests per second, keeper stopped", "/s", many_still, "per_second", 0.4, more_is_better=True),
        Line("keeper CPU per exchange, index included", many["dragoman"]["keeper_cpu_us"] / 1000, "ms", budget=2.0),
        Line("resident memory after the load, gateway and keeper", memory / 2**20, "MB"),
    ]
    for name, medians in many.items():
        if name not in ("nginx", "dragoman"):
            times = many["dragoman"]["per_second"] / medians["per_second"]
            lines.append(
                Line(f"requests per second against {name}", times, "×", reference=medians["per_second"],
                     budget={"fastapi": 40, "litellm": 100}.get(name), more_is_better=True)
            )  # fmt: skip
    return lines


TRANSLATED_US = 60
"""Gateway CPU per delta of a translated stream: the budget is absolute, since nginx cannot translate."""


def _translated_lines(
    dragoman: processes.Target, others: list[processes.Target], *, seconds: float, rounds_: int
) -> list[Line]:
    """What a delta costs on its way from a client of one dialect to an upstream of another."""
    lines: list[Line] = []
    for what, path in (
        ("Anthropic client, OpenAI upstream", "/to-chat/v1/messages"),
        ("OpenAI client, Anthropic upstream", "/to-messages/v1/chat/completions"),
    ):
        chunk = rounds.bytes_per_chunk(dragoman.port, path)
        medians = rounds.run(
            [replace(dragoman, path=path)], "stream", connections=32, seconds=seconds, rounds=rounds_, unit_bytes=chunk
        )
        spent = medians["dragoman"]["cpu_us"]
        lines.append(Line(f"gateway CPU per translated delta: {what}", spent, "µs", budget=TRANSLATED_US))
    for litellm in (one for one in others if one.name == "litellm"):
        path = "/v1/messages"
        chunk = rounds.bytes_per_chunk(litellm.port, path)
        medians = rounds.run(
            [replace(litellm, path=path)], "stream", connections=32, seconds=seconds, rounds=rounds_, unit_bytes=chunk
        )
        what = "the same by litellm: Anthropic client, OpenAI upstream"
        lines.append(Line(what, medians["litellm"]["cpu_us"], "µs"))
    return lines


def _ratio(what: str, unit: str, medians: Medians, name: str, budget: float, *, more_is_better: bool = False) -> Line:
    ours, theirs = medians["dragoman"][name], medians["nginx"][name]
    return Line(what, ours, unit, reference=theirs, ratio=ours / theirs, budget=budget, more_is_better=more_is_better)


def _added(what: str, medians: Medians, name: str, budget: float) -> Line:
    ours, theirs = medians["dragoman"][name], medians["nginx"][name]
    return Line(what, ours - theirs, "µs", reference=theirs, budget=budget)


def measure_start(options: argparse.Namespace) -> list[Line]:
    """From the command to the first request proxied, and the memory of an idle Dragoman."""
    with processes.upstream() as port:
        times = [processes.time_to_first_request(port) for _ in range(1 if options.quick else 5)]
        with processes.dragoman(port) as target:
            time.sleep(2)
            memory = sum(map(processes.resident_bytes, (*target.pids, target.keeper or 0)))
    times.sort()
    return [
        Line("start to first request proxied", times[len(times) // 2], "s", budget=0.6),
        Line("resident memory, idle, gateway and keeper", memory / 2**20, "MB", budget=150),
    ]


def _say(what: str) -> None:
    print(f"· {what}", file=sys.stderr, flush=True)


main()
