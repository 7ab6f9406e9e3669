"""Where the pieces of a JSON request body lie, as exact byte ranges.

A body is cut into parts in byte order: head, slices of the system prompt, of the tools and of the messages
(in the order in which the body has them), stretches between them, tail. Joined, they are the body again,
whatever the body is. Separators belong to the front of the later slice, so that an item that is appended
leaves all earlier slices as they were. Knows JSON, but no dialect: a dialect says which keys.

Promise: linear in the body's length, with the work done in native code (about 2 ms for 600 KB).
"""

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

SliceKind = Literal["head", "system", "tools", "messages", "mark", "between", "tail"]


class Slice(msgspec.Struct, frozen=True, array_like=True):
    """Bytes `start` up to `end` of the body. `kind` names the chain it belongs to.

    A `mark` is a `cache_control` stretch inside a message, tool or system slice: stored, but kept out of the
    chain, so that a moving mark does not renew the message around it. It takes the comma that joins it with
    it: the other slices of the same `kind` and `item`, joined, are the item as it is without the mark.
    """

    kind: SliceKind
    start: int
    end: int
    item: int = -1
    """Index of the message, tool or system block; -1 for the rest."""


Slices = list[Slice]

Chains = Mapping[str, SliceKind]
"""Top-level keys of a body and the chain that each one's items belong to."""

MAX_ITEMS = 20_000
"""A longer array (of token numbers, of texts to embed) is one slice."""

_fields_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_items_decoder = msgspec.json.Decoder(list[msgspec.Raw])

_SPACE = b" \t\r\n"
_KEY = re.compile(rb'[ \t\r\n]*[{,][ \t\r\n]*("(?:[^"\\]|\\.)*")[ \t\r\n]*:[ \t\r\n]*', re.DOTALL)
_GAP = re.compile(rb"[ \t\r\n]*")
_COMMA = re.compile(rb"[ \t\r\n]*,?[ \t\r\n]*")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_MARK_KEY = b'"cache_control"'
_MARK = re.compile(rb'"cache_control"[ \t\r\n]*:[ \t\r\n]*(?:null|\{[^{}]*\})([ \t\r\n]*,[ \t\r\n]*)?')

_Range = tuple[int, int]


class _Unsure(ValueError):
    """The body is no JSON object that can be cut with certainty; it stays whole."""


def cut(body: bytes, chains: Chains) -> Slices:
    """Cut a body into slices. One that is no JSON object, or has a key twice, comes back as one `head`."""
    if not body:
        return []
    try:
        pieces = _pieces(body, chains)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, _Unsure):
        pieces = []
    return _with_stretches(pieces, len(body))


def _pieces(body: bytes, chains: Chains) -> Slices:
    """Find the slices of all chains, marks among them, in the body's order."""
    body, fields = _readable(body)
    marks = _marks(body)
    pieces: Slices = []
    for key, start, end in fields:
        kind = chains.get(key)
        if kind is None:
            continue
        ranges = _items(body, start, end) if body[start : start + 1] == b"[" else _whole(body, start, end)
        for item, (item_start, item_end) in enumerate(ranges):
            pieces += _around_marks(kind, item, item_start, item_end, marks)
    return pieces


def _readable(body: bytes) -> tuple[bytes, list[tuple[str, int, int]]]:
    """Return the body's fields, and the body in a form of the same length that the decoder takes.

    It refuses lone surrogates, which clients do send (half an emoji at a cut).
    """
    try:
        return body, _fields(body)
    except msgspec.DecodeError:
        mended = _SURROGATE.sub(rb"\\ufffd", body)
        return mended, _fields(mended)


def _fields(body: bytes) -> list[tuple[str, int, int]]:
    """List key, start and end of each value of the top-level object."""
    fields: list[tuple[str, int, int]] = []
    at = 0
    for key, raw in _fields_decoder.decode(body).items():
        found = _KEY.match(body, at)
        if found is None or _text(found.group(1)) != key:
            raise _Unsure("a key stands twice")
        value = bytes(raw)
        start = found.end()
        at = start + len(value)
        if not body.startswith(value, start):
            raise _Unsure("a key stands twice")
        fields.append((key, start, at))
    if body[_skip(body, at) :].rstrip(_SPACE) != b"}" and fields:
        raise _Unsure("a key stands twice")
    return fields


def _items(body: bytes, start: int, end: int) -> list[_Range]:
    """List the items of the array in `body[start:end]`; the gap before an item is its front, but the first one's."""
    raws = _items_decoder.decode(memoryview(body)[start:end])
    if len(raws) > MAX_ITEMS:
        return [(start, end)]
    ranges: list[_Range] = []
    at = front = _skip(body, start + 1)
    for raw in raws:
        at = (_comma_end(body, at) if ranges else at) + len(raw)
        ranges.append((front, at))
        front = at
    if _skip(body, at) != end - 1:
        raise _Unsure("the items do not fill their array")
    return ranges


def _whole(body: bytes, start: int, end: int) -> list[_Range]:
    return [] if body[start:end] in (b"null", b'""') else [(start, end)]


def _marks(body: bytes) -> list[_Range]:
    """Find each `cache_control` with its object and the comma that joins it.

    The key's quote follows `{`, a comma or space: inside a string it would be escaped, so a backslash would
    stand before it.
    """
    marks: list[_Range] = []
    at = body.find(_MARK_KEY)
    while at >= 0:
        found = _MARK.match(body, at)
        before = _before(body, at)
        if found and body[before : before + 1] == b",":
            marks.append((before, found.start(1) if found.group(1) else found.end()))
        elif found and body[before : before + 1] == b"{":
            marks.append((at, found.end()))
        at = body.find(_MARK_KEY, found.end() if found else at + 1)
    return marks


def _before(body: bytes, at: int) -> int:
    """Return the place of the last byte before `at` that is no space."""
    at -= 1
    while at > 0 and body[at] in _SPACE:
        at -= 1
    return at


def _around_marks(kind: SliceKind, item: int, start: int, end: int, marks: list[_Range]) -> Slices:
    """Cut one item at the marks that lie in it; marks before it are used up."""
    pieces: Slices = []
    while marks and marks[0][0] < start:
        marks.pop(0)
    while marks and marks[0][1] <= end:
        mark_start, mark_end = marks.pop(0)
        pieces.append(Slice(kind, start, mark_start, item))
        pieces.append(Slice("mark", mark_start, mark_end, item))
        start = mark_end
    pieces.append(Slice(kind, start, end, item))
    return pieces


def _with_stretches(pieces: Slices, length: int) -> Slices:
    """Fill what lies before, between and after the pieces."""
    slices: Slices = []
    at = 0
    for piece in pieces:
        if piece.start > at:
            slices.append(Slice("between" if slices else "head", at, piece.start))
        slices.append(piece)
        at = piece.end
    if at < length:
        slices.append(Slice("tail" if slices else "head", at, length))
    return slices


def _skip(body: bytes, at: int) -> int:
    found = _GAP.match(body, at)
    return found.end() if found else at


def _comma_end(body: bytes, at: int) -> int:
    found = _COMMA.match(body, at)
    return found.end() if found else at


def _text(key: bytes) -> str:
    return msgspec.json.decode(key, type=str) if b"\\" in key else key[1:-1].decode()
