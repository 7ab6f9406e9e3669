"""The calls that one WebSocket of the Responses API carries, told as the journal tells of a call over HTTP.

Promise: pure, and the same each time the same records are taken, so that a call has the same id and bytes after a
restart; what is no call, or cannot be read, stays with the tunnel and breaks nothing. Credentials in messages are
masked, as the gateway masks bodies.

A call begins with the client's `response.create` (or with a response that the server begins by itself, as steering
makes it do) and ends with the response. Its request is the message as sent, its reply each event as one
server-sent event. Events belong to the oldest call of their lane (`stream_id`), since a lane is first in, first out.
Facts: openai 3.52.0, `types.responses.responses_client_event` and `lib/responses_websocket/README.md`; CLIENTS.md.
"""

from collections import deque
from typing import Any

import msgspec
from blake3 import blake3

from dragoman.ids import id_in_tunnel
from dragoman.journal.format import (
    AttemptOpened,
    CaptureStopped,
    Chunk,
    Closed,
    Ending,
    Headers,
    Opened,
    Record,
    RequestBody,
    RequestEnded,
    ResponseHead,
    TunnelData,
)
from dragoman.keeper.heads import header_of, text_headers
from dragoman.records.code import MESSAGE_METHOD
from dragoman.records.exchange import Recording
from dragoman.records.redaction import BodyMasker
from dragoman.wire.websocket import Deflate, Message, MessageParser, agreed_deflate

_TERMINAL = frozenset(
    {"response.completed", "response.incomplete", "response.failed", "response.cancelled", "response.done", "error"}
)
MESSAGE_BYTES = 64 * 1024 * 1024
"""A longer message, unpacked, ends the reading of a tunnel: a few compressed bytes must not fill the memory."""
_SWITCHING_PROTOCOLS = 101
_OK = 200


class _Peek(msgspec.Struct):
    """What of a message says where it belongs."""

    type: str = ""
    stream_id: str | None = None
    status: Any = None


class _Call:
    """One call that has not ended."""

    __slots__ = ("id", "is_answered", "is_created", "sent_bytes")

    def __init__(self, name: str) -> None:
        self.id = name
        self.is_answered = False
        self.is_created = False
        self.sent_bytes = 0


def carries_calls(opened: Opened, head: ResponseHead | None) -> bool:
    """Say whether a tunnel is one whose messages are read."""
    if head is None or head.status != _SWITCHING_PROTOCOLS:
        return False
    if (opened.dialect, opened.endpoint) != ("openai_responses", "responses"):
        return False
    return (header_of(text_headers(head.headers), "upgrade") or "").lower() == "websocket"


class TunnelCalls:
    """Give it the tunnel's records after its head; it gives those of the calls."""

    def __init__(self, opened: Opened, attempt: AttemptOpened | None, head: ResponseHead) -> None:
        self._opened = opened
        self._attempt = attempt
        self._head = head
        deflate = agreed_deflate(header_of(text_headers(head.headers), "sec-websocket-extensions") or "")
        is_packed, agreed = deflate is not None, deflate or Deflate()
        self._client = MessageParser(
            is_compressed=is_packed, keeps_context=agreed.client_keeps_context, limit_bytes=MESSAGE_BYTES
        )
        self._server = MessageParser(
            is_compressed=is_packed, keeps_context=agreed.server_keeps_context, limit_bytes=MESSAGE_BYTES
        )
        self._is_blind = False
        self._count = 0
        self._lanes: dict[str | None, deque[_Call]] = {}
        self._unclaimed: bytes | None = None
        """The client's last message that began no call: what a response that begins by itself answers."""
        self.has_masked = False
        """Messages carried credentials; the tunnel's own bytes still do."""

    @property
    def problem(self) -> str | None:
        """Why calls of this tunnel may be missing, None when all is well."""
        return self._client.problem or self._server.problem

    def take(self, record: Record) -> list[Record]:
        """Take the tunnel's next record; returns what happened to its calls."""
        match record:
            case TunnelData() if not self._is_blind:
                parser = self._client if record.is_from_client else self._server
                messages = parser.feed(record.data)
                made = [one for message in messages for one in self._read(message, record)]
                return made + self._lose_sight(record.id, record.mono_ns) if parser.problem else made
            case CaptureStopped():
                self.go_blind()
                return [msgspec.structs.replace(record, id=call.id) for call in self._open_calls()]
            case Closed():
                return [one for call in self._open_calls() for one in self._cut(call, record)]
            case _:
                return []

    def go_blind(self) -> None:
        """Read nothing more: bytes are missing, so that frames cannot be found again."""
        self._is_blind = True

    def _read(self, message: Message, record: TunnelData) -> list[Record]:
        if message.kind == "close":
            return []
        try:
            peek = msgspec.json.decode(message.data, type=_Peek)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return []
        if not record.is_from_client:
            return self._answer(peek, message.data, record.mono_ns)
        if peek.type == "response.create":
            return self._begin(peek.stream_id, message.data, record.mono_ns)
        if peek.type.startswith("response."):
            self._unclaimed = message.data
        return []

    def _begin(self, lane: str | None, body: bytes, mono_ns: int) -> list[Record]:
        self._count += 1
        call = _Call(id_in_tunnel(self._opened.id, self._count))
        self._lanes.setdefault(lane, deque()).append(call)
        masked, true_hash = self._masked(body)
        opened = msgspec.structs.replace(
            self._opened,
            id=call.id,
            mono_ns=mono_ns,
            method=MESSAGE_METHOD,
            headers=_with_type(self._opened.headers, b"application/json"),
            request_framing="length",
        )
        made: list[Record] = [
            opened,
            RequestBody(call.id, mono_ns, masked),
            RequestEnded(call.id, mono_ns, len(body), true_hash=true_hash),
        ]
        if self._attempt is not None:
            made.append(
                msgspec.structs.replace(
                    self._attempt, id=call.id, mono_ns=mono_ns, is_reused=True, dns_ns=0, connect_ns=0, tls_ns=0
                )
            )
        return made

    def _answer(self, peek: _Peek, data: bytes, mono_ns: int) -> list[Record]:
        """File an event with the call that it belongs to; one that belongs to none stays with the tunnel."""
        made: list[Record] = []
        call = self._current(peek)
        if peek.type == "response.created" and call is not None and call.is_created:
            made += self._end(
                call, mono_ns, "upstream_cut", _OK, "upstream_cut", "another response began before its end"
            )
            call = self._current(peek)
        if call is None and peek.type == "response.created":
            body, self._unclaimed = self._unclaimed or b"", None
            made += self._begin(peek.stream_id, body, mono_ns)
            call = self._current(peek)
        if call is None:
            return made
        call.is_created = call.is_created or peek.type == "response.created"
        if not call.is_answered:
            call.is_answered = True
            headers = _with_type(self._head.headers, b"text/event-stream")
            made.append(ResponseHead(call.id, mono_ns, _OK, b"OK", self._head.http_version, headers, "close"))
        masked, _ = self._masked(data)
        event = b"".join(b"data: " + line + b"\n" for line in masked.splitlines()) + b"\n"
        call.sent_bytes += len(event)
        made.append(Chunk(call.id, mono_ns, event))
        if peek.type in _TERMINAL:
            made += self._end(call, mono_ns, "complete", _status_of(peek))
        return made

    def _current(self, peek: _Peek) -> _Call | None:
        """Give the oldest open call of an event's lane; an error without a lane is that of the only call there is."""
        lane = self._lanes.get(peek.stream_id)
        if lane:
            return lane[0]
        calls = self._open_calls()
        return calls[0] if peek.type == "error" and peek.stream_id is None and len(calls) == 1 else None

    def _end(
        self, call: _Call, mono_ns: int, ending: Ending, status: int, code: str | None = None, why: str | None = None
    ) -> list[Record]:
        for name, lane in list(self._lanes.items()):
            if call in lane:
                lane.remove(call)
                if not lane:
                    del self._lanes[name]
        return [Closed(call.id, mono_ns, ending, status, call.sent_bytes, code, why)]

    def _cut(self, call: _Call, tunnel: Closed) -> list[Record]:
        """End a call with its tunnel."""
        status = _OK if call.is_answered else 0
        if self._is_blind and tunnel.ending == "complete":  # how it ended was not seen
            return self._end(call, tunnel.mono_ns, "complete", _OK)
        if tunnel.ending in ("complete", "answered"):
            why = "the WebSocket was closed before the response ended"
            return self._end(call, tunnel.mono_ns, "upstream_cut", status, "upstream_cut", why)
        return self._end(call, tunnel.mono_ns, tunnel.ending, status, tunnel.error_code, tunnel.error_message)

    def _lose_sight(self, tunnel: str, mono_ns: int) -> list[Record]:
        """Nothing more can be read of one side, and so of no call."""
        return self.take(CaptureStopped(tunnel, mono_ns, "broken"))

    def _open_calls(self) -> list[_Call]:
        return [call for lane in self._lanes.values() for call in lane]

    def _masked(self, data: bytes) -> tuple[bytes, str | None]:
        """Mask the credentials in a message; gives the hash of the true bytes when there were any."""
        masker = BodyMasker()
        masked = masker.feed(data)
        if not masker.has_masked:
            return data, None
        self.has_masked = True
        return masked, blake3(data).hexdigest()


def _with_type(headers: Headers, media_type: bytes) -> Headers:
    """Name the media type of what the call holds, which a WebSocket does not."""
    return [*(one for one in headers if one[0].lower() != b"content-type"), (b"content-type", media_type)]


def _status_of(peek: _Peek) -> int:
    """Give the status that the call would have over HTTP: errors bring it along."""
    is_status = isinstance(peek.status, int) and 400 <= peek.status <= 599
    return peek.status if peek.type == "error" and is_status else _OK


def settle_tunnel(recording: Recording, calls: TunnelCalls) -> None:
    """Say on the tunnel's own record what could not be read, and let no credential stay in its bytes."""
    detail = recording.detail
    if calls.problem is not None:
        detail.warnings.append(f"not every call of this tunnel could be read: {calls.problem}")
    if calls.has_masked:
        recording.tunnel_sent, recording.tunnel_frames = b"", []
        recording.response_body, recording.frames = b"", []
        detail.response_body.is_stored = False
        detail.response_body.hash = None
        detail.warnings.append("its messages carried credentials: they are kept masked, in the calls of this tunnel")
