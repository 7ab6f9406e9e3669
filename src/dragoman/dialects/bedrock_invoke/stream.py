"""Messages' events carried in Amazon's frames: `{"bytes": base64, "p": padding}`, decoded and encoded.

The last event carries `amazon-bedrock-invocationMetrics`; an error is a frame of its own kind.
"""

import binascii
from typing import Any

from dragoman.canonical import Delta, ReplyError, ReplyProgressed, Usage
from dragoman.dialects.amazon import AmazonFrames, event_headers, exception_of, write_exception
from dragoman.dialects.anthropic_messages.encoder import MessagesEncoder
from dragoman.dialects.anthropic_messages.stream import MessagesDecoder
from dragoman.dialects.values import JsonObject, count_of, object_of
from dragoman.wire.eventstream import FrameWriter

METRICS = "amazon-bedrock-invocationMetrics"

_chunk = FrameWriter(event_headers("chunk")).write


class ChunkFrames:
    """The events in the frames' `bytes`, as Messages' decoder wants them."""

    __slots__ = ("_frames", "notes")

    def __init__(self) -> None:
        self._frames = AmazonFrames()
        self.notes = self._frames.notes

    def feed(self, data: bytes) -> list[tuple[str, Any]]:
        events: list[tuple[str, Any]] = []
        for frame in self._frames.feed(data):
            if frame.is_exception:
                error = exception_of(frame)
                told = {"type": "error", "error": {"type": error.kind, "message": error.message}}
                events.append(("error", told))
            elif isinstance(frame.value, dict) and isinstance(frame.value.get("bytes"), str):
                value = self._event(frame.value["bytes"])
                if value is not None:
                    is_completion = isinstance(value, dict) and "completion" in value
                    events.append(("completion" if is_completion else "", value))
            else:
                self.notes.warn(f"frame {frame.name!r} holds no bytes and was skipped")
        return events

    def end(self) -> list[tuple[str, Any]]:
        self._frames.end()
        return []

    def _event(self, text: str) -> Any:
        try:
            data = binascii.a2b_base64(text)
        except (binascii.Error, ValueError):
            self.notes.warn("a frame's bytes are no base64, and were skipped")
            return None
        return self.notes.read(data, 0)


class InvokeDecoder(MessagesDecoder):
    """Turns one stream into deltas."""

    def __init__(self) -> None:
        super().__init__(ChunkFrames())
        self._has_usage = False

    def _take(self, name: str, value: Any, deltas: list[Delta]) -> None:
        metrics = object_of(value, METRICS) if isinstance(value, dict) else {}
        if metrics:
            value = {key: one for key, one in value.items() if key != METRICS}
        before = len(deltas)
        super()._take(name, value, deltas)
        if metrics:
            has_told = self._has_usage or any(isinstance(one, ReplyProgressed) and one.usage for one in deltas)
            at = len(deltas) if name == "completion" else before
            deltas.insert(at, _measured(metrics, is_usage_known=has_told))
        self._has_usage = self._has_usage or bool(self._usage)


def _measured(metrics: JsonObject, *, is_usage_known: bool) -> ReplyProgressed:
    """Read what Bedrock measured; its counts of tokens serve where the model told none (text completions)."""
    times = {
        key: milliseconds * 1_000_000
        for key in ("invocationLatency", "firstByteLatency")
        if (milliseconds := count_of(metrics, key)) is not None
    }
    fresh, output = count_of(metrics, "inputTokenCount"), count_of(metrics, "outputTokenCount")
    if is_usage_known or (fresh is None and output is None):
        return ReplyProgressed(provider_timings_ns=times)
    return ReplyProgressed(provider_timings_ns=times, usage=Usage(input_fresh=fresh, output=output, native=metrics))


class InvokeEncoder(MessagesEncoder):
    """Writes one stream."""

    def frame(self, name: str, payload: bytes) -> bytes:
        return _chunk(b'{"bytes":"' + binascii.b2a_base64(payload, newline=False) + b'","p":"abcdefgh"}')

    def ping(self) -> bytes:
        """Bedrock sends no pings."""
        return b""

    def fail(self, error: ReplyError, status: int) -> bytes:
        """Write an exception; frames are whole, so nothing has to be ended before it."""
        if self._is_over:
            return b""
        self._is_over = True
        return write_exception(error, status)

    def last_words(self, usage: Usage | None) -> JsonObject:
        """Say what Bedrock measures: the counts; times are not known here."""
        usage = usage or Usage()
        return {
            METRICS: {
                "inputTokenCount": usage.input_fresh or 0,
                "outputTokenCount": usage.output or 0,
                "cacheReadInputTokenCount": usage.cache_read or 0,
                "cacheWriteInputTokenCount": (usage.cache_write_5m or 0) + (usage.cache_write_1h or 0),
            }
        }
