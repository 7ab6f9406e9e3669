"""What the simulated model does: chosen by the model's name, or by the header `x-simulate` under any model's name.

A name is `sim-BEHAVIOUR` or `sim-BEHAVIOUR-NUMBER`. Other models (`gpt-5.5`, `claude-opus-5-5`, …) answer in a few
sentences, and call a tool when they must.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from dragoman.simulator.ask import Ask, Block, Tool, identifier, tokens_in

Stop = Literal["end", "length", "tool_use", "refusal"]


@dataclass(frozen=True, slots=True)
class Call:
    id: str
    name: str
    arguments: str
    kind: Literal["function", "custom"] = "function"


@dataclass(frozen=True, slots=True)
class Usage:
    fresh: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int
    reasoning: int

    @property
    def input_total(self) -> int:
        return self.fresh + self.cache_read + self.cache_write_5m + self.cache_write_1h


@dataclass(slots=True)
class Plan:
    """The reply to be given, in no dialect."""

    text: str = ""
    reasoning: str = ""
    calls: list[Call] = field(default_factory=list)
    stop: Stop = "end"
    error: tuple[int, str] | None = None
    """Status and message of an error in place of a reply."""
    delay_s: float = 0.0
    """Between two pieces of a stream, and once before a whole reply."""
    is_cut: bool = False
    """The connection breaks in the middle of the reply."""
    breaks: bool = False
    """The stream turns into an error in the middle."""
    never_answers: bool = False
    usage: Usage = field(default_factory=lambda: Usage(0, 0, 0, 0, 0, 0))


class UnknownModel(ValueError):
    """A name that begins with `sim-` and is none of ours."""


ERRORS = {
    400: "The request is not valid: simulated",
    401: "The key is not valid: simulated",
    403: "This key may not use the model: simulated",
    404: "There is no such model: simulated",
    408: "The request took too long: simulated",
    413: "The request is too large: simulated",
    429: "Too many requests, try again in a second: simulated",
    500: "Something broke inside: simulated",
    502: "The gateway behind got no answer: simulated",
    503: "Not available at the moment: simulated",
    529: "Overloaded: simulated",
}

_PROSE = (
    "A dragoman stood between two parties who did not share a language. He passed on what was said, translated "
    "where he had to, and remembered it. ",
    "Tides come twice a day because the Earth turns beneath two bulges of water, one towards the Moon and one away "
    "from it. ",
    "The index was missing on the join column, so the planner read the whole table for each row of the other one. "
    "Adding it brought the query from nine seconds to forty milliseconds. ",
    "Sourdough rises slowly since wild yeast is sparse; cold slows it further and lets the acids build flavour. ",
    "In short: keep the function pure, pass the clock in, and the test needs no sleeping. ",
)

_THOUGHTS = (
    "The question has two halves. First I need the facts, then their order. The first half is settled by what the "
    "user said; the second needs a comparison of both options, cheapest first. "
)


def plan(ask: Ask, wish: str | None = None) -> Plan:
    """Decide what to answer. `wish` overrides the model's name. Raises UnknownModel."""
    name = wish or ask.model
    if not name.startswith("sim-"):
        return _settle(ask, _chat(ask, None))
    behaviour, number = _split(name.removeprefix("sim-"))
    make = BEHAVIOURS.get(behaviour)
    if make is None:
        known = ", ".join(f"sim-{one}" for one in BEHAVIOURS)
        raise UnknownModel(f"the model `{name}` does not exist; known: {known}")
    return _settle(ask, make(ask, number))


def _split(name: str) -> tuple[str, int | None]:
    head, _, tail = name.rpartition("-")
    return (head, int(tail)) if head and tail.isdecimal() else (name, None)


def _settle(ask: Ask, made: Plan) -> Plan:
    """Keep to the token limit and count what went in and out."""
    if ask.max_tokens is not None and tokens_in(made.text) > ask.max_tokens and not made.calls:
        made.text = made.text[: ask.max_tokens * 4]
        made.stop = "length"
    if ask.wants_json and made.text and made.stop == "end":
        made.text = json.dumps({"answer": made.text})
    reasoning = tokens_in(made.reasoning)
    output = tokens_in(made.text) + sum(tokens_in(one.name + one.arguments) for one in made.calls) + reasoning
    made.usage = _usage(ask, output, reasoning)
    return made


def _usage(ask: Ask, output: int, reasoning: int) -> Usage:
    """Count the prompt as a cache would that has seen this conversation's earlier prompts and nothing else."""
    last_mark = max((number for number, one in enumerate(ask.blocks) if one.mark), default=-1)
    read, written = 0, {"5m": 0, "1h": 0}
    fresh = 0
    for number, block in enumerate(ask.blocks):
        if number < ask.earlier and (number <= last_mark or not ask.is_cache_explicit):
            read += block.tokens
        elif number <= last_mark:
            written[_next_mark(ask.blocks, number)] += block.tokens
        else:
            fresh += block.tokens
    return Usage(fresh, read, written["5m"], written["1h"], output, reasoning)


def _next_mark(blocks: list[Block], number: int) -> Literal["5m", "1h"]:
    for block in blocks[number:]:
        if block.mark:
            return "1h" if block.mark == "1h" else "5m"
    return "5m"


# The behaviours. Each gets the number at the end of the model's name, or None.


def _chat(ask: Ask, _: int | None) -> Plan:
    """A few sentences; a tool call when one is demanded."""
    if ask.must_call and ask.tools and not ask.results:
        return _call(ask, [ask.tools[0]], "")
    pick = int(ask.seed[:4], 16)
    made = Plan(text=(_PROSE[pick % len(_PROSE)] + _PROSE[(pick + 1) % len(_PROSE)]).strip())
    if ask.thinks:
        made.reasoning = _THOUGHTS.strip()
    return made


def _echo(ask: Ask, _: int | None) -> Plan:
    """Says again what the user said last."""
    return Plan(text=f"You said: {ask.last_text}")


def _tools(ask: Ask, number: int | None) -> Plan:
    """Calls a declared tool (NUMBER of them at once), and answers when the results are there."""
    if ask.results or not ask.tools:
        said = "; ".join(ask.results) or "nothing, since no tool was declared"
        return Plan(text=f"The tools said: {said}")
    chosen = [ask.tools[one % len(ask.tools)] for one in range(number or 1)]
    return _call(ask, chosen, "I will look that up. ")


def _tools_parallel(ask: Ask, _: int | None) -> Plan:
    """Calls two tools at once."""
    return _tools(ask, 2)


def _agent(ask: Ask, number: int | None) -> Plan:
    """Works: calls one tool after the other until NUMBER results (5) are there, then sums up."""
    done = len(ask.results)
    if done >= (number or 5) or not ask.tools:
        return Plan(text=f"Done after {done} steps. The tests pass and the change is small. " + _PROSE[4].strip())
    made = _call(ask, [ask.tools[done % len(ask.tools)]], f"Step {done + 1}: looking further. ")
    if ask.thinks:
        made.reasoning = _THOUGHTS.strip()
    return made


def _reason(ask: Ask, _: int | None) -> Plan:
    """Thinks first, with a signature or encrypted content where the dialect has one."""
    return Plan(reasoning=_THOUGHTS.strip(), text=f"After some thought: {ask.last_text or _PROSE[0]}")


def _long(ask: Ask, number: int | None) -> Plan:
    """NUMBER (600) words of text."""
    words = "".join(_PROSE).split()
    count = number or 600
    return Plan(text=" ".join((words * (count // len(words) + 1))[:count]))


def _slow(ask: Ask, number: int | None) -> Plan:
    """Waits NUMBER (50) milliseconds before each piece."""
    return Plan(text="".join(_PROSE[:3]).strip(), delay_s=(number or 50) / 1000)


def _cut(ask: Ask, _: int | None) -> Plan:
    """Breaks the connection in the middle of the reply."""
    return Plan(text="".join(_PROSE).strip(), is_cut=True)


def _error(ask: Ask, number: int | None) -> Plan:
    """Answers with the status NUMBER (500)."""
    status = number or 500
    if status not in ERRORS:
        raise UnknownModel(f"the status {status} cannot be simulated; known: {', '.join(map(str, ERRORS))}")
    return Plan(error=(status, ERRORS[status]))


def _error_mid(ask: Ask, _: int | None) -> Plan:
    """Turns into an error in the middle of a stream; without streaming it is a 500."""
    if not ask.is_streamed:
        return Plan(error=(500, ERRORS[500]))
    return Plan(text="".join(_PROSE[:2]).strip(), breaks=True)


def _limit(ask: Ask, number: int | None) -> Plan:
    """Stops at NUMBER (16) tokens for length."""
    limit = min(number or 16, ask.max_tokens or 1_000_000)
    return Plan(text="".join(_PROSE)[: limit * 4], stop="length")


def _refuse(ask: Ask, _: int | None) -> Plan:
    """Declines."""
    return Plan(text="I cannot help with that.", stop="refusal")


def _image(ask: Ask, _: int | None) -> Plan:
    """Says which images it was given."""
    each = ", ".join(
        one.mime if one.size_bytes is None else f"{one.mime} of {one.size_bytes} bytes" for one in ask.images
    )
    count = len(ask.images)
    return Plan(text=f"I see {count} image{'' if count == 1 else 's'}{': ' + each if each else ''}.")


def _hang(ask: Ask, _: int | None) -> Plan:
    """Never answers."""
    return Plan(never_answers=True)


BEHAVIOURS: dict[str, Callable[[Ask, int | None], Plan]] = {
    "chat": _chat,
    "echo": _echo,
    "tools": _tools,
    "tools-parallel": _tools_parallel,
    "agent": _agent,
    "reason": _reason,
    "long": _long,
    "slow": _slow,
    "cut": _cut,
    "error": _error,
    "error-mid": _error_mid,
    "limit": _limit,
    "refuse": _refuse,
    "image": _image,
    "hang": _hang,
}

MODELS = (
    "sim-chat", "sim-echo", "sim-tools", "sim-tools-parallel", "sim-agent", "sim-reason", "sim-long", "sim-slow",
    "sim-cut", "sim-error-401", "sim-error-429", "sim-error-500", "sim-error-529", "sim-error-mid", "sim-limit",
    "sim-refuse", "sim-image", "sim-hang",
)  # fmt: skip
"""What the model lists name."""


def _call(ask: Ask, tools: list[Tool], text: str) -> Plan:
    seed = f"{ask.seed}{len(ask.turns)}"
    calls = [
        Call(identifier("", seed, number), tool.name, _arguments(tool, ask, number), tool.kind)
        for number, tool in enumerate(tools)
    ]
    return Plan(text=text, calls=calls, stop="tool_use")


def _arguments(tool: Tool, ask: Ask, number: int) -> str:
    if tool.kind == "custom":
        return f"*** simulated input for {tool.name}"
    value = example(tool.schema, f"{tool.name} {len(ask.results) + number + 1}")
    return json.dumps(value if isinstance(value, dict) else {}, ensure_ascii=False)


def example(schema: Any, word: str, depth: int = 0) -> Any:
    """Make a value that fits a JSON Schema: what is required, and at least one property."""
    if not isinstance(schema, dict) or depth > 6:
        return word
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return example(schema[key][0], word, depth + 1)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    properties = schema.get("properties") or {}
    if kind == "object" or properties:
        names = schema.get("required") or list(properties)[:1]
        return {name: example(properties.get(name), word, depth + 1) for name in names}
    if kind == "array":
        return [example(schema.get("items"), word, depth + 1)]
    return {"integer": 3, "number": 1.5, "boolean": True, "null": None}.get(str(kind), word)
