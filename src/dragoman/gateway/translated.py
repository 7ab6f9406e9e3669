"""The way back of a translated attempt: what a provider says in its dialect, the client reads in its own.

Promise: a stream is translated piece by piece, each delta handed on in the turn in which it came; only a reply that is
no stream is gathered (up to `MOST_GATHERED_BYTES`). The upstream's bytes go into the journal as they came, and the
client's before they are written to it. The client's head is written with the first words of the reply, so that an
error before them can still become an error answer, or another attempt. While the upstream is silent the client is kept
waiting by pings of its dialect. A reply that breaks off ends in the dialect's own error; where it has none, in a cut.
Decides nothing about retries; the `TryingExchange` does.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dragoman.canonical import Loss, ReplyError
from dragoman.dialects.errors import error_headers
from dragoman.dialects.statuses import status_of
from dragoman.dialects.translate import StreamTranslator, stream_media_type
from dragoman.gateway.call import Call
from dragoman.gateway.told_apart import looks_like_stream, says_stream
from dragoman.gateway.translated_answer import Answer, error_answer, unusable, whole_answer
from dragoman.gateway.translated_heads import reply_lines, translated_reply_fields
from dragoman.gateway.tried_relay import TriedRelay, content_coding
from dragoman.gateway.upstream_side import UpstreamSide
from dragoman.wire.headers import Fields
from dragoman.wire.http1 import Framing, ResponseHead

if TYPE_CHECKING:
    from dragoman.gateway.attempt import AttemptingExchange
    from dragoman.gateway.renamed import RenamedStream

PING_NS = 10 * 10**9
MOST_GATHERED_BYTES = 128 * 1024 * 1024
_JSON = b"application/json"

_log = logging.getLogger("dragoman.gateway")


class TranslatedRelay(TriedRelay):
    """Owner of an upstream connection for the time of one translated attempt."""

    __slots__ = (
        "_call", "_client_dialect", "_gathered", "_head", "_is_looked_at", "_is_stream", "_sent_ns", "_stream",
        "_target", "_unfold",
    )  # fmt: skip

    def __init__(self, exchange: "AttemptingExchange", side: UpstreamSide, now_ns: int, call: Call) -> None:
        super().__init__(exchange, side, now_ns)
        self._call = call
        self._client_dialect = exchange.way.dialect or ""
        self._target = call.reply_target(exchange.id, exchange.gateway.clock.wall_ns() // 10**9)
        self._head: ResponseHead | None = None
        self._is_stream = False
        self._is_looked_at = False
        """True once the reply's first byte told whether it is a stream."""
        self._stream: StreamTranslator | RenamedStream | None = None
        self._gathered = bytearray()
        self._unfold: Any = None  # wire.encodings.Decompressor, loaded where one is needed
        self._sent_ns = 0
        """When the client was sent something last."""

    # What comes

    def on_informational(self, head: ResponseHead) -> None:
        self.last_ns = self._exchange.gateway.clock.mono_ns()
        self._exchange.recorder.response_head(head, "none")

    def _pass_head(self, head: ResponseHead, framing: Framing) -> bool:
        self._head = head
        self.last_ns = self._sent_ns = self._exchange.gateway.clock.mono_ns()
        self._exchange.recorder.response_head(head, framing)
        coding = content_coding(head)
        if coding:
            from dragoman.wire.encodings import Decompressor

            self._unfold = Decompressor(coding, MOST_GATHERED_BYTES)
        self._is_looked_at = head.status >= 300
        self._is_stream = says_stream(head) and head.status < 300
        self._stream = self._translator()
        return framing == "chunked"

    def _translator(self) -> "StreamTranslator | RenamedStream | None":
        """Give what turns the pieces of a stream into the client's; None for a reply that is gathered."""
        if self._target.prompt.is_streamed and self._is_stream:
            return StreamTranslator(self._call.dialect or "", self._client_dialect, self._target)
        return None

    def _look_at(self, data: bytes) -> None:
        """See by its first byte what the reply is: the heads of some servers say something else."""
        is_stream = looks_like_stream(self._call.dialect or "", data)
        if is_stream is None:
            return
        self._is_looked_at = True
        if is_stream != self._is_stream and not self.status:
            self._is_stream = is_stream
            self._stream = self._translator()

    def _pass_body(self, data: bytes, pieces: list[bytes] | None) -> None:
        now = self.last_ns = self._exchange.gateway.clock.mono_ns()
        self._exchange.recorder.chunk(data, now, self._side)
        if pieces is not None:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if self._unfold is not None:
            data = self._unfold.feed(data)
        if not self._is_looked_at and data:
            self._look_at(data)
        if self._stream is not None:
            self._translate(self._stream, data)
            return
        self._gathered += data
        if len(self._gathered) > MOST_GATHERED_BYTES:
            message = f"the provider's reply is longer than {MOST_GATHERED_BYTES} bytes and cannot be translated"
            self._trying.on_no_reply(502, "reply_too_long", message)

    def _pass_end(self, trailers: Fields) -> None:
        self.release()
        if self._stream is not None:
            self._end_stream(self._stream)
        else:
            self._trying.work(len(self._gathered), self._whole, self._answer_whole)

    def _pass_lost(self, error: Exception | None, *, has_spoken: bool) -> None:
        if self._head is None or self.status:
            super()._pass_lost(error, has_spoken=has_spoken)
            return
        why = f": {error}" if error is not None else ""
        message = f"the provider closed the connection in the middle of its reply{why}"
        self._trying.on_no_reply(502, "upstream_cut", message)

    def _pass_tick(self, now_ns: int, *, is_request_whole: bool) -> None:
        if self._head is None:
            super()._pass_tick(now_ns, is_request_whole=is_request_whole)
        elif self.is_paused:
            return
        elif now_ns - self.last_ns > self._trying.upstream.idle_ns:
            message = f"the provider was silent for {self._trying.upstream.idle_ns / 1e9:g} s (timeouts.idle)"
            if self.status:
                self._trying.break_off("timeout", "idle_timeout", message)
            else:
                self._trying.on_no_reply(504, "idle_timeout", message, ending="timeout")
        elif self._stream is not None and now_ns - self._sent_ns > PING_NS:
            self._ping(self._stream)

    # A stream

    def _translate(self, stream: "StreamTranslator | RenamedStream", data: bytes) -> None:
        out = self._guarded(stream.feed, data)
        if out is None:
            return
        if stream.has_failed and not self.status and not stream.has_begun:
            self._fail_early(stream)
            return
        if out:
            self._send(out)
        if stream.has_failed:  # the dialect's stream is over, whatever the upstream still says
            self._end_message(stream.losses)
            self._trying.on_reply_whole([], is_kept=self.is_kept)

    def _end_stream(self, stream: "StreamTranslator | RenamedStream") -> None:
        if self.status and (problem := self._folding_problem()):
            self._trying.break_off("upstream_cut", "upstream_protocol", f"the provider's reply is broken{problem}")
            return
        out = self._guarded(lambda _: stream.end(), b"")
        if out is None:
            return
        if not self.status and not stream.has_begun:
            self._fail_early(stream)
            return
        if out:
            self._send(out)
        self._end_message(stream.losses)
        self._trying.on_reply_whole([], is_kept=self.is_kept)

    def _guarded(self, translate: Callable[[bytes], bytes], data: bytes) -> bytes | None:
        """Translate; what a dialect stumbles over ends this exchange alone. None: it is over."""
        try:
            return translate(data)
        except Exception as error:  # noqa: BLE001 the guard of one request
            self._trying.stumbled(error)
            return None

    def _fail_early(self, stream: "StreamTranslator | RenamedStream") -> None:
        """The stream told an error before anything was passed on: that is an error answer, or another attempt."""
        if stream.error is not None:
            self._answer_whole(error_answer(self._client_dialect, stream.error))
            return
        message = "the provider's stream ended before it said anything" + self._folding_problem()
        self._answer_whole(unusable(self._client_dialect, "empty_reply", message))

    def _falls_back(self, error: ReplyError) -> bool:
        """Leave a reply that told an error in place of an answer, where another attempt follows."""
        status = status_of(error)
        if not self._trying.may_fall_back(status):
            return False
        self._trying.on_told_error(status, error.message)
        return True

    def _folding_problem(self) -> str:
        """Say what was wrong with the reply's content coding; nothing when nothing was."""
        if self._unfold is None or not (self._unfold.problem or self._unfold.is_cut):
            return ""
        return f" ({self._unfold.problem or f'it unfolds to more than {MOST_GATHERED_BYTES} bytes'})"

    def _send(self, out: bytes) -> None:
        exchange = self._exchange
        if not self.status:
            self._begin_stream()
        if exchange.client.has_left:
            return
        now = self._sent_ns = exchange.gateway.clock.mono_ns()
        self._trying.record.sent_chunk(out, now)
        if not self.ends_by_close:
            out = b"%x\r\n%b\r\n" % (len(out), out)
        self.sent_bytes += len(out)
        exchange.client.write(out)

    def _begin_stream(self) -> None:
        """Write the head of the client's stream."""
        self.ends_by_close = self._exchange.head.minor == 0
        media_type = self._stream_media_type()
        framing: Fields = [] if self.ends_by_close else [(b"transfer-encoding", b"chunked")]
        self._write_head(200, [*self._reply_fields(media_type), *framing], "close" if self.ends_by_close else "chunked")

    def _stream_media_type(self) -> bytes:
        return stream_media_type(self._client_dialect, self._target.prompt).encode()

    def _ping(self, stream: "StreamTranslator | RenamedStream") -> None:
        out = self._guarded(lambda _: stream.ping(), b"")
        if out:
            self._send(out)
        self._sent_ns = self._exchange.gateway.clock.mono_ns()

    def _end_message(self, losses: list[Loss]) -> None:
        """End the client's message; what was lost goes on record before the exchange is closed."""
        if losses:
            self._trying.record.lost("response", losses)
        if not self.ends_by_close and not self._exchange.client.has_left:
            self.sent_bytes += 5
            self._exchange.client.write(b"0\r\n\r\n")

    def say_broken_off(self, code: str, message: str) -> bool:
        stream = self._stream
        if stream is None or not self.status or self._exchange.client.has_left:
            return False
        status = 504 if code.endswith("_timeout") else 502
        try:
            out = stream.fail(ReplyError(message=message, code=code), status)
            if not out:
                return False
            self._send(out)
            self._end_message(stream.losses)
        except Exception:  # noqa: BLE001 the guard of one request
            _log.exception("exchange %s: the reply's end could not be written", self._trying.id)
            return False
        return True

    # A whole reply

    def _whole(self) -> Answer:
        """Translate what was gathered. May run in a thread."""
        assert self._head is not None
        return whole_answer(
            self._head,
            bytes(self._gathered),
            self._call.dialect or "",
            self._client_dialect,
            self._target,
            is_stream=self._is_stream,
            problem=self._folding_problem(),
        )

    def _answer_whole(self, made: Answer) -> None:
        """Give the client a whole reply, unless it is an error in the clothes of an answer and another is asked."""
        if made.told is None or not self._falls_back(made.told):
            self._answer(made)

    def _answer(self, made: Answer) -> None:
        """Give the client a whole reply."""
        status, body, losses = made.status, made.body, made.losses
        is_stream = status < 300 and self._target.prompt.is_streamed
        media_type = self._stream_media_type() if is_stream else _JSON
        fields = self._reply_fields(media_type) + (error_headers(self._client_dialect, status) if status >= 400 else [])
        self._write_head(status, [*fields, (b"content-length", b"%d" % len(body))], "length")
        if losses:
            self._trying.record.lost("response", losses)
        if not self._exchange.client.has_left:
            self._trying.record.sent_chunk(body, self._exchange.gateway.clock.mono_ns())
            self.sent_bytes += len(body)
            self._exchange.client.write(body)
        if made.fault is None or made.told is None:
            self._trying.on_reply_whole([], is_kept=self.is_kept)
        else:
            self._trying.on_reply_unusable(made.fault, made.told.message, is_kept=self.is_kept)

    def _reply_fields(self, media_type: bytes) -> Fields:
        assert self._head is not None
        return translated_reply_fields(
            self._head, self._client_dialect, media_type, hides_cors=bool(self._exchange.cors)
        )

    def _write_head(self, status: int, fields: Fields, framing: Framing) -> None:
        exchange = self._exchange
        self.status = status
        self.is_kept = exchange.head.is_persistent and not self.ends_by_close and not exchange.gateway.is_draining
        exchange.on_reply_begun()
        lines = exchange.cors + exchange.own_lines(is_kept=self.is_kept)
        if exchange.client.has_left:
            return
        self._trying.record.sent_head(status, fields, framing)
        exchange.client.write(reply_lines(status, fields, lines))
        if exchange.client.full_since_ns:
            self.hold()
