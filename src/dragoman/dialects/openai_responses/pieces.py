"""Parts written as pieces of content: of a message, or of a tool's output.

Promise: whatever has no piece here is a Loss, but for what would change the question: sound and film that the model
cannot take are Untranslatable.
"""

import msgspec

from dragoman.canonical import AnyPart, Loss, Media, Refusal, Text, ToolKind
from dragoman.dialects.annotations import to_responses
from dragoman.dialects.base import Untranslatable
from dragoman.dialects.media import data_url, sniff
from dragoman.dialects.openai_responses.items import NAME
from dragoman.dialects.values import JsonObject


class Writing(msgspec.Struct, kw_only=True):
    """One request as it is written: for whom, and what was lost so far."""

    losses: list[Loss] = []
    kinds: dict[str, ToolKind] = {}
    """Kinds of the calls so far, by id: a result may not tell its own."""
    tool_kinds: dict[str, ToolKind] = {}
    """Kinds of the tools, by name: a choice may not tell its own."""
    takes_breakpoints: bool = False

    def lose(self, path: str, reason: str) -> None:
        self.losses.append(Loss(path=path, reason=reason))


def write_piece(part: AnyPart, path: str, out: Writing, *, is_reply: bool) -> JsonObject | None:
    """Write one piece; None when it cannot be said. `is_reply`: it is the assistant's."""
    match part:
        case Text():
            return _text(part, path, out, is_reply=is_reply)
        case Refusal():
            return {"type": "refusal", "refusal": part.text, **own(part)} if part.text or own(part) else None
        case Media() if is_reply:
            out.lose(path, f"{NAME} takes no {part.kind} from the assistant")
        case Media():
            return _with_mark(_media(part), part, path, out)
        case _:
            out.lose(path, f"{NAME} has no place for {_kind_of(part)} here")
    return None


def own(part: AnyPart) -> JsonObject:
    """Return what this dialect alone has on a part, without what belongs to the item around it."""
    fields = part.extra.get(NAME)
    return {key: value for key, value in fields.items() if key not in ("item", "$")} if fields else {}


def _text(part: Text, path: str, out: Writing, *, is_reply: bool) -> JsonObject | None:
    # An empty text is nothing to say, and refused in some places (wire-facts 8, trap 6).
    if not part.text and not part.extra.get(NAME):
        return None
    if not is_reply:
        return _with_mark({"type": "input_text", "text": part.text, **own(part)}, part, path, out)
    if part.cache is not None:
        out.lose(f"{path}.cache_control", f"{NAME} takes no cache mark on the assistant's text")
    return {"type": "output_text", "text": part.text, "annotations": write_annotations(part, path, out), **own(part)}


def write_annotations(part: Text, path: str, out: Writing) -> list[JsonObject]:
    """Write a text's citations."""
    found = [to_responses(one, part.text) for one in part.annotations]
    if None in found:
        out.lose(f"{path}.citations", f"{NAME} cites web pages and files of OpenAI's only")
    return [one for one in found if one is not None]


def _with_mark(piece: JsonObject, part: AnyPart, path: str, out: Writing) -> JsonObject:
    """Turn a cache mark into a breakpoint, where the model takes one."""
    if part.cache is None or "prompt_cache_breakpoint" in piece:
        return piece
    if out.takes_breakpoints:
        return {**piece, "prompt_cache_breakpoint": {"mode": "explicit"}}
    lose_mark(path, out)
    return piece


def lose_mark(path: str, out: Writing) -> None:
    out.lose(f"{path}.cache_control", f"{NAME} caches by itself; this model takes no cache marks")


def _media(part: Media) -> JsonObject:
    if part.kind == "image":
        return {"type": "input_image", **_place(part, "image_url", "image/png"), "detail": _detail(part), **own(part)}
    if part.kind == "document":
        return _document(part)
    raise Untranslatable(
        f"the request holds {part.kind}, which {NAME} does not take; leave it out, or use a model that takes it"
    )


def _detail(part: Media) -> str:
    return part.extra.get("openai_chat", {}).get("detail") or "auto"


def _document(part: Media) -> JsonObject:
    if part.text is not None:
        title = f"{part.name}\n\n" if part.name else ""
        return {"type": "input_text", "text": title + part.text}
    named = {"filename": part.name} if part.name else {}
    if part.url:
        return {"type": "input_file", "file_url": part.url, **named, **own(part)}
    if part.file_id:
        return {"type": "input_file", "file_id": part.file_id, **own(part)}
    # A file sent as data is refused without a name: "Missing required parameter: filename". Observed only.
    named = named or {"filename": "document.pdf" if _mime(part) == "application/pdf" else "document"}
    return {"type": "input_file", **named, **_place(part, "file_data", "application/pdf"), **own(part)}


def _place(part: Media, field: str, mime: str) -> JsonObject:
    """Say where the data is: in place as a data: URL, elsewhere as a URL, or with the provider as a file."""
    if part.file_id:
        return {"file_id": part.file_id}
    if part.data is not None:
        return {field: data_url(part.mime, part.data, mime)}
    return {field: part.url or ""}


def _mime(part: Media) -> str | None:
    return part.mime or (sniff(part.data) if part.data else None)


def _kind_of(part: AnyPart) -> str:
    return type(part).__name__.lower()
