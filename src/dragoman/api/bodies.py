"""The bodies of one exchange: exact bytes, decoded, or understood; and the frames of a stream."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response

from dragoman.api.answers import Json, gives, reference, sends
from dragoman.api.context import Here
from dragoman.api.schemas import StreamFrames
from dragoman.canonical import Prompt, Reply

router = APIRouter(tags=["exchanges"])

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
_BYTES = {"type": "string", "contentMediaType": "application/octet-stream"}


def _sends_body(kind: type) -> dict[int | str, dict[str, Any]]:
    says = "The body; its own media type where that is harmless to show, else octets."
    return sends({"application/json": reference(kind), "application/octet-stream": _BYTES}, says=says)


@router.get("/exchanges/{exchange}/request", operation_id="getRequestBody", responses=_sends_body(Prompt))
def get_request_body(
    here: Here,
    exchange: str,
    form: Form = "raw",
    media: Media = "reference",
    download: Download = False,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Return the request's body."""
    raise NotImplementedError


@router.get("/exchanges/{exchange}/response", operation_id="getResponseBody", responses=_sends_body(Reply))
def get_response_body(
    here: Here,
    exchange: str,
    form: Form = "raw",
    media: Media = "reference",
    download: Download = False,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Return the reply's body."""
    raise NotImplementedError


@router.get(
    "/exchanges/{exchange}/{side}/media/{number}",
    operation_id="getMedia",
    responses=sends({"application/octet-stream": _BYTES}, says="The bytes of an image, sound, film or document."),
)
def get_media(here: Here, exchange: str, side: Literal["request", "response"], number: int) -> Response:
    """Return one medium of a body, as the canonical form's references name it."""
    raise NotImplementedError


@router.get("/exchanges/{exchange}/frames", operation_id="getFrames", responses=gives(StreamFrames))
def get_frames(
    here: Here,
    exchange: str,
    start: Annotated[int, Query(ge=0, alias="from", description="Number of the first frame.")] = 0,
    limit: Annotated[int, Query(ge=1, le=5000)] = 1000,
) -> Json:
    """Return the frames of a streamed reply with the times at which they came."""
    raise NotImplementedError
