"""What a client asks of routes, read as far as somebody wants to know it.

Promise: a body is unfolded once, up to `unfolded_limit`, and read as a prompt once; what is not asked for is not read.
A body that cannot be unfolded has no model, and says why as soon as somebody needs more of it. Pure; large bodies are
better read in a thread.
"""

from urllib.parse import unquote

import msgspec

from dragoman.canonical import Prompt
from dragoman.dialects.detect import PROMPT_ENDPOINTS, model_in_path
from dragoman.dialects.seals import is_wrapped_in
from dragoman.gateway.call import CannotCall
from dragoman.gateway.request import Refusal, Request
from dragoman.gateway.routing import may_name_model
from dragoman.records.setup import Limits
from dragoman.wire.lenient import NOT_STRICT, load, mend_text

IN_PATH = ("bedrock_invoke", "bedrock_converse", "gemini_generate")
"""Dialects whose model stands in the path."""
LEAST_UNFOLDED_BYTES = 16 * 1024 * 1024
"""So far a compressed body is unfolded also where next to nothing is recorded."""


def unfolded_limit(limits: Limits) -> int:
    """Say how far a compressed body is unfolded: as far as one is recorded, within reason."""
    return min(limits.body, max(limits.capture, LEAST_UNFOLDED_BYTES))


class _Asked(msgspec.Struct):
    model: object = None


_decode_asked = msgspec.json.Decoder(_Asked).decode


class Question:
    """What a client asks, read as far as somebody wants to know it; a compressed body is unfolded once."""

    def __init__(self, request: Request, body: bytes, limit_bytes: int) -> None:
        self.request = request
        self.body = body
        """As it came, transfer coding removed."""
        self.is_json = may_name_model(request.head, request.way.path)
        """Whether the body may be JSON that names a model."""
        self._limit_bytes = limit_bytes
        self._plain: bytes | None = None
        self._fault: Refusal | None = None
        """Why it cannot be unfolded."""
        self._prompt: Prompt | None = None
        self.model = self._read_model()
        """The model's name; None when none is named."""

    @property
    def plain(self) -> bytes:
        """The body without its content coding. Raises CannotCall."""
        if self._fault is not None:
            raise CannotCall(*self._fault)
        if self._plain is None:
            coding = (self.request.head.get(b"content-encoding") or b"").decode("latin-1")
            try:
                self._plain = _decoded(self.body, coding, self._limit_bytes) if coding else self.body
            except CannotCall as error:
                self._fault = error.status, error.code, error.message
                raise
        return self._plain

    @property
    def unfolded_bytes(self) -> int:
        """How much is held of it beside the body that came."""
        return len(self._plain) if self._plain is not None and self._plain is not self.body else 0

    @property
    def too_long(self) -> Refusal | None:
        """Why its model stays unknown, where it unfolds to too much."""
        return self._fault if self.model is None and self._fault and self._fault[1] == "body_too_long" else None

    @property
    def readable(self) -> bytes | None:
        """The body without its content coding where it may be JSON and can be unfolded; such a one alone is edited."""
        if not self.is_json:
            return None
        try:
            return self.plain
        except CannotCall:
            return None

    @property
    def is_sealed(self) -> bool:
        """Whether it carries what other makers sealed, in our wrapper."""
        is_prompt = (self.request.way.dialect, self.request.way.endpoint) in PROMPT_ENDPOINTS
        return is_prompt and (plain := self.readable) is not None and is_wrapped_in(plain)

    @property
    def prompt(self) -> Prompt:
        """The body in the canonical form. Raises CannotCall."""
        if self._prompt is None:
            from dragoman.dialects.translate import read_prompt

            way = self.request.way
            try:
                path = f"{way.path}?{way.query.decode('latin-1')}" if way.query else way.path
                self._prompt = read_prompt(way.dialect or "", way.endpoint or "", path, self.plain)
            except ValueError as error:  # Unreadable with it
                raise CannotCall(400, "unreadable", f"the body cannot be read: {error}") from error
        return self._prompt

    def _read_model(self) -> str | None:
        if not self.is_json:
            return None
        way = self.request.way
        in_path = model_in_path(way.path)
        if in_path is not None and way.dialect in IN_PATH:
            return unquote(in_path)
        try:
            model = top_level_model(self.plain)
        except CannotCall:
            model = None
        return model if model is not None or in_path is None else unquote(in_path)


def top_level_model(body: bytes) -> str | None:
    if not body:
        return None
    try:
        model = _decode_asked(body).model
    except NOT_STRICT:  # half an emoji in a message is no reason to miss the model
        try:
            value, _ = load(body)
        except ValueError:
            return None
        model = value.get("model") if isinstance(value, dict) else None
    if not isinstance(model, str):
        return None
    return model if model.isascii() else mend_text(model)


def _decoded(body: bytes, coding: str, limit_bytes: int) -> bytes:
    from dragoman.wire.encodings import codings, decode  # brotli and zstd: most never need them

    if not codings(coding):
        return body
    plain, problem, is_cut = decode(body, coding, limit_bytes)
    if problem is not None:
        raise CannotCall(400, "unreadable", f"the body cannot be read: {problem}")
    if is_cut:
        message = f"the body unfolds to more than {limit_bytes} bytes (limits.capture), too much to be read for a route"
        raise CannotCall(413, "body_too_long", f"{message}: send it without content-encoding, or raise the limit")
    return plain
