"""What the simulated model does: chosen by the model's name, or by the header `x-simulate` under any model's name.

A name is `sim-BEHAVIOUR` or `sim-BEHAVIOUR-NUMBER`, also dressed as a vendor's (`anthropic.sim-chat-v1:0`,
`openai/sim-chat`). Other models (`gpt-5.5`, `claude-opus-5-5`, …) answer in a few sentences, and call a tool when
they must. Each behaviour is the same in every dialect, as far as the dialect has words for it.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from dragoman.simulator.ask import Ask, Block, Tool, identifier, tokens_in

Stop = Literal["end", "length", "tool_use", "refusal", "stop_sequence"]


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
    hides_reasoning: bool = False
    """The reasoning is given sealed only: redacted, encrypted."""
    calls: list[Call] = field(default_factory=list)
    stop: Stop = "end"
    stop_sequence: str | None = None
    error: tuple[int, str] | None = None
    """Status and message of an error in place of a reply."""
    delay_s: float = 0.0
    """Between two pieces of a stream, and once before a whole reply."""
    is_cut: bool = False
    """The connection breaks in the middle of the reply."""
    breaks: bool = False
    """The stream turns into an error in the middle."""
    breaks_with: int = 529
    """The status that this error stands for."""
    never_answers: bool = False
    failures: int = 0
    """How often the same request gets `error` before it gets the reply; see `flaky`."""
    is_dropped: bool = False
    """Those failures are connections that close without a word."""
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


SHELL_COMMAND = "printf tide-%d 0x2A"
"""What `sim-shell` has run; only who runs it gets `tide-42`. No `$`: Gemini CLI 0.61.0 refuses substitutions."""
_COMMANDS = ("command", "cmd")
"""What agents call the argument of their shell tool."""

_SIMULATED = re.compile(r"(?<![^./:])sim-(.+?)(?=-v\d+(?::\d+)?$|$)")
"""Our part of a model's name; before it may stand a vendor, behind it a version."""


def plan(ask: Ask, wish: str | None = None) -> Plan:
    """Decide what to answer. `wish` overrides the model's name. Raises UnknownModel."""
    named = _SIMULATED.search(wish or ask.model)
    if named is None:
        return _settle(ask, _chat(ask, None))
    name = named[0]
    behaviour, number = _split(named[1])
    make = BEHAVIOURS.get(behaviour)
    if make is None:
        known = ", ".join(f"sim-{one}" for one in BEHAVIOURS)
        raise UnknownModel(f"the model `{name}` does not exist; known: {known}")
    return _settle(ask, make(ask, number))


def _split(name: str) -> tuple[str, int | None]:
    if name in BEHAVIOURS:
        return name, None
    head, _, tail = name.rpartition("-")
    return (head, int(tail)) if head and tail.isdecimal() else (name, None)


def _settle(ask: Ask, made: Plan) -> Plan:
    """Keep to stop sequences and token limit, think before a call when told to think; count what went in and out."""
    found = [(at, one) for one in ask.stops if one and (at := made.text.find(one)) >= 0]
    if found and made.stop == "end":
        at, made.stop_sequence = min(found)
        made.text, made.stop = made.text[:at], "stop_sequence"
    if ask.thinks and made.calls and not made.reasoning:
        made.reasoning = _THOUGHTS.strip()
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


def _tools_turns(ask: Ask, _: int | None) -> Plan:
    """Works over three turns: calls two tools at once, then one with what the first gave back, then answers."""
    done = len(ask.results)
    if not ask.tools:
        return Plan(text="There is nothing to call, since no tool was declared.")
    if done == 0:
        return _call(ask, [ask.tools[number % len(ask.tools)] for number in range(2)], "I will ask both at once. ")
    if done == 2:
        return _call(ask, [ask.tools[0]], "Now the last one. ", f"after {ask.results[0]}")
    return Plan(text=f"After {done} results: {'; '.join(ask.results)}.{_seals(ask)}")


def _shell(ask: Ask, _: int | None) -> Plan:
    """Runs a command in the client's shell: calls the tool that takes one, and says what it gave back."""
    results = [result for turn in ask.turns for result in turn.results]
    if results:
        return Plan(text=f"The shell said: {results[-1]}{_seals(ask)}")
    for tool in ask.tools:
        for name in _COMMANDS:
            if name in (tool.schema.get("properties") or {}):
                return _run_command(ask, tool, name)
    return Plan(text=f"There is no shell, since no declared tool takes any of: {', '.join(_COMMANDS)}.")


def _run_command(ask: Ask, tool: Tool, name: str) -> Plan:
    """Call this tool; `name` is the argument that takes the command."""
    is_list = tool.schema["properties"][name].get("type") == "array"
    command = ["sh", "-c", SHELL_COMMAND] if is_list else SHELL_COMMAND
    arguments = {**json.loads(_arguments(tool, ask, 0, None)), name: command}
    call = Call(identifier("", f"{ask.seed}{len(ask.turns)}", 0), tool.name, json.dumps(arguments), tool.kind)
    return Plan(text="I will run that. ", calls=[call], stop="tool_use")


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
    """Thinks first, with a signature or encrypted content where the dialect has one; says whether it came back."""
    text = f"After some thought: {ask.last_text or _PROSE[0]}"
    return Plan(reasoning=_THOUGHTS.strip(), text=text + (_seals(ask) or _no_seal(ask)))


def _reason_hidden(ask: Ask, number: int | None) -> Plan:
    """Thinks first and shows nothing of it but the seal: redacted thinking, encrypted content."""
    made = _reason(ask, number)
    made.hides_reasoning = True
    return made


def _seals(ask: Ask) -> str:
    return f" Seals that came back unchanged: {ask.seals}." if ask.seals else ""


def _no_seal(ask: Ask) -> str:
    return " No seal came back." if ask.has_earlier_reply else ""


def _stop(ask: Ask, _: int | None) -> Plan:
    """Runs into the first stop sequence of the request."""
    given = f"{ask.stops[0]} and this is never said." if ask.stops else "No stop sequence was given."
    return Plan(text=f"One, two, three. {given}")


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


def _error_mid(ask: Ask, number: int | None) -> Plan:
    """Turns into an error like the status NUMBER (529) in the middle of a stream; without streaming it is a 500."""
    if not ask.is_streamed:
        return Plan(error=(500, ERRORS[500]))
    return Plan(text="".join(_PROSE[:2]).strip(), breaks=True, breaks_with=number or 529)


def _flaky(ask: Ask, number: int | None, *, status: int) -> Plan:
    """Fails NUMBER (2) times, then works; the count is kept per request (or `x-simulate-key`) and starts anew then.

    `sim-flaky` fails with 429, `sim-flaky-500`, `-503` and `-529` with that, `sim-flaky-close` by hanging up.
    """
    made = Plan(text=f"It works now: {ask.last_text}", failures=number or 2)
    if status:
        made.error = (status, ERRORS[status])
    made.is_dropped = not status
    return made


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
    "tools-turns": _tools_turns,
    "shell": _shell,
    "agent": _agent,
    "reason": _reason,
    "reason-hidden": _reason_hidden,
    "long": _long,
    "slow": _slow,
    "cut": _cut,
    "error": _error,
    "error-mid": _error_mid,
    "flaky": partial(_flaky, status=429),
    "flaky-500": partial(_flaky, status=500),
    "flaky-503": partial(_flaky, status=503),
    "flaky-529": partial(_flaky, status=529),
    "flaky-close": partial(_flaky, status=0),
    "limit": _limit,
    "stop": _stop,
    "refuse": _refuse,
    "image": _image,
    "hang": _hang,
}

MODELS = (
    "sim-chat", "sim-echo", "sim-tools", "sim-tools-parallel", "sim-tools-turns", "sim-shell", "sim-agent",
    "sim-reason", "sim-reason-hidden", "sim-long", "sim-slow", "sim-cut", "sim-error-400", "sim-error-401",
    "sim-error-429", "sim-error-500", "sim-error-529", "sim-error-mid", "sim-flaky", "sim-limit", "sim-stop",
    "sim-refuse", "sim-image", "sim-hang",
)  # fmt: skip
"""What the model lists name."""


def _call(ask: Ask, tools: list[Tool], text: str, word: str | None = None) -> Plan:
    """Call tools; `word` is what stands in the arguments where the schema wants text."""
    seed = f"{ask.seed}{len(ask.turns)}"
    calls = [
        Call(identifier("", seed, number), tool.name, _arguments(tool, ask, number, word), tool.kind)
        for number, tool in enumerate(tools)
    ]
    return Plan(text=text, calls=calls, stop="tool_use")


def _arguments(tool: Tool, ask: Ask, number: int, word: str | None) -> str:
    if tool.kind == "custom":
        return f"*** simulated input for {tool.name}"
    value = example(tool.schema, word or f"{tool.name} {len(ask.results) + number + 1}")
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
