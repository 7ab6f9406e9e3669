"""The bodies of one exchange: exact bytes, decoded, or understood; and the frames of a stream."""

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Header, Query
from fastapi.responses import Response

from dragoman.api import understood
from dragoman.api.answers import Json, gives, reference, sends
from dragoman.api.context import Context, Here, check_id, missing
from dragoman.api.schemas import StreamFrame, StreamFrames
from dragoman.canonical import Prompt, Reply
from dragoman.dialects import PARSER_VERSION
from dragoman.errors import BadRequest, NotFound
from dragoman.records.exchange import BodyFacts, Detail, Row, state_of
from dragoman.records.frames import decode_timed, framing_of, split
from dragoman.store import Store
from dragoman.wire.encodings import decode

router = APIRouter(tags=["exchanges"])

Side = Literal["request", "response"]
Face = Literal["client", "upstream"]
"""Whose view of the exchange: what passed with the client, or with the provider."""
Form = Annotated[
    Literal["raw", "decoded", "canonical"],
    Query(
        alias="as",
        description="`raw`: the stored bytes, exactly. `decoded`: without content coding. `canonical`: understood.",
    ),
]
Media = Annotated[
    Literal["reference", "inline"],
    Query(description="In the canonical form, long media are a URL of this API (`reference`) or stay in place."),
]
Download = Annotated[bool, Query(description="Send as a file.")]
IfNoneMatch = Annotated[str | None, Header(include_in_schema=False)]

_BYTES = {"type": "string", "contentMediaType": "application/octet-stream"}
_PREVIEW_SIGNS = 2000
_HARMLESS = re.compile(r"image/(png|jpeg|gif|webp|avif|bmp)|audio/[a-z0-9.+-]+|video/[a-z0-9.+-]+")
"""Media that a browser may show or play; it runs no script in them."""
_SANDBOX = "sandbox; default-src 'none'; frame-ancestors 'self'"


def _sends_body(kind: type) -> dict[int | str, dict[str, Any]]:
    says = "The body; with its own media type where that is harmless, as text or octets else. A running one is 409."
    return sends({"application/json": reference(kind), "application/octet-stream": _BYTES}, says=says)


@router.get("/exchanges/{exchange}/request", operation_id="getRequestBody", responses=_sends_body(Prompt))
def get_request_body(
    here: Here,
    exchange: str,
    form: Form = "raw",
    media: Media = "reference",
    download: Download = False,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the request's body."""
    return _body(here, exchange, "client", "request", form, media, download, if_none_match)


@router.get("/exchanges/{exchange}/response", operation_id="getResponseBody", responses=_sends_body(Reply))
def get_response_body(
    here: Here,
    exchange: str,
    form: Form = "raw",
    media: Media = "reference",
    download: Download = False,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the reply's body."""
    return _body(here, exchange, "client", "response", form, media, download, if_none_match)


@router.get(
    "/exchanges/{exchange}/upstream/request", operation_id="getUpstreamRequestBody", responses=_sends_body(Prompt)
)
def get_upstream_request_body(
    here: Here,
    exchange: str,
    form: Form = "raw",
    media: Media = "reference",
    download: Download = False,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the request's body as the provider got it; the client's own where nothing changed it."""
    return _body(here, exchange, "upstream", "request", form, media, download, if_none_match)


@router.get(
    "/exchanges/{exchange}/upstream/response", operation_id="getUpstreamResponseBody", responses=_sends_body(Reply)
)
def get_upstream_response_body(
    here: Here,
    exchange: str,
    form: Form = "raw",
    media: Media = "reference",
    download: Download = False,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Return the reply's body as the provider sent it; the client's own where nothing changed it."""
    return _body(here, exchange, "upstream", "response", form, media, download, if_none_match)


@router.get(
    "/exchanges/{exchange}/{side}/media/{number}",
    operation_id="getMedia",
    responses=sends({"application/octet-stream": _BYTES}, says="The bytes of an image, sound, film or document."),
)
def get_media(here: Here, exchange: str, side: Side, number: int) -> Response:
    """Return one medium of a body, as the canonical form's references name it."""
    return _medium(here, exchange, "client", side, number)


@router.get(
    "/exchanges/{exchange}/upstream/{side}/media/{number}",
    operation_id="getUpstreamMedia",
    responses=sends({"application/octet-stream": _BYTES}, says="The bytes of an image, sound, film or document."),
)
def get_upstream_media(here: Here, exchange: str, side: Side, number: int) -> Response:
    """Return one medium of a body as it passed between Dragoman and the provider."""
    return _medium(here, exchange, "upstream", side, number)


def _medium(here: Context, exchange: str, face: Face, side: Side, number: int) -> Response:
    detail, is_same = _seen_by(find(here, exchange), face, side)
    form = _understand(detail, side, load(here, detail, side, "client" if is_same else face))
    medium = understood.medium_of(form, number) if number >= 0 else None
    if medium is None:
        raise NotFound(f"the {side} of {exchange} has no medium {number} in it")
    mime = medium.mime if medium.mime and _HARMLESS.fullmatch(medium.mime) else "application/octet-stream"
    return Response(medium.data, media_type=mime, headers=_headers(f'"{exchange}-{face}-{side}-{number}"'))


From = Annotated[int, Query(ge=0, alias="from", description="Number of the first frame.")]
Limit = Annotated[int, Query(ge=1, le=5000)]


@router.get("/exchanges/{exchange}/frames", operation_id="getFrames", responses=gives(StreamFrames))
def get_frames(here: Here, exchange: str, start: From = 0, limit: Limit = 1000) -> Json:
    """Return the frames of a streamed reply with the times at which they came."""
    return Json(_frames(here, exchange, "client", start, limit))


@router.get("/exchanges/{exchange}/upstream/frames", operation_id="getUpstreamFrames", responses=gives(StreamFrames))
def get_upstream_frames(here: Here, exchange: str, start: From = 0, limit: Limit = 1000) -> Json:
    """Return the frames of a streamed reply as the provider sent them."""
    return Json(_frames(here, exchange, "upstream", start, limit))


def _frames(here: Context, exchange: str, face: Face, start: int, limit: int) -> StreamFrames:
    detail, is_same = _seen_by(find(here, exchange), face, "response")
    face = "client" if is_same else face
    body = load(here, detail, "response", face)
    facts = detail.response_body
    timed = here.store.frames(exchange) if face == "client" else here.store.upstream_frames(exchange)
    framing = framing_of(facts.media_type)
    pieces = split(decode_timed(body, timed, facts.encoding), framing)
    frames: list[StreamFrame] = []
    for number in range(start, min(start + limit, len(pieces))):
        piece = pieces[number]
        before = pieces[number - 1].at_ns if number else None
        text = piece.data[: _PREVIEW_SIGNS * 4].decode("utf-8", "replace")
        frames.append(
            StreamFrame(
                n=number,
                offset=piece.start,
                bytes=piece.end - piece.start,
                at_ns=piece.at_ns,
                gap_ns=piece.at_ns - before if piece.at_ns is not None and before is not None else None,
                type=piece.type,
                data=text[:_PREVIEW_SIGNS],
                is_cut=len(piece.data) > _PREVIEW_SIGNS * 4 or len(text) > _PREVIEW_SIGNS,
            )
        )
    following = start + limit if start + limit < len(pieces) else None
    return StreamFrames(framing=framing, total=len(pieces), next_from=following, frames=frames)


def find(here: Context, exchange: str) -> Detail:
    """Return all facts of an exchange, of one that is not stored yet as far as they are known. Raises NotFound."""
    live = here.keeper.ingest.live(check_id(exchange))
    detail = here.store.detail(exchange)
    if detail is not None and (live is None or detail.row.ending is not None):
        return detail
    if live is not None:
        row = _not_stored_yet(live.row)
        return msgspec.structs.replace(detail, row=row) if detail is not None else Detail(row=row)
    raise missing(exchange)


def _not_stored_yet(row: Row) -> Row:
    """Let an exchange that is over end only when it is stored, with all that its bodies say."""
    if row.ending is None:
        return row
    return msgspec.structs.replace(row, ending=None, duration_ns=None, state=state_of(None, row.status))


def _seen_by(detail: Detail, face: Face, side: Side) -> tuple[Detail, bool]:
    """Give the facts as that side saw them, and whether they are the client's."""
    upstream = detail.upstream
    facts = None if upstream is None else upstream.request_body if side == "request" else upstream.response_body
    if face == "client" or facts is None:
        return detail, True
    return understood.as_upstream(detail), False


def load(here: Context, detail: Detail, side: Side, face: Face = "client") -> bytes:
    """Return a body. Raises BadRequest when there is none to give (yet, or any more)."""
    exchange = detail.row.id
    facts = detail.request_body if side == "request" else detail.response_body
    body = _READERS[face, side](here.store, exchange)
    if body is not None and detail.row.ending is not None:
        return body
    if detail.row.ending is None or here.store.row(exchange) is None:
        where = f"/api/exchanges/{exchange}/stream"
        raise BadRequest(f"exchange {exchange} still runs or is being stored; follow it at {where}", code="running")
    why = "retention removed it" if not facts.is_stored else "it was not captured"
    raise BadRequest(f"the {side} of {exchange} is not kept: {why}", code="not_stored")


_READERS: dict[tuple[Face, Side], Callable[[Store, str], bytes | None]] = {
    ("client", "request"): Store.request_body,
    ("client", "response"): Store.response_body,
    ("upstream", "request"): Store.upstream_request_body,
    ("upstream", "response"): Store.upstream_response_body,
}


def _body(
    here: Context,
    exchange: str,
    face: Face,
    side: Side,
    form: str,
    media: str,
    download: bool,
    if_none_match: str | None,
) -> Response:
    detail, is_same = _seen_by(find(here, exchange), face, side)
    face = "client" if is_same else face
    facts = detail.request_body if side == "request" else detail.response_body
    tag = f'"{facts.hash or exchange}-{face}-{side}-{form}-{media}-{PARSER_VERSION}"'
    if if_none_match == tag and detail.row.ending is not None and facts.is_stored:
        return Response(status_code=304, headers=_headers(tag))
    body = load(here, detail, side, face)
    headers = _headers(tag)
    if form == "canonical":
        answer = _understand(detail, side, body)
        if media == "reference":
            place = f"/api/exchanges/{exchange}/{side if face == 'client' else f'upstream/{side}'}"
            answer = understood.refer_to_media(answer, lambda number: f"{place}/media/{number}")
        return Json(answer, headers=headers)
    if form == "decoded":
        body = decode(body, facts.encoding or "").data
    elif facts.encoding:
        headers["x-dragoman-encoding"] = facts.encoding
    mime = _shown_as(facts, is_plain=form == "decoded" or not facts.encoding)
    if download:
        name = side if face == "client" else f"upstream-{side}"
        headers["content-disposition"] = f'attachment; filename="{exchange}-{name}{_ending(facts)}"'
    return Response(body, media_type=mime, headers=headers)


def _understand(detail: Detail, side: Side, body: bytes) -> Prompt | Reply:
    return understood.prompt_of(detail, body) if side == "request" else understood.reply_of(detail, body)


def _headers(tag: str) -> dict[str, str]:
    return {
        "etag": tag,
        "cache-control": "private, max-age=31536000, immutable",
        "x-content-type-options": "nosniff",
        "content-security-policy": _SANDBOX,
    }


def _shown_as(facts: BodyFacts, *, is_plain: bool) -> str:
    """Say under which media type a stored body may be sent: never one that a browser would run."""
    kind = facts.media_type or ""
    if not is_plain:
        return "application/octet-stream"
    if kind == "application/json" or kind.endswith("+json"):
        return "application/json"
    if _HARMLESS.fullmatch(kind):
        return kind
    is_text = kind.startswith("text/") or framing_of(kind) != "raw" or kind.endswith("+xml") or "xml" in kind
    return "text/plain; charset=utf-8" if is_text else "application/octet-stream"


def _ending(facts: BodyFacts) -> str:
    kinds = {"application/json": ".json", "text/event-stream": ".sse", "application/x-ndjson": ".ndjson"}
    return kinds.get(facts.media_type or "", ".bin")
