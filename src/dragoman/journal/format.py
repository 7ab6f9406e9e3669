"""What stands in the journal: frames, and the records in them.

A file is `{data_dir}/journal/{gateway}/{sequence:010d}.journal`. It begins with `MAGIC`, then frames follow:

    length    u32, little endian: bytes of the payload
    checksum  u64, little endian: xxh3_64 of the payload
    payload   msgpack array: the record's tag, then its fields

The first record of each file is `FileHeader`. Times are `mono_ns` of the gateway's process; the header pairs
one with the wall clock. All records of an exchange carry its id, so that any file can be read alone.
Credentials are masked before a record is made (see `records.redaction`); nothing here masks.
A torn or broken frame ends what can be read of a file.
"""

from struct import Struct as Layout
from typing import Literal

import msgspec
import xxhash

MAGIC = b"DRGMJ001"
FRAME_HEAD_BYTES = 12

Headers = list[tuple[bytes, bytes]]
"""Names in the spelling that came, in order, duplicates kept; values masked."""

BodyFraming = Literal["none", "length", "chunked", "close"]

Ending = Literal[
    "complete",  # the reply came to its end
    "client_closed",  # the client left first
    "upstream_cut",  # the provider broke off in the middle of the reply
    "upstream_failed",  # no reply: connect, TLS, DNS, protocol error
    "timeout",  # a limit of time was reached (see error_code)
    "refused",  # Dragoman said no before sending (limits, origin, panic, unknown provider)
    "cancelled",  # somebody pressed stop
    "answered",  # Dragoman answered by itself (HEAD /api/hello, preflight): no provider was asked
    "interrupted",  # the gateway died; set by the keeper, never written by a gateway
]


class _Record(msgspec.Struct, frozen=True, array_like=True):
    pass


class FileHeader(_Record, frozen=True, array_like=True, tag=0):
    version: int
    gateway: str
    session: str
    """ULID of the gateway's process: a new one means that all that was open before is interrupted."""
    sequence: int
    wall_ns: int
    mono_ns: int


class Opened(_Record, frozen=True, array_like=True, tag=1):
    """A request's head was read and checked."""

    id: str
    mono_ns: int
    method: str
    target: bytes
    """Path and query as they came, credentials masked."""
    http_version: str
    headers: Headers
    peer: str
    """Address of the client, `127.0.0.1:5123`."""
    connection: int
    """Number of the client's connection within the session, and which request on it this is."""
    turn: int
    provider: str | None
    """Slug; None when no provider was found."""
    dialect: str | None
    endpoint: str | None
    """What is asked for: `chat`, `responses`, `messages`, `count_tokens`, `embeddings`, `models`, … or None."""
    request_framing: BodyFraming
    setup_version: int
    origin: str = "client"
    run: str | None = None
    capture: Literal["full", "none"] = "full"


class RequestBody(_Record, frozen=True, array_like=True, tag=2):
    """Bytes of the request's body, transfer coding removed, content coding kept, credential fields masked."""

    id: str
    mono_ns: int
    data: bytes


class RequestEnded(_Record, frozen=True, array_like=True, tag=3):
    """The request's body is whole. `true_hash` is blake3 (hex) of the unmasked body when masking changed it."""

    id: str
    mono_ns: int
    length: int
    trailers: Headers = []
    true_hash: str | None = None


class AttemptOpened(_Record, frozen=True, array_like=True, tag=4):
    """One try against one upstream begins. Times of the connection are 0 when it was reused."""

    id: str
    mono_ns: int
    number: int
    provider: str
    url: str
    """Scheme, host and target that were asked, credentials masked."""
    is_reused: bool
    dns_ns: int = 0
    connect_ns: int = 0
    tls_ns: int = 0
    headers: Headers = []
    """The head as sent upstream, masked."""
    dialect: str | None = None
    """Of what is sent, when it is not the client's: the call is translated."""
    model: str | None = None
    """The model that is asked for upstream, when a route named it."""
    route: str | None = None


class AttemptClosed(_Record, frozen=True, array_like=True, tag=5):
    """A try failed and another follows. The last attempt ends with `Closed`."""

    id: str
    mono_ns: int
    number: int
    error_code: str
    error_message: str
    status: int = 0
    """What the upstream answered, when it answered."""
    wait_ns: int = 0
    """How long the next try waits (back-off, `Retry-After`)."""


class ResponseHead(_Record, frozen=True, array_like=True, tag=6):
    """The head of a reply (also of each 1xx)."""

    id: str
    mono_ns: int
    status: int
    reason: bytes
    http_version: str
    headers: Headers
    framing: BodyFraming


class Chunk(_Record, frozen=True, array_like=True, tag=7):
    """Bytes of the reply after its head, as they came off the wire: with `chunked`, its framing included."""

    id: str
    mono_ns: int
    data: bytes


class Alteration(_Record, frozen=True, array_like=True, tag=8):
    """Something that went on in another form than it came: what, and who did it."""

    id: str
    mono_ns: int
    who: str
    """`provider:openai`, `rule:…`, `gateway`."""
    what: str
    """`header replaced: authorization`, `query added: api-version`, …"""


class Held(_Record, frozen=True, array_like=True, tag=9):
    id: str
    mono_ns: int
    rule: str
    until_mono_ns: int


class Verdict(_Record, frozen=True, array_like=True, tag=10):
    id: str
    mono_ns: int
    rule: str
    outcome: str
    reason: str = ""


class CaptureStopped(_Record, frozen=True, array_like=True, tag=11):
    """From here on bytes of this exchange are missing: `limit`, `stall`, `full`, `memory`."""

    id: str
    mono_ns: int
    why: str
    direction: Literal["request", "response", "both"] = "both"


class TunnelData(_Record, frozen=True, array_like=True, tag=12):
    """Bytes through an upgraded connection."""

    id: str
    mono_ns: int
    is_from_client: bool
    data: bytes


class Closed(_Record, frozen=True, array_like=True, tag=13):
    """The exchange is over. `sent_bytes` counts what was handed to the client of the reply's body, framing included."""

    id: str
    mono_ns: int
    ending: Ending
    status: int
    """What the client was answered; 0 when nothing was."""
    sent_bytes: int
    error_code: str | None = None
    error_message: str | None = None
    response_trailers: Headers = []
    body: bytes = b""
    """The body of an answer of Dragoman's own (errors, `answered`)."""
    paused_ns: int = 0
    """How long the upstream was paused because the client was slow."""
    response_true_hash: str | None = None
    """blake3 (hex) of the reply's true data, framing removed, when masking changed it and all of it was known."""
    route: str | None = None
    """The route that took the request, where no attempt tells: refused before any, or answered by Dragoman."""


class UpstreamBody(_Record, frozen=True, array_like=True, tag=14):
    """The body sent upstream by attempt `number`, when it is not the client's: rewritten or translated, masked.

    Written whole, before it is sent. The next attempt that sends the same does not repeat it.
    """

    id: str
    mono_ns: int
    number: int
    data: bytes


class SentHead(_Record, frozen=True, array_like=True, tag=15):
    """The head of a translated reply as the client got it; `ResponseHead` and `Chunk` are then the upstream's."""

    id: str
    mono_ns: int
    status: int
    headers: Headers
    framing: BodyFraming


class SentChunk(_Record, frozen=True, array_like=True, tag=16):
    """Bytes of a translated reply's body as the client got them, transfer coding not included."""

    id: str
    mono_ns: int
    data: bytes


class Lost(_Record, frozen=True, array_like=True, tag=17):
    """What could not cross between the dialects: of the request (before the head), or of the reply (at its end)."""

    id: str
    mono_ns: int
    direction: Literal["request", "response"]
    losses: list[tuple[str, str]]
    """Path and reason (see `canonical.Loss`)."""


Record = (
    FileHeader
    | Opened
    | RequestBody
    | RequestEnded
    | AttemptOpened
    | AttemptClosed
    | ResponseHead
    | Chunk
    | Alteration
    | Held
    | Verdict
    | CaptureStopped
    | TunnelData
    | Closed
    | UpstreamBody
    | SentHead
    | SentChunk
    | Lost
)

_frame_head = Layout("<IQ").pack
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Record] = msgspec.msgpack.Decoder(Record)


def encode_frame(record: Record) -> bytes:
    """Write one record as a frame."""
    payload = _encoder.encode(record)
    return _frame_head(len(payload), xxhash.xxh3_64_intdigest(payload)) + payload


class DataFrames:
    """Writes the frames of one exchange that carry bytes, without copying them: `RequestBody`, `Chunk`, `SentChunk`.

    The result is what `encode_frame` would write, as buffers for one `writev`: for long data the data itself
    is the last of them.
    """

    __slots__ = ("_chunk", "_request", "_sent")

    def __init__(self, exchange: str) -> None:
        name = exchange.encode()
        text = bytes([0xA0 | len(name)]) + name  # msgpack: fixstr, up to 31 bytes
        self._request = b"\x94\x02" + text + b"\xcf"  # array of 4: tag, id, uint64 time, data
        self._chunk = b"\x94\x07" + text + b"\xcf"
        self._sent = b"\x94\x10" + text + b"\xcf"

    def request_body(self, mono_ns: int, data: bytes) -> list[bytes]:
        return _data_frame(self._request, mono_ns, data)

    def chunk(self, mono_ns: int, data: bytes) -> list[bytes]:
        return _data_frame(self._chunk, mono_ns, data)

    def sent_chunk(self, mono_ns: int, data: bytes) -> list[bytes]:
        return _data_frame(self._sent, mono_ns, data)


_JOIN_BELOW = 16 * 1024
"""Bytes up to which copying data costs less than a buffer and a hash call of its own."""


def _data_frame(prefix: bytes, mono_ns: int, data: bytes) -> list[bytes]:
    size = len(data)
    if size < 0x100:
        head = prefix + mono_ns.to_bytes(8, "big") + b"\xc4" + size.to_bytes(1, "big")
    elif size < 0x10000:
        head = prefix + mono_ns.to_bytes(8, "big") + b"\xc5" + size.to_bytes(2, "big")
    else:
        head = prefix + mono_ns.to_bytes(8, "big") + b"\xc6" + size.to_bytes(4, "big")
    if size < _JOIN_BELOW:
        payload = head + data
        return [_frame_head(len(payload), xxhash.xxh3_64_intdigest(payload)) + payload]
    checksum = xxhash.xxh3_64(head)
    checksum.update(data)
    return [_frame_head(len(head) + size, checksum.intdigest()) + head, data]


def decode_frame(buffer: bytes | bytearray | memoryview, offset: int) -> tuple[Record, int] | None:
    """Read the frame at `offset`: the record and the offset after it, or None when it is not whole yet.

    Raises ValueError when the checksum or the payload is wrong.
    """
    if len(buffer) - offset < FRAME_HEAD_BYTES:
        return None
    length = int.from_bytes(buffer[offset : offset + 4], "little")
    start = offset + FRAME_HEAD_BYTES
    end = start + length
    if len(buffer) < end:
        return None
    payload = bytes(buffer[start:end])
    if xxhash.xxh3_64_intdigest(payload) != int.from_bytes(buffer[offset + 4 : start], "little"):
        raise ValueError(f"broken frame at offset {offset}: checksum does not match")
    return _decoder.decode(payload), end
