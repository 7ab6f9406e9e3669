"""Gemini's whole replies read: candidates, counts of tokens, vectors."""

from typing import Any

import msgspec

from dragoman.canonical import AnyPart, Choice, Extra, Message, Refusal, Reply, ReplyError, StopReason, Usage
from dragoman.dialects.assembler import merge_extra, settle_stop
from dragoman.dialects.base import Unreadable
from dragoman.dialects.gemini_generate.parts import read_parts
from dragoman.dialects.gemini_generate.wire import LEFT, NAME, camel, camel_of, read_stop, read_usage, worded
from dragoman.dialects.openai_errors import read_error as read_openai_error
from dragoman.dialects.values import JsonObject, as_text, count_of, list_of, load_object, text_of

_KNOWN = frozenset({"candidates", "usageMetadata", "modelVersion", "responseId", "error"})
_CANDIDATE_KEYS = frozenset({"content", "finishReason", "index"})
_EMBEDDINGS = ("embedding", "embeddings")
_EXPECTED = frozenset({"candidates", "promptFeedback", "usageMetadata", "totalTokens", "error", *_EMBEDDINGS})


def read_reply(body: bytes) -> Reply:
    """Read a whole reply. Raises Unreadable when it is none."""
    loaded, warnings = load_object(body, "gemini_generate reply")
    given = camel(loaded)
    if not given.keys() & _EXPECTED:
        raise Unreadable(f"gemini_generate reply: found keys {sorted(given)[:12]}, expected candidates")
    if given.get("error") is not None and "candidates" not in given:
        return Reply(error=error_of(given), is_complete=False, warnings=warnings)
    if "totalTokens" in given or given.keys() & {*_EMBEDDINGS}:
        return _counted(given, warnings)
    first, *others = read_candidates(given) or [Candidate()]
    blocked = read_block(given)
    parts = first.parts + blocked.parts
    return Reply(
        message=Message(role="assistant", parts=parts),
        id=text_of(given, "responseId"),
        model=text_of(given, "modelVersion"),
        stop_reason=settle_stop(first.stop_reason or blocked.stop_reason, parts),
        native_stop_reason=first.native or blocked.native,
        usage=read_usage(camel_of(given, "usageMetadata")),
        error=error_of(given),
        others=[_choice(one) for one in others],
        extra=merge_extra(LEFT.rest(given, _KNOWN), first.extra),
        is_complete=(first.native or blocked.native) is not None,
        warnings=warnings,
    )


class Candidate(msgspec.Struct, frozen=True):
    """One answer, or a piece of it."""

    number: int = 0
    values: list[Any] = []
    """Its parts, in the wire's spelling."""
    refusal: str | None = None
    stop_reason: StopReason | None = None
    native: str | None = None
    extra: Extra = {}

    @property
    def parts(self) -> list[AnyPart]:
        refused: list[AnyPart] = [Refusal(text=self.refusal)] if self.refusal else []
        return read_parts(self.values) + refused


def read_candidates(given: JsonObject) -> list[Candidate]:
    """Read the answers in a reply, or in one piece of a stream; the first comes first."""
    found = [_candidate(camel(one), number) for number, one in enumerate(list_of(given, "candidates"))]
    return sorted(found, key=lambda one: one.number)


def _candidate(one: JsonObject, number: int) -> Candidate:
    reason, native = read_stop(one.get("finishReason"))
    told = count_of(one, "index")
    left = {key: value for key, value in one.items() if key not in _CANDIDATE_KEYS and value is not None}
    content = camel_of(one, "content").get("parts")
    values = content if isinstance(content, list) else [content] if isinstance(content, dict) else []
    number = number if told is None else told
    return Candidate(number, values, stop_reason=reason, native=native, extra=LEFT.these(left))


def _choice(one: Candidate) -> Choice:
    message = Message(role="assistant", parts=one.parts)
    return Choice(message=message, stop_reason=settle_stop(one.stop_reason, one.parts), native_stop_reason=one.native)


def read_block(given: JsonObject) -> Candidate:
    """Read that the prompt was refused: then there are no candidates at all."""
    feedback = camel_of(given, "promptFeedback")
    reason = feedback.get("blockReason")
    if not reason or list_of(given, "candidates"):
        return Candidate()
    said = text_of(feedback, "blockReasonMessage")
    return Candidate(refusal=said, stop_reason="refusal", native=as_text(reason))


def error_of(given: JsonObject) -> ReplyError | None:
    """Read the error that a reply, or a piece of a stream, tells."""
    error: Any = given.get("error")
    return None if error is None else worded(read_openai_error(NAME, error))


def _counted(given: JsonObject, warnings: list[str]) -> Reply:
    """Read a count of tokens, or vectors, of which only the number is kept."""
    count, vectors = count_of(given, "totalTokens"), given.get("embeddings")
    cached = count_of(given, "cachedContentTokenCount")
    usage = None if count is None else Usage(input_fresh=max(count - (cached or 0), 0), cache_read=cached, native=given)
    left = {key: one for key, one in given.items() if key not in _EMBEDDINGS and key != "usageMetadata"}
    if given.keys() & {*_EMBEDDINGS}:
        left["embeddings"] = len(vectors) if isinstance(vectors, list) else 1
    usage = usage or read_usage(camel_of(given, "usageMetadata"))
    return Reply(usage=usage, extra=LEFT.these(left), warnings=warnings)
