"""Gemini's parts, read and written.

A part is an object with one key that says what it is, and with others beside it. A thought's signature stands on the
part that the model thought about; here it is a `Reasoning` without text before that part, so that it survives in a
client of another dialect. One that came on an empty text stands alone.
Promise: a request's part is written again as it stood: where the canonical form would spell it otherwise, the part
is kept beside it, and written while it still says the same.
Facts: google-genai 3.4.0 (`Part`), https://ai.google.dev/gemini-api/docs/thought-signatures, seen 2026-11-21.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from dragoman.canonical import (
    AnyPart,
    Extra,
    Media,
    MediaKind,
    Other,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from dragoman.dialects.bedrock_converse.content import coded, decoded
from dragoman.dialects.exact import bare, is_exact
from dragoman.dialects.gemini_generate.wire import LEFT, NAME, camel, camel_of
from dragoman.dialects.seals import restore
from dragoman.dialects.spelling import FORM, form_of, noted
from dragoman.dialects.values import JsonObject, as_text, list_of, load, text_of, to_json

_KINDS = (
    *("text", "functionCall", "functionResponse", "inlineData", "fileData", "executableCode"),
    *("codeExecutionResult", "toolCall", "toolResponse"),
)
_FILES = "generativelanguage.googleapis.com/"
"""Where files lie that were handed to Google, and that nobody else can fetch."""
_STANDARD = str.maketrans("-_", "+/")


def read_parts(value: Any, *, is_noted: bool = False) -> list[AnyPart]:
    """Read a list of parts; a request's with notes of their spelling."""
    values = value if isinstance(value, list) else [value] if isinstance(value, dict) else []
    read = _read_noted if is_noted else read_part
    return [part for one in values for part in read(one)]


def _read_noted(value: Any) -> list[AnyPart]:
    parts = read_part(value)
    written = write_parts(parts)
    if len(written) == 1 and is_exact(written[0], value):
        return parts
    return [*parts[:-1], noted(parts[-1], NAME, {"raw": value})]


def read_part(value: Any) -> list[AnyPart]:
    """Read one part: what it says, and before it the signature of the thought that led to it."""
    if not isinstance(value, dict):
        return [Text(text=as_text(value))]
    one = camel(value)
    kind = next((key for key in _KINDS if one.get(key) is not None), "")
    left = {key: it for key, it in one.items() if key not in (kind, "thought", "thoughtSignature") and it is not None}
    part = _read_kind(kind, one, value, left)
    seal = seal_of(one)
    if isinstance(part, Reasoning):
        return [restore(msgspec.structs.replace(part, signature=seal), NAME)]
    if seal is None:
        return [part]
    sealed = restore(Reasoning(signature=seal), NAME)
    return [noted(sealed, NAME, {"alone": True})] if part == Text(text="") else [sealed, part]


def seal_of(one: JsonObject) -> str | None:
    """Read a signature: bytes, so that a wrapper of ours lies in base64."""
    seal = text_of(one, "thoughtSignature")
    if seal is None:
        return None
    plain = decoded(seal.translate(_STANDARD))
    return seal if plain is None or plain == seal.translate(_STANDARD) else plain


def _read_kind(kind: str, one: JsonObject, value: JsonObject, left: JsonObject) -> AnyPart:
    extra = LEFT.these(left)
    match kind:
        case "text" if one.get("thought") is True:
            return Reasoning(text=as_text(one["text"]), extra=extra)
        case "text":
            return Text(text=as_text(one["text"]), extra=extra)
        case "functionCall":
            return _read_call(camel_of(one, kind), left)
        case "functionResponse":
            return _read_result(camel_of(one, kind), left)
        case "inlineData" | "fileData":
            return _read_media(camel_of(one, kind), extra)
        case "executableCode" | "toolCall":
            told = camel_of(one, kind)
            name = as_text(told.get("toolType")) or "code_execution"
            arguments = to_json(told.get("args") or {}) if kind == "toolCall" else to_json(told)
            raw = LEFT.these({kind: one[kind], **left})
            return ToolCall(id=text_of(told, "id"), name=name, arguments=arguments, kind="server", extra=raw)
        case "codeExecutionResult" | "toolResponse":
            told = camel_of(one, kind)
            said = told.get("output") if kind == "codeExecutionResult" else told.get("response")
            return ToolResult(
                call_id=text_of(told, "id"),
                name=text_of(told, "toolType") or "code_execution",
                parts=[Text(text=as_text(said))] if said is not None else [],
                is_error=told.get("outcome") not in (None, "OUTCOME_OK"),
                kind="server",
                extra=LEFT.these({kind: one[kind], **left}),
            )
        case _ if one.keys() <= {"thoughtSignature", "thought"} and seal_of(one):
            return Text(text="")
        case _:
            return Other(dialect=NAME, kind=next(iter(left), ""), value=value)


def _read_call(told: JsonObject, left: JsonObject) -> ToolCall:
    args = told.get("args")
    return ToolCall(
        id=text_of(told, "id"),
        name=as_text(told.get("name")),
        arguments=to_json({} if args is None else args),
        extra=_extra(left, "functionCall", told, _CALL_KEYS),
    )


_CALL_KEYS = ("id", "name", "args", "partialArgs", "willContinue")
_RESULT_KEYS = ("id", "name", "response", "parts")


def _read_result(told: JsonObject, left: JsonObject) -> ToolResult:
    """Read what a tool gave: `output` and `error` are the API's words, `result` that of its SDK."""
    response = told.get("response")
    keys = list(response) if isinstance(response, dict) else []
    is_error = keys == ["error"]
    if isinstance(response, dict) and keys in (["output"], ["result"], ["error"]):
        response = response[keys[0]]
    texts: list[AnyPart] = [] if response in (None, {}) else [Text(text=as_text(response))]
    return ToolResult(
        call_id=text_of(told, "id"),
        name=text_of(told, "name"),
        parts=[*texts, *(part for one in list_of(told, "parts") for part in read_part(one))],
        is_error=is_error,
        extra=_extra(left, "functionResponse", told, _RESULT_KEYS),
    )


def _extra(left: JsonObject, kind: str, told: JsonObject, known: tuple[str, ...]) -> Extra:
    """Keep what stands beside a call or result, and what stands in it."""
    inner = {key: one for key, one in told.items() if key not in known}
    return LEFT.these({**left, kind: inner} if inner else left)


def _read_media(told: JsonObject, extra: Extra) -> Media:
    mime, place = text_of(told, "mimeType"), text_of(told, "fileUri")
    is_stored = place is not None and _FILES in place
    return Media(
        kind=kind_of(mime, place),
        mime=mime,
        data=_standard(text_of(told, "data")) if place is None else None,
        url=None if is_stored else place,
        file_id=place if is_stored else None,
        name=text_of(told, "displayName"),
        extra=extra,
    )


def _standard(data: str | None) -> str | None:
    """Write base64 in the alphabet that all others take; google-genai sends that of URLs."""
    if data is None or ("-" not in data and "_" not in data):
        return data
    return data.translate(_STANDARD) + "=" * (-len(data) % 4)


def kind_of(mime: str | None, place: str | None) -> MediaKind:
    """Say what kind of media this is; a film of YouTube's comes without a type."""
    head = (mime or "").partition("/")[0]
    for kind in ("image", "audio", "video"):
        if head == kind:
            return kind
    return "video" if mime is None and "youtu" in (place or "") else "document"


def write_parts(parts: list[AnyPart]) -> list[Any]:
    """Write parts, each with the signature that stood before it."""
    written = (_write_group([parts[number] for number in group]) for group in groups(parts))
    return [one for one in written if one is not None]


def groups(parts: list[AnyPart]) -> Iterator[list[int]]:
    """Say which canonical parts make one part of the wire, by their numbers."""
    number = 0
    while number < len(parts):
        following = parts[number + 1] if number + 1 < len(parts) else None
        if _is_seal(parts[number]) and following is not None and not isinstance(following, Reasoning):
            yield [number, number + 1]
            number += 2
        else:
            yield [number]
            number += 1


def _is_seal(part: AnyPart) -> bool:
    """Say whether a part is the signature of what follows."""
    if not isinstance(part, Reasoning) or part.text or part.summary:
        return False
    return part.signature is not None and not form_of(part.extra, NAME).get("alone")


def _write_group(group: list[AnyPart]) -> Any:
    form = form_of(group[-1].extra, NAME)
    if "raw" in form and [bare(part) for part in read_part(form["raw"])] == [bare(part) for part in group]:
        return form["raw"]
    part = group[-1]
    written = write_part(part)
    seal = group[0]
    if written is None or not isinstance(seal, Reasoning) or seal.signature is None:
        return written
    return {**written, "thoughtSignature": coded(seal.signature)}


def write_part(part: AnyPart) -> Any:
    """Write what one part says, without its signature; None for what has no word here."""
    left = {key: one for key, one in part.extra.get(NAME, {}).items() if key != FORM}
    match part:
        case Other():
            return part.value if part.dialect == NAME else None
        case Text() | Refusal():
            return {"text": part.text, **left}
        case Reasoning():
            said = part.text or part.summary
            return {"text": said, "thought": True, **left} if said else {"text": "", **left}
        case ToolCall(kind="server") | ToolResult(kind="server"):
            return left or None
        case ToolCall():
            named = {"id": part.id} if part.id else {}
            inner = left.pop("functionCall", {})
            return {"functionCall": {**named, "name": part.name, "args": write_args(part), **inner}, **left}
        case ToolResult():
            inner = left.pop("functionResponse", {})
            return {"functionResponse": {**write_result(part), **inner}, **left}
        case Media():
            media = write_media(part)
            return None if media is None else {**media, **left}


def write_args(call: ToolCall) -> Any:
    """Write arguments as an object; text that is none stays readable as `{"_raw": text}`."""
    text = call.arguments
    if call.kind == "custom":
        return {"input": text}
    if not text.strip():
        return {}
    try:
        value = load(text.encode("utf-8", "surrogatepass"))[0]
    except ValueError:
        return {"_raw": text}
    return value if isinstance(value, dict) else {"_raw": text}


def write_result(result: ToolResult) -> JsonObject:
    """Write what a tool gave: its texts as `output` or `error`, its media as parts of their own."""
    texts = [part.text for part in result.parts if isinstance(part, Text | Refusal)]
    media = [written for part in result.parts if isinstance(part, Media) and (written := write_media(part))]
    named = {"id": result.call_id} if result.call_id else {}
    response = {"error" if result.is_error else "output": "\n\n".join(texts)}
    value: JsonObject = {**named, "name": result.name or "", "response": response}
    return {**value, "parts": media} if media else value


def write_media(part: Media) -> JsonObject | None:
    """Write media: their bytes, or where they lie; None when they have neither."""
    typed = {"mimeType": part.mime} if part.mime else {}
    if part.data is not None:
        named = {"displayName": part.name} if part.name else {}
        return {"inlineData": {**typed, "data": part.data, **named}}
    place = part.url or part.file_id
    return None if place is None else {"fileData": {**typed, "fileUri": place}}
