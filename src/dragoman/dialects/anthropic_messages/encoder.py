"""Deltas of any dialect written as a stream of Messages: message_start, blocks one after the other, message_delta,
message_stop.

Promise: blocks are strictly sequential. A part that begins while a tool call is still open waits until that call's
arguments are whole; its pieces are kept, none is lost. `input_tokens` that come late are told in message_delta.
Facts: wire-facts 3, 7.4 and 8 (1 to 6, 16 to 18, 21); anthropic 2.11.0, `lib/streaming`.
"""

from typing import Any

import msgspec

from dragoman.canonical import (
    AnyPart,
    Delta,
    Loss,
    PartEnded,
    PartGrew,
    PartStarted,
    ReplyEnded,
    ReplyError,
    ReplyProgressed,
    ReplyStarted,
    StopReason,
    Text,
    Usage,
)
from dragoman.dialects.anthropic_messages.content import NAME
from dragoman.dialects.anthropic_messages.growing import CallBlock, GrowingBlock, TextBlock, ThoughtBlock, begin_block
from dragoman.dialects.anthropic_messages.reply_writing import message_id, why_lost, write_stop, write_usage
from dragoman.dialects.assembler import settle_stop
from dragoman.dialects.base import ReplyTarget
from dragoman.dialects.errors import render_error
from dragoman.dialects.losses import reply_path
from dragoman.dialects.statuses import status_of
from dragoman.dialects.values import JsonObject, mend, to_json

_IN_DELTA = ("stop_details", "container")
"""Of what Anthropic's message_delta carries beside the reason, this stands in its `delta`."""

BROKEN_OFF = ReplyError(message="the upstream's stream ended before the reply was whole", kind="api_error")


_encode = msgspec.json.Encoder().encode


def encode(value: Any) -> bytes:
    """Write a JSON value; halves of emoji are mended, since they cannot be written as UTF-8."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return _encode(mend(value))


class MessagesEncoder:
    """Writes one stream. Other ways of carrying it override the frames; the order of blocks is the same."""

    def __init__(self, target: ReplyTarget) -> None:
        self._target = target
        self._start: ReplyStarted | None = None
        self._is_begun = False
        self._is_over = False
        self._open: GrowingBlock | None = None
        self._waiting: dict[int, GrowingBlock] = {}
        self._blocks = 0
        self._closed: dict[int, GrowingBlock] = {}
        self._lost: set[int] = set()
        self._stop: StopReason | None = None
        self._native_stop: str | None = None
        self._stop_sequence: str | None = None
        self._usage: Usage | None = None
        self._extra: JsonObject = {}
        self._heads: dict[tuple[int, str], bytes] = {}
        self.losses: list[Loss] = []

    def frame(self, name: str, payload: bytes) -> bytes:
        """Wrap one event's JSON. Other ways of carrying these events write their own."""
        return b"event: " + name.encode() + b"\ndata: " + payload + b"\n\n"

    def start(self, index: int, block: Any) -> bytes:
        """Write a block's start."""
        return self._event("content_block_start", index=index, content_block=block)

    def delta(self, index: int, kind: str, key: str, value: Any) -> bytes:
        """Write a piece of a block; all but the value itself is made once for each block."""
        head = self._heads.get((index, kind))
        if head is None:
            text = f'{{"type":"content_block_delta","index":{index},"delta":{{"type":"{kind}","{key}":'
            head = self._heads[index, kind] = text.encode()
        return self.frame("content_block_delta", head + encode(value) + b"}}")

    def stop(self, index: int) -> bytes:
        """Write a block's end."""
        return self.frame("content_block_stop", b'{"type":"content_block_stop","index":%d}' % index)

    def feed(self, deltas: list[Delta]) -> bytes:
        """Write what the deltas say; see base.Encoder."""
        if self._is_over:
            return b""
        if len(deltas) == 1 and self._open is not None and type(deltas[0]) is PartGrew:
            return self._grow(deltas[0])
        out = bytearray()
        for delta in deltas:
            out += self._take(delta)
            if self._is_over:
                break
        return bytes(out if self._is_over or self._start is None else out + self._begin())

    def ping(self) -> bytes:
        return b"" if self._is_over else self.frame("ping", b'{"type":"ping"}')

    def fail(self, error: ReplyError, status: int) -> bytes:
        """Write the error; the empty line before it ends an event that was cut off."""
        if self._is_over:
            return b""
        self._is_over = True
        code = error.code or error.kind or "upstream_error"
        return b"\n" + self.frame("error", render_error(NAME, status, code, error.message))

    def end(self) -> bytes:
        """Say that the upstream's stream is over."""
        if self._is_over:
            return b""
        if self._stop is None and self._native_stop is None:
            return self.fail(BROKEN_OFF, 502)
        return self._finish()

    def _take(self, delta: Delta) -> bytes:
        match delta:
            case PartGrew():
                return self._begin() + self._grow(delta)
            case PartStarted():
                return self._begin() + self._start_part(delta)
            case PartEnded():
                return self._end_part(delta)
            case ReplyProgressed():
                return self._progress(delta)
            case ReplyStarted():
                self._start = delta if not self._is_begun else None
                return b""
            case ReplyEnded():
                return self._finish()

    def _event(self, name: str, **fields: Any) -> bytes:
        return self.frame(name, to_json({"type": name, **fields}).encode())

    def _begin(self) -> bytes:
        """Write message_start, once; it waits for the figures that come in the same piece of the upstream's stream."""
        if self._is_begun:
            return b""
        self._is_begun = True
        start, self._start = self._start or ReplyStarted(), None
        return self.overture(start)

    def overture(self, start: ReplyStarted) -> bytes:
        """Write what comes before the first block."""
        message = {
            "id": message_id(start.id, self._target),
            "type": "message",
            "role": "assistant",
            "model": self._target.model or start.model or "",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": write_usage(self._usage),
            **start.extra.get(NAME, {}),
        }
        return self._event("message_start", message=message)

    def why_lost(self, part: AnyPart) -> str | None:
        """Say why a part has no block; None when it has one."""
        return why_lost(part)

    def _start_part(self, delta: PartStarted) -> bytes:
        if delta.choice:
            self._lose("$.choices", "there is one answer here")
            return b""
        reason = self.why_lost(delta.value)
        if reason is not None:
            self._lost.add(delta.part)
            self._lose(reply_path(delta.part), reason)
            return b""
        return self._start_block(begin_block(delta.part, delta.value, self._target))

    def _start_block(self, block: GrowingBlock) -> bytes:
        """Open a block, or let it wait for the one that is open."""
        if self._open is None:
            return self._show(block)
        if self._waiting or not self._open.may_end:
            self._waiting[block.part] = block
            return b""
        return self._close() + self._show(block)

    def _show(self, block: GrowingBlock) -> bytes:
        """Make a block the open one, and write all that is known of it."""
        self._open = block
        return block.show(self)

    def _grow(self, delta: PartGrew) -> bytes:
        block = self._open
        if block is not None and block.part == delta.part and not delta.choice:
            return block.grow(delta, self)
        if delta.choice or delta.part in self._lost:
            return b""
        waiting = self._waiting.get(delta.part)
        if waiting is not None:
            waiting.keep(delta)
            return b""
        return self._reopen(delta)

    def _reopen(self, delta: PartGrew) -> bytes:
        """Go on with a part whose block was closed when another began, in a block of its own."""
        closed = self._closed.get(delta.part)
        if isinstance(closed, CallBlock):  # its arguments were whole: only white space can follow
            return b""
        block = closed.go_on() if isinstance(closed, ThoughtBlock) else TextBlock(delta.part, Text(text=""))
        return self._start_block(block) + self._grow(delta)

    def _end_part(self, delta: PartEnded) -> bytes:
        block = self._open
        if block is not None and block.part == delta.part and not delta.choice:
            return block.complete(delta.value, self) + self._close() + self._show_waiting()
        waiting = self._waiting.get(delta.part)
        if waiting is not None and not delta.choice:
            waiting.keep(delta)
        return b""

    def _close(self) -> bytes:
        block, self._open = self._open, None
        if block is None:
            return b""
        self._closed[block.part] = block
        return block.close(self)

    def _show_waiting(self) -> bytes:
        """Write the parts that waited, up to the first that still grows."""
        out = bytearray()
        while self._waiting and self._open is None:
            block = self._waiting.pop(next(iter(self._waiting)))
            out += self._show(block)
            if block.is_ended or (self._waiting and block.may_end):
                out += self._close()
        return bytes(out)

    def _progress(self, delta: ReplyProgressed) -> bytes:
        if delta.error is not None:
            return self._begin() + self.fail(delta.error, status_of(delta.error))
        if not delta.choice:
            self._stop = delta.stop_reason or self._stop
            self._native_stop = delta.native_stop_reason or self._native_stop
        self._stop_sequence = delta.stop_sequence or self._stop_sequence
        self._usage = delta.usage or self._usage
        self._extra = {**self._extra, **delta.extra.get(NAME, {})}
        if self._start is not None and (delta.id or delta.model):
            self._start = msgspec.structs.replace(
                self._start, id=self._start.id or delta.id, model=self._start.model or delta.model
            )
        return b""

    def _finish(self) -> bytes:
        out = self._begin() + self._close()
        while self._waiting:
            out += self._show(self._waiting.pop(next(iter(self._waiting)))) + self._close()
        self._is_over = True
        said = [block.value for block in self._closed.values()]
        return out + self.finale(write_stop(settle_stop(self._stop, said), self._native_stop, said))

    def finale(self, reason: str) -> bytes:
        """Write the reason, the figures, and the end."""
        delta: JsonObject = {"stop_reason": reason, "stop_sequence": self._stop_sequence}
        delta.update({key: value for key, value in self._extra.items() if key in _IN_DELTA})
        beside = {key: value for key, value in self._extra.items() if key not in _IN_DELTA}
        out = self._event("message_delta", delta=delta, usage=write_usage(self._usage), **beside)
        return out + self._event("message_stop", **self.last_words(self._usage))

    def last_words(self, usage: Usage | None) -> JsonObject:
        """Say what message_stop carries beside its name: nothing with Anthropic."""
        return {}

    def next_index(self) -> int:
        """Number the next block."""
        self._blocks += 1
        return self._blocks - 1

    def _lose(self, path: str, reason: str) -> None:
        loss = Loss(path=path, reason=reason)
        if loss not in self.losses:
            self.losses.append(loss)
