"""A Prompt written as a request.

Promise: one that was read from this dialect comes out as it was, edits but for themselves. From other dialects:
leading system messages become `instructions`, tools are flat, nothing is stored with the provider, and reasoning
comes back encrypted, so that the client can carry it.
"""

from hashlib import sha256

import msgspec

from dragoman.canonical import Message, Prompt, Settings, Text
from dragoman.dialects.base import Rendered, RequestTarget, Untranslatable
from dragoman.dialects.call_ids import with_call_ids
from dragoman.dialects.efforts import effort_of, wants_thoughts
from dragoman.dialects.losses import message_path, setting_path
from dragoman.dialects.openai_models import takes_cache_breakpoints, thinks
from dragoman.dialects.openai_responses.items import NAME
from dragoman.dialects.openai_responses.message import notes_of
from dragoman.dialects.openai_responses.pieces import Writing, lose_mark
from dragoman.dialects.openai_responses.render_items import write_message
from dragoman.dialects.openai_responses.render_tools import write_tool
from dragoman.dialects.openai_responses.request_fields import read_input, read_instructions, read_tools
from dragoman.dialects.openai_responses.settings import read_settings, write_settings
from dragoman.dialects.spelling import form_of
from dragoman.dialects.values import JsonObject

_MIN_OUTPUT = 16
"""Less is refused: "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16"
(hindsight#58, inspect_evals#694; seen 2026-11-21)."""

_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})
_MAX_USER = 64
"""Longest `safety_identifier` (openai 3.52.0, ResponseCreateParams)."""


def render_request(prompt: Prompt, target: RequestTarget) -> Rendered:
    """Write a request; see base.Dialect. Raises Untranslatable."""
    model = target.model or prompt.model or ""
    out = Writing(takes_breakpoints=target.is_openai and takes_cache_breakpoints(model))
    if not is_own(prompt):
        prompt = _as_asked_here(prompt, target, out)
    body = write_body(prompt, out, is_streamed=target.is_streamed)
    if not is_own(prompt):
        body.setdefault("input", [])  # required, also when there is nothing to say
    if target.model:
        body["model"] = target.model
    return Rendered(msgspec.json.encode(body), out.losses)


def is_own(prompt: Prompt) -> bool:
    """Say whether a prompt was read from this dialect."""
    return bool(form_of(prompt.extra, NAME).get("own"))


def write_body(prompt: Prompt, out: Writing, *, is_streamed: bool) -> JsonObject:
    """Write all that the prompt says, in this dialect's words."""
    own = {key: value for key, value in (prompt.extra.get(NAME) or {}).items() if key != "$"}
    out.tool_kinds.update({tool.name: tool.kind for tool in prompt.tools})
    body: JsonObject = {"model": prompt.model} if prompt.model else {}
    body |= _write_messages(prompt.messages, out)
    tools = [wire for number, tool in enumerate(prompt.tools) if (wire := write_tool(tool, number, out))]
    if tools:
        body["tools"] = tools
    body |= own
    if prompt.previous_id:
        body["previous_response_id"] = prompt.previous_id
    write_settings(prompt.settings, body, out)
    if is_streamed:
        body["stream"] = True
    for key, value in form_of(prompt.extra, NAME).get("raw", {}).items():
        if _reads_alike(key, value, body):
            body[key] = value
    return body


def _reads_alike(key: str, raw: object, body: JsonObject) -> bool:
    """Say whether a field as it was received still says what the prompt says by now."""
    return _reading(key, raw) == _reading(key, body.get(key))


def _reading(key: str, value: object) -> object:
    match key:
        case "instructions":
            return [one.parts for one in read_instructions(value)]
        case "input":
            return [(one.role, one.parts) for one in read_input(value)]
        case "tools":
            return read_tools({key: value})
        case "stream":
            return value is True
        case "model" | "previous_response_id":
            return value if isinstance(value, str) else None
        case _:
            return read_settings({key: value})


def _write_messages(messages: list[Message], out: Writing) -> JsonObject:
    """Write `instructions` and `input`."""
    leading = _leading(messages, out)
    written: JsonObject = {}
    if leading:
        written["instructions"] = "\n\n".join(text for text in _texts(messages[:leading]) if text)
    rest = messages[leading:]
    if len(rest) == 1 and notes_of(rest[0]).get("form") == "input" and _is_plain(rest[0]):
        return {**written, "input": _texts(rest)[0]}
    items = [item for number, one in enumerate(rest, leading) for item in write_message(one, number, out)]
    return {**written, "input": items} if items else written


def _leading(messages: list[Message], out: Writing) -> int:
    """Count the system messages at the front that become `instructions`."""
    if messages and notes_of(messages[0]).get("form") == "instructions":
        return 1
    count = 0
    for message in messages:
        if message.role != "system" or message.name or notes_of(message) or not _is_plain(message):
            break
        if out.takes_breakpoints and any(part.cache is not None for part in message.parts):
            break  # instructions are one text, where no mark can stand
        count += 1
    return count


def _is_plain(message: Message) -> bool:
    return all(isinstance(part, Text) for part in message.parts)


def _texts(messages: list[Message]) -> list[str]:
    return [part.text for message in messages for part in message.parts if isinstance(part, Text)]


def _as_asked_here(prompt: Prompt, target: RequestTarget, out: Writing) -> Prompt:
    """Put what another dialect's client asked into this dialect's terms."""
    for number in range(_leading(prompt.messages, out)):
        for position, part in enumerate(prompt.messages[number].parts):
            if part.cache is not None:
                lose_mark(message_path(number, position), out)
    prompt = with_call_ids(prompt)
    settings = _settings_here(prompt, target, out)
    own = _own_fields(prompt, settings, target.model or prompt.model or "")
    return msgspec.structs.replace(prompt, settings=settings, extra={**prompt.extra, NAME: own})


def _settings_here(prompt: Prompt, target: RequestTarget, out: Writing) -> Settings:
    settings = prompt.settings
    if settings.n is not None and settings.n > 1:
        raise Untranslatable(f"n is {settings.n}, and {NAME} gives one answer; ask for one, or use a chat model")
    changes: JsonObject = {}
    if settings.effort is None and settings.thinking_budget is not None:
        changes["effort"] = effort_of(settings.thinking_budget)
    if target.is_openai and settings.max_tokens is not None and settings.max_tokens < _MIN_OUTPUT:
        out.lose(setting_path("max_tokens"), f"raised to {_MIN_OUTPUT}, the least that {NAME} takes")
        changes["max_tokens"] = _MIN_OUTPUT
    if settings.service_tier is not None and settings.service_tier not in _TIERS:
        out.lose(setting_path("service_tier"), f"{NAME} has no such tier")
        changes["service_tier"] = None
    if settings.user is not None and len(settings.user) > _MAX_USER:
        out.lose(setting_path("user"), f"longer than {_MAX_USER} signs; its hash was sent")
        changes["user"] = sha256(settings.user.encode()).hexdigest()
    if not isinstance(settings.metadata, dict) or settings.metadata.keys() <= {"user_id"}:
        changes["metadata"] = None  # Anthropic's `metadata.user_id` is the user, which is said already
    if not prompt.tools:
        changes |= {"parallel_tools": None, "tool_choice": None}
    return msgspec.structs.replace(settings, **changes)


def _own_fields(prompt: Prompt, settings: Settings, model: str) -> JsonObject:
    """Say what only this dialect has a word for."""
    chat = prompt.extra.get("openai_chat") or {}
    own: JsonObject = {key: chat[key] for key in _SHARED if chat.get(key) is not None}
    if chat.get("verbosity"):
        own["text"] = {"verbosity": chat["verbosity"]}
    if settings.effort is not None and wants_thoughts(prompt):
        own["reasoning"] = {"summary": "auto"}
    # What another dialect's client asks is not stored, as there; so reasoning has to come back with the reply.
    own.setdefault("store", False)
    if not own["store"] and (thinks(model) or settings.effort not in (None, "none")):
        own["include"] = ["reasoning.encrypted_content"]
    return own


_SHARED = (
    *("prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "safety_identifier", "store"),
    *("moderation",),
)
"""Fields of Chat that mean the same here (openai 3.52.0)."""


def locate(prompt: Prompt, message: int, part: int | None) -> str:
    """Say where a message or part stood in the body."""
    one = prompt.messages[message]
    form = notes_of(one).get("form")
    if form in ("instructions", "input"):
        return f"$.{form}"
    before = sum(1 for other in prompt.messages[:message] if notes_of(other).get("form") == "instructions")
    place = f"$.input[{message - before}]"
    if part is None or form == "plain" or (not isinstance(one.parts[part], Text) and len(one.parts) == 1):
        return place
    return f"{place}.content[{part}]"


def asked_fields(prompt: Prompt) -> JsonObject:
    """Return a request's fields as its client sent them, for a reply that repeats them."""
    return write_body(prompt, Writing(), is_streamed=False) if is_own(prompt) else {}
