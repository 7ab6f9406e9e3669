"""Write the tables of what is lost between dialects into docs/dialects/README.md: `scripts/loss_table.py`.

Each feature is said in each dialect that has a word for it, read again, and put into each other dialect, by the code
that the gateway runs; what that lists as lost, or refuses, is what the tables say. `--check` compares and writes
nothing; `tests/test_loss_table.py` does the same.
"""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dragoman.canonical import (
    AnyPart,
    Choice,
    Media,
    Message,
    Prompt,
    Reasoning,
    Refusal,
    Reply,
    Settings,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)
from dragoman.dialects import ALL
from dragoman.dialects.base import ReplyTarget, RequestTarget, Untranslatable
from dragoman.dialects.seals import MAKERS
from dragoman.dialects.translate import translate_request

PAGE = Path(__file__).parents[1] / "docs" / "dialects" / "README.md"
BEGIN, END = "<!-- tables: scripts/loss_table.py -->\n", "<!-- end of tables -->\n"

TARGETS = {
    "openai_chat": RequestTarget(model="gpt-5.6", is_openai=True),
    "openai_responses": RequestTarget(model="gpt-5.6", is_openai=True),
    "anthropic_messages": RequestTarget(model="claude-sonnet-4-5"),
    "bedrock_invoke": RequestTarget(model="anthropic.claude-sonnet-4-5-20250929-v1:0"),
    "bedrock_converse": RequestTarget(model="anthropic.claude-sonnet-4-5-20250929-v1:0"),
    "ollama_chat": RequestTarget(model="gpt-oss"),
    "gemini_generate": RequestTarget(model="gemini-2.5-pro"),
}
"""Each dialect with a model that it is usually spoken with."""

SHORT = {
    "openai_chat": "Chat",
    "openai_responses": "Responses",
    "anthropic_messages": "Messages",
    "bedrock_invoke": "InvokeModel",
    "bedrock_converse": "Converse",
    "ollama_chat": "Ollama",
    "gemini_generate": "Gemini",
}

CARRIED, LOST, REFUSED = "·", "lost", "400"
DATA = "iVBORw0KGgoAAAANSUhEUg=="
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
TOOL = Tool(name="f", description="d", schema=SCHEMA)
CALL = ToolCall(id="call_1", name="f", arguments='{"a":"b"}')


@dataclass(frozen=True)
class Feature:
    """Something that a request may say: a prompt that says it, and how to see whether one does."""

    name: str
    prompt: Callable[[str], Prompt]
    """Given the name of the dialect that says it."""
    is_in: Callable[[Prompt], bool]


def says(role: Any, *parts: AnyPart | str) -> Message:
    return Message(role=role, parts=[Text(text=one) if isinstance(one, str) else one for one in parts])


def parts_of(prompt: Prompt) -> Iterator[AnyPart]:
    for message in prompt.messages:
        for part in message.parts:
            yield part
            if isinstance(part, ToolResult):
                yield from part.parts


def setting(name: str, field: str, value: Any, *, tools: bool = False) -> Feature:
    """Make the feature that a setting is set."""

    def prompt(_: str) -> Prompt:
        settings = Settings(**{field: value})
        return Prompt(messages=[says("user", "q")], tools=[TOOL] if tools else [], settings=settings)

    return Feature(name, prompt, lambda found: getattr(found.settings, field) is not None)


def part(name: str, *parts: AnyPart, is_in: Callable[[AnyPart], bool]) -> Feature:
    """Make the feature that the user's message holds parts."""
    return Feature(
        name,
        lambda _: Prompt(messages=[says("user", "q", *parts)]),
        lambda found: any(is_in(one) for one in parts_of(found)),
    )


def a_round(name: str, *result: AnyPart, is_error: bool = False, is_in: Callable[[AnyPart], bool]) -> Feature:
    """Make the feature of a call and what it gave."""
    answer = ToolResult(call_id="call_1", name="f", parts=list(result), is_error=is_error)
    messages = [says("user", "q"), says("assistant", CALL), says("tool", answer)]
    return Feature(
        name, lambda _: Prompt(messages=messages, tools=[TOOL]), lambda found: any(map(is_in, parts_of(found)))
    )


def media(kind: Any, mime: str, **place: Any) -> Media:
    return Media(kind=kind, mime=mime, **place)


def is_media(kind: str) -> Callable[[AnyPart], bool]:
    return lambda one: isinstance(one, Media) and one.kind == kind


def sealed(dialect: str) -> Prompt:
    """Say what a model of the dialect's own maker thought in the turn before."""
    seals: dict[str, Any] = (
        {"encrypted": "gAAA", "id": "rs_1"} if MAKERS.get(dialect) == "openai" else {"signature": "c2ln"}
    )
    thought = Reasoning(text="hm", maker=MAKERS.get(dialect), **seals)
    return Prompt(messages=[says("user", "q"), says("assistant", thought, "a"), says("user", "q")])


def with_tool(name: str, tool: Tool, is_in: Callable[[Tool], bool]) -> Feature:
    return Feature(
        name, lambda _: Prompt(messages=[says("user", "q")], tools=[tool]), lambda found: any(map(is_in, found.tools))
    )


FEATURES = [
    Feature(
        "system prompt",
        lambda _: Prompt(messages=[says("system", "s"), says("user", "q")]),
        lambda found: found.messages[0].role in ("system", "developer"),
    ),
    Feature(
        "system message in mid-conversation",
        lambda _: Prompt(messages=[says("user", "q"), says("assistant", "a"), says("user", "q"), says("system", "s")]),
        lambda found: found.messages[-1].role in ("system", "developer"),
    ),
    part("image as data", media("image", "image/png", data=DATA), is_in=is_media("image")),
    part("image by address", media("image", "image/png", url="https://x.org/a.png"), is_in=is_media("image")),
    part("image by a file's id", media("image", "image/png", file_id="file_1"), is_in=is_media("image")),
    part(
        "PDF as data",
        Media(kind="document", mime="application/pdf", data="JVBERi0=", name="a"),
        is_in=is_media("document"),
    ),
    part("sound as data", media("audio", "audio/wav", data="UklGRg=="), is_in=is_media("audio")),
    part("film as data", media("video", "video/mp4", data="AAAA"), is_in=is_media("video")),
    a_round("tool call and result", Text(text="x"), is_in=lambda one: isinstance(one, ToolResult)),
    a_round(
        "a result that failed",
        Text(text="x"),
        is_error=True,
        is_in=lambda one: isinstance(one, ToolResult) and one.is_error,
    ),
    a_round("image in a result", media("image", "image/png", data=DATA), is_in=is_media("image")),
    Feature(
        "reasoning with its maker's seal",
        sealed,
        lambda found: any(isinstance(one, Reasoning) and (one.signature or one.encrypted) for one in parts_of(found)),
    ),
    part("cache mark on a text", Text(text="x", cache="5m"), is_in=lambda one: one.cache is not None),
    with_tool("cache mark on a tool", Tool(name="f", schema=SCHEMA, cache="5m"), lambda tool: tool.cache is not None),
    with_tool("strict tool", Tool(name="f", schema=SCHEMA, strict=True), lambda tool: bool(tool.strict)),
    with_tool("free-form tool", Tool(name="f", description="d", kind="custom"), lambda tool: tool.kind == "custom"),
    setting("limit of tokens", "max_tokens", 4096),
    setting("temperature", "temperature", 0.5),
    setting("top_p", "top_p", 0.9),
    setting("top_k", "top_k", 5),
    setting("stop sequences", "stop", ["x"]),
    setting("seed", "seed", 1),
    setting("n = 2", "n", 2),
    setting("effort", "effort", "low"),
    setting("budget of thinking", "thinking_budget", 2048),
    setting("tool choice: required", "tool_choice", "required", tools=True),
    setting("tool choice: a name", "tool_choice", {"name": "f"}, tools=True),
    setting("tool choice: none", "tool_choice", "none", tools=True),
    setting("no parallel calls", "parallel_tools", False, tools=True),
    setting("JSON without a schema", "response_format", "json"),
    setting("schema of the answer", "response_format", {"schema": SCHEMA, "name": "n"}),
    setting("service tier", "service_tier", "flex"),
    setting("user", "user", "u"),
    setting("metadata", "metadata", {"a": "b"}),
]

OWN = {
    "openai_chat": {
        "logit_bias": {"1": 1},
        "logprobs": True,
        "frequency_penalty": 0.5,
        "presence_penalty": 0.5,
        "prediction": {"type": "content", "content": "x"},
        "modalities": ["text", "audio"],
        "verbosity": "low",
        "prompt_cache_key": "k",
        "web_search_options": {"search_context_size": "low"},
    },
    "openai_responses": {
        "truncation": "auto",
        "max_tool_calls": 3,
        "top_logprobs": 3,
        "background": True,
        "prompt_cache_key": "k",
        "previous_response_id": "resp_1",
        "conversation": "conv_1",
        "tools": [{"type": "web_search"}],
    },
    "anthropic_messages": {
        "container": "c",
        "inference_geo": "us",
        "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
        "mcp_servers": [{"type": "url", "url": "https://x.org", "name": "x"}],
        "tools": [{"type": "web_search_20250305", "name": "web_search"}],
    },
    "bedrock_converse": {
        "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"},
        "additionalModelRequestFields": {"x": 1},
        "promptVariables": {"a": {"text": "b"}},
    },
    "ollama_chat": {"keep_alive": "5m", "options": {"num_ctx": 8192}, "logprobs": True},
    "gemini_generate": {
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "cachedContent": "cachedContents/1",
        "generationConfig": {"responseModalities": ["IMAGE"]},
        "tools": [{"googleSearch": {}}],
    },
}
"""By dialect: fields that it alone has, or that few have."""


def outcome(source: str, target: str, prompt: Prompt) -> str:
    """Say what becomes of a prompt of `source` in `target`."""
    try:
        losses = translate_request(source, target, prompt, TARGETS[target]).losses
    except Untranslatable:
        return REFUSED
    return LOST if losses else CARRIED


def said_in(source: str, feature: Feature) -> Prompt | None:
    """Say a feature in a dialect, and read it again; None where that dialect has no word for it."""
    try:
        rendered = ALL[source].render_request(feature.prompt(source), TARGETS[source])
    except Untranslatable:
        return None
    prompt = ALL[source].parse_request(rendered.body)
    return prompt if not rendered.losses and feature.is_in(prompt) else None


def plain_body(source: str) -> dict[str, Any]:
    prompt = Prompt(messages=[says("user", "q")])
    return json.loads(ALL[source].render_request(prompt, TARGETS[source]).body)


def requests_of(source: str) -> str:
    """Write the table of one dialect's requests, put into each other one."""
    targets = [name for name in SHORT if name != source]
    rows = [(feature.name, prompt) for feature in FEATURES if (prompt := said_in(source, feature)) is not None]
    for key, value in OWN.get(source, {}).items():
        body = json.dumps({**plain_body(source), key: value}).encode()
        word = key if not isinstance(value, dict | list) or key not in _TOLD_WHOLE else _told(key, value)
        rows.append((f"`{word}`", ALL[source].parse_request(body)))
    told = [(name, [outcome(source, target, prompt) for target in targets]) for name, prompt in rows]
    all_carried = [name for name, cells in told if set(cells) == {CARRIED}]
    lines = [f"### From {SHORT[source]}", "", f"Carried to all: {', '.join(all_carried)}.", ""]
    lines += [_row(["what", *(SHORT[target] for target in targets)]), _row(["---"] * (len(targets) + 1))]
    lines += [_row([name, *cells]) for name, cells in told if set(cells) != {CARRIED}]
    return "\n".join(lines) + "\n"


_TOLD_WHOLE = ("tools", "options", "generationConfig", "additionalModelRequestFields")


def _told(key: str, value: Any) -> str:
    inner = value[0] if isinstance(value, list) else value
    return f"{key}.{inner.get('type') or next(iter(inner))}"


KNOWN = Usage(input_fresh=1, output=3)
CITED = {"type": "url_citation", "url": "https://x.org", "title": "t", "start_index": 0, "end_index": 1}


def answer(*parts: AnyPart | str, reason: Any = "end", usage: Usage | None = KNOWN, **fields: Any) -> Reply:
    return Reply(message=says("assistant", *parts), stop_reason=reason, usage=usage, **fields)


REPLIES = {
    "a stop sequence came up": answer("a", reason="stop_sequence", stop_sequence="x"),
    "cut by the limit": answer("a", reason="length"),
    "paused": answer("a", reason="pause"),
    "declined": answer(Refusal(text="no"), reason="refusal"),
    "reasoning with another maker's seal": answer(Reasoning(text="hm", signature="c2ln", maker="someone"), "a"),
    "citation of a web page": answer(Text(text="a", annotations=[CITED])),
    "a free-form call": answer(ToolCall(id="c", name="f", arguments="x", kind="custom"), reason="tool_use"),
    "work of the provider's own tool": answer(
        ToolCall(id="c", name="f", kind="server", extra={"other": {"a": 1}}), "a"
    ),
    "an image": answer(media("image", "image/png", data=DATA)),
    "several answers": answer("a", others=[Choice(message=says("assistant", "b"))]),
    "tokens read from the cache": answer("a", usage=Usage(input_fresh=1, cache_read=2, output=3)),
    "figures that are unknown": answer("a", usage=None),
}


def replies() -> str:
    """Write the table of what a client of each dialect does not get of a reply."""
    lines = [_row(["what the model said", *SHORT.values()]), _row(["---"] * (len(SHORT) + 1))]
    for name, reply in REPLIES.items():
        losses = (ALL[dialect].render_reply(reply, ReplyTarget(model="m", seed="X")).losses for dialect in SHORT)
        lines.append(_row([name, *(LOST if found else CARRIED for found in losses)]))
    return "\n".join(lines) + "\n"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def tables() -> str:
    """Write all tables."""
    requests = "\n".join(requests_of(source) for source in SHORT)
    return f"## Requests\n\n{requests}\n## Replies\n\n{replies()}"


def with_tables(page: str) -> str:
    """Put the tables into the page."""
    head, _, rest = page.partition(BEGIN)
    return head + BEGIN + "\n" + tables() + "\n" + END + rest.partition(END)[2]


def main() -> int:
    page = PAGE.read_text()
    wanted = with_tables(page)
    if "--check" in sys.argv[1:]:
        return 0 if page == wanted else 1
    PAGE.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
