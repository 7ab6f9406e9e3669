"""Gemini's requests read into a Prompt, and one that was read from here written as it came.

Read are `generateContent`, `countTokens` (whose request may stand in `generateContentRequest`) and the endpoints that
embed. Model and stream stand in the path.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from dragoman.canonical import AnyPart, Loss, Message, Prompt, Reasoning, Role
from dragoman.dialects.base import RequestTarget, Unreadable
from dragoman.dialects.exact import bare
from dragoman.dialects.gemini_generate.parts import groups, read_parts, write_parts
from dragoman.dialects.gemini_generate.settings import read_settings, read_tools, write_config, write_tools
from dragoman.dialects.gemini_generate.wire import NAME, camel, camel_of, name_of_model
from dragoman.dialects.losses import message_path
from dragoman.dialects.seals import MAKERS
from dragoman.dialects.spelling import FORM, form_of, noted
from dragoman.dialects.values import JsonObject, as_text, load_object

_ROLES: dict[str, Role] = {"user": "user", "model": "assistant", "function": "user"}
_WORDS: dict[Role, str] = {"assistant": "model"}
_INNER = ("generateContentRequest", "generate_content_request")
_SAYING = ("contents", "content", "requests")
"""Where what is said stands: in conversations, in what is embedded, in many things to embed at once."""


def read_request(body: bytes) -> Prompt:
    """Read a body. Raises Unreadable when it is none of Gemini's."""
    asked, warnings = load_object(body, "gemini_generate request")
    around = next((key for key in asked if key in _INNER and isinstance(asked[key], dict)), None)
    prompt = _read(asked if around is None else asked[around], warnings)
    if around is None:
        return prompt
    beside = {key: one for key, one in asked.items() if key != around}
    return noted(msgspec.structs.replace(prompt, model=None), NAME, {"around": around, "beside": beside})


def _read(asked: JsonObject, warnings: list[str]) -> Prompt:
    given = camel(asked)
    said = next((key for key in _SAYING if key in given), None)
    if said is None:
        raise Unreadable(f"gemini_generate request: found keys {sorted(asked)[:12]}, expected contents")
    keys = {name: key for key in asked for name in camel({key: None}) if name in (said, "systemInstruction")}
    system = [_system(given["systemInstruction"])] if given.get("systemInstruction") is not None else []
    messages = _messages(said, given[said])
    left = {key: one for key, one in asked.items() if key not in keys.values() and key != "model"}
    notes: JsonObject = {"own": said, "keys": keys}
    if "model" in asked:
        notes["model"] = asked["model"]
    if given[said] is not None and not isinstance(given[said], list):
        notes["single"] = given[said]
    return Prompt(
        model=name_of_model(asked.get("model")),
        messages=[*system, *messages],
        tools=read_tools(given.get("tools")),
        settings=read_settings(given),
        extra={NAME: {**left, FORM: notes}},
        warnings=warnings,
    )


def _messages(said: str, value: Any) -> list[Message]:
    if said == "requests":
        given = value if isinstance(value, list) else []
        return [noted(read_message(camel(one).get("content")), NAME, {"request": one}) for one in given]
    return [read_message(one) for one in (value if isinstance(value, list) else [value])]


def _system(value: Any) -> Message:
    message = read_message(value, is_noted=False)
    message = msgspec.structs.replace(message, role="system", extra={})
    return _with_notes(message, value)


def read_message(value: Any, *, is_noted: bool = True) -> Message:
    """Read one of `contents`; a text may stand for one."""
    given = camel(value)
    role = as_text(given.get("role"))
    told = given.get("parts") if given else [{"text": value}] if isinstance(value, str) else None
    message = Message(role=_ROLES.get(role, "user"), parts=read_parts(told, is_noted=True))
    return _with_notes(message, value) if is_noted else message


def _with_notes(message: Message, value: Any) -> Message:
    """Note what of a content would be written otherwise: its role, its other fields, or that it is no object."""
    if not isinstance(value, dict) or not isinstance(camel(value).get("parts"), list):
        return noted(message, NAME, {"raw": value})
    frame = {key: one for key, one in value.items() if key != "parts"}
    return message if frame == _frame(message) else noted(message, NAME, {"frame": frame})


def _frame(message: Message) -> JsonObject:
    return {} if message.role == "system" else {"role": _WORDS.get(message.role, "user")}


def is_own(prompt: Prompt) -> bool:
    return "own" in form_of(prompt.extra, NAME)


def as_array(prompt: Prompt) -> Prompt:
    """Note that the reply is to be streamed as a JSON array: the query did not ask for events (`alt=sse`)."""
    return noted(prompt, NAME, {"array": True})


def is_array(prompt: Prompt) -> bool:
    return form_of(prompt.extra, NAME).get("array") is True


def write_message(message: Message) -> Any:
    """Write a message as one of `contents`, or as `systemInstruction`."""
    form = form_of(message.extra, NAME)
    if "raw" in form:
        again = read_message(form["raw"], is_noted=False)
        if [bare(part) for part in again.parts] == [bare(part) for part in message.parts]:
            return form["raw"]
    return {**form.get("frame", _frame(message)), "parts": write_parts(message.parts)}


def write_own(prompt: Prompt, target: RequestTarget) -> tuple[JsonObject, list[Loss]]:
    """Write a prompt that was read from this dialect as the object that it came as, with what was changed since."""
    losses: list[Loss] = []
    messages = [_without_foreign_seals(number, message, losses) for number, message in enumerate(prompt.messages)]
    kept = [message for message in messages if message.parts] if losses else prompt.messages
    prompt = msgspec.structs.replace(prompt, messages=kept)
    form = form_of(prompt.extra, NAME)
    body = _write(prompt, form)
    if "around" in form:
        body = {form["around"]: body, **form["beside"]}
    return body, losses


def _without_foreign_seals(number: int, message: Message, losses: list[Loss]) -> Message:
    parts: list[AnyPart] = []
    for position, part in enumerate(message.parts):
        if isinstance(part, Reasoning) and part.maker not in (None, MAKERS[NAME]):
            reason = "what another model thought bears no seal that this one takes"
            losses.append(Loss(path=message_path(number, position), reason=reason))
        else:
            parts.append(part)
    return message if len(parts) == len(message.parts) else msgspec.structs.replace(message, parts=parts)


def _write(prompt: Prompt, form: JsonObject) -> JsonObject:
    count = leading(prompt.messages)
    body: JsonObject = {key: one for key, one in prompt.extra[NAME].items() if key != FORM}
    said, keys = form["own"], form["keys"]
    if "model" in form:
        body["model"] = form["model"]
    if count:
        body[keys.get("systemInstruction", "systemInstruction")] = _write_system(prompt.messages[:count])
    body[keys[said]] = _write_said(prompt.messages[count:], said, form)
    _write_changes(body, prompt)
    return body


def _write_system(messages: list[Message]) -> Any:
    if len(messages) == 1:
        return write_message(messages[0])
    return {"parts": write_parts([part for message in messages for part in message.parts])}


def _write_said(messages: list[Message], said: str, form: JsonObject) -> Any:
    if said == "requests":
        return [{**form_of(one.extra, NAME)["request"], "content": write_message(one)} for one in messages]
    written = [write_message(message) for message in messages]
    return written[0] if "single" in form and len(written) == 1 else written


def _write_changes(body: JsonObject, prompt: Prompt) -> None:
    """Write settings and tools where they are not those that the body says."""
    given = camel(body)
    keys = {name: key for key in body for name in camel({key: None})}
    if prompt.settings != read_settings(given):
        key = keys.get("generationConfig", "generationConfig")
        body[key] = write_config(prompt.settings, camel_of(given, "generationConfig"))
    if prompt.tools != read_tools(given.get("tools")):
        body["tools"] = write_tools(prompt.tools)


def leading(messages: Iterable[Message]) -> int:
    """Count the messages at the beginning that stand in `systemInstruction`."""
    count = 0
    for message in messages:
        if message.role not in ("system", "developer"):
            break
        count += 1
    return count


def locate(prompt: Prompt, message: int, part: int | None = None) -> str:
    """Say where a message or part stood; a signature stood on the part after it."""
    form = form_of(prompt.extra, NAME)
    keys, said = form.get("keys", {}), form.get("own", "contents")
    count = leading(prompt.messages)
    place = f"$.{form['around']}" if "around" in form else "$"
    if message < count:
        place = f"{place}.{keys.get('systemInstruction', 'systemInstruction')}"
    elif said == "requests":
        place = f"{place}.{keys.get(said, said)}[{message - count}].content"
    else:
        place = f"{place}.{keys.get(said, said)}" + ("" if "single" in form else f"[{message - count}]")
    if part is None:
        return place
    wire = [number for number, group in enumerate(groups(prompt.messages[message].parts)) if part in group]
    return f"{place}.parts[{wire[0] if wire else part}]"
