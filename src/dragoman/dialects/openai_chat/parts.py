"""Parts of another dialect turned into parts that Chat has words for, and what is lost of them.

Promise: what cannot be heard or seen on the other side, and would silently change the answer, is `Untranslatable`;
all else that does not fit is a Loss. Cache marks stay where OpenAI's own models take them, four at most.
"""

import msgspec

from dragoman.canonical import AnyPart, Loss, Media, Other, Reasoning, Refusal, Text, ToolCall, ToolResult
from dragoman.dialects.base import Untranslatable
from dragoman.dialects.losses import message_path
from dragoman.dialects.openai_chat.content import NAME
from dragoman.dialects.seals import is_native
from dragoman.dialects.spelling import FORM, noted
from dragoman.dialects.values import to_json

FOREIGN = {NAME: {FORM: {"list": True}}}
"""Notes of a message that is written as a list of parts."""

_SOUNDS = frozenset({"audio/wav", "audio/mp3", "audio/mpeg", "audio/x-wav", "audio/wave"})
_MAX_MARKS = 4
Placed = tuple[int, int, AnyPart]
"""A part with the numbers of its message and of itself in the prompt."""


class PartWriter:
    """Turns parts of one prompt."""

    def __init__(self, losses: list[Loss], *, is_openai: bool, takes_marks: bool) -> None:
        self._losses = losses
        self._is_openai = is_openai
        self._marks = _MAX_MARKS if takes_marks else 0

    def said(self, placed: Placed, role: str) -> list[AnyPart]:
        """Turn a part of what a user, or the system, says."""
        part = placed[2]
        match part:
            case Text():
                return [self._text(placed, part)] if part.text else []
            case Media():
                if role in ("user", "tool"):
                    return [self._media(placed, part)]
                return self._lost(placed, f"a {role} message holds only text in Chat")
            case Refusal():
                return [Text(text=part.text)] if part.text else []
            case _:
                return self._lost(placed, "Chat has no such part")

    def assistant(self, said: list[Placed]) -> list[AnyPart]:
        """Turn what the model said, calls left out: reasoning first, then text."""
        thoughts: list[AnyPart] = []
        parts: list[AnyPart] = []
        for placed in said:
            part = placed[2]
            match part:
                case Text():
                    if part.annotations:
                        self._lost(placed, "citations of an earlier reply have no place in a request")
                    parts += [self._text(placed, part)] if part.text.strip() else []
                case Reasoning():
                    thoughts += self._reasoning(placed, part)
                case Refusal(text=""):
                    pass
                case Refusal():
                    parts.append(Refusal(text=part.text) if self._is_openai else Text(text=part.text))
                case _:
                    self._lost(placed, "an assistant message holds only text and calls in Chat")
        return thoughts + parts

    def call(self, placed: Placed) -> ToolCall:
        """Turn a call; what another's model called in free text becomes an argument where there is no such tool."""
        call = placed[2]
        assert isinstance(call, ToolCall)
        self._unmarked(placed)
        if call.kind == "custom" and not self._is_openai:
            return ToolCall(id=call.id, name=call.name, arguments=to_json({"input": call.arguments}))
        arguments = call.arguments if call.arguments.strip() or call.kind == "custom" else "{}"
        return ToolCall(id=call.id, name=call.name, arguments=arguments, kind=call.kind)

    def result(self, message: int, position: int, result: ToolResult) -> tuple[list[AnyPart], list[AnyPart]]:
        """Turn a result into texts, and what is shown beside them."""
        texts: list[AnyPart] = []
        shown: list[AnyPart] = []
        for part in result.parts:
            placed = (message, position, part)
            match part:
                case Text():
                    texts += [self._text(placed, part)] if part.text else []
                case Media():
                    written = self._media(placed, part)
                    (texts if isinstance(written, Text) else shown).append(written)
                case Other():
                    texts.append(Text(text=to_json(part.value)))
                case _:
                    self._lost(placed, "a tool's result holds only text, images and files")
        if result.cache is not None:
            texts = self._marked_at_end(texts, (message, position, result))
        return texts, shown

    def _reasoning(self, placed: Placed, part: Reasoning) -> list[AnyPart]:
        """OpenAI takes none in Chat; others want to see it again, sealed or not (DeepSeek, Moonshot, OpenRouter)."""
        if self._is_openai:
            return self._lost(placed, "reasoning has no place in OpenAI's Chat requests")
        if is_native(part, NAME):
            return [msgspec.structs.replace(part, cache=None)]
        if part.signature or part.encrypted:
            self._lost(placed, "the seal belongs to another maker's models")
        text = part.text or part.summary
        return [Reasoning(text=text)] if text else []

    def _media(self, placed: Placed, media: Media) -> AnyPart:
        where = message_path(placed[0], placed[1])
        match media.kind:
            case "audio" if media.mime not in _SOUNDS or media.data is None:
                raise Untranslatable(f"{where}: found audio of type {media.mime}, expected WAV or MP3 data")
            case "video" if self._is_openai:
                raise Untranslatable(f"{where}: found a video, which OpenAI's Chat does not take")
            case "document" if media.text is not None and media.data is None:
                return self._text(placed, Text(text=_titled(media), cache=media.cache))
            case "document" if media.url is not None and media.data is None:
                raise Untranslatable(f"{where}: found a document's URL, which Chat does not take; send its data")
            case "document" if media.name is None and media.data is not None:
                media = msgspec.structs.replace(media, name="document" + _ending(media.mime))
            case _:
                pass
        if media.file_id is not None and (media.kind != "document" or not media.file_id.startswith("file-")):
            raise Untranslatable(f"{where}: found the id of a file that lies with another provider, expected its data")
        return self._cached(placed, msgspec.structs.replace(media, extra=_detail(media)))

    def _text(self, placed: Placed, part: Text) -> AnyPart:
        return self._cached(placed, Text(text=part.text, cache=part.cache))

    def _cached(self, placed: Placed, part: AnyPart) -> AnyPart:
        """Write a cache mark in OpenAI's words, or say that it is lost."""
        if part.cache is None:
            return part
        if not self._marks:
            self._unmarked((placed[0], placed[1], part))
            return msgspec.structs.replace(part, cache=None)
        self._marks -= 1
        return noted(part, NAME, {"mark": "openai"})

    def _marked_at_end(self, texts: list[AnyPart], placed: Placed) -> list[AnyPart]:
        """Hang a result's mark on its last text."""
        if not texts or texts[-1].cache is not None:
            self._unmarked(placed)
            return texts
        return [*texts[:-1], self._cached(placed, msgspec.structs.replace(texts[-1], cache=placed[2].cache))]

    def _unmarked(self, placed: Placed) -> None:
        if placed[2].cache is not None:
            path = message_path(placed[0], placed[1]) + ".cache_control"
            self._losses.append(Loss(path=path, reason="the model takes no cache mark here"))

    def _lost(self, placed: Placed, reason: str) -> list[AnyPart]:
        self._losses.append(Loss(path=message_path(placed[0], placed[1]), reason=reason))
        return []


def _titled(media: Media) -> str:
    return f"{media.name}\n\n{media.text}" if media.name else media.text or ""


def _ending(mime: str | None) -> str:
    return {"application/pdf": ".pdf", "text/plain": ".txt", None: ".pdf"}.get(mime, "")


def _detail(media: Media) -> dict[str, dict[str, str]]:
    """Keep how closely an image shall be looked at, which Responses says as Chat does."""
    detail = media.extra.get("openai_responses", {}).get("detail")
    return {NAME: {"detail": detail}} if isinstance(detail, str) else {}
