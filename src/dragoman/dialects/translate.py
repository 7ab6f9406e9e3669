"""Any dialect to any other: requests, replies, streams, errors.

Promise: what is asked and what is answered keeps its meaning; what the other side has no word for is a Loss; what
would silently give a wrong answer is `Untranslatable`. Names of dialects in, bytes out; each dialect loads when it is
first needed. Does no I/O, and chooses no target: routes do that.
"""

from collections.abc import Mapping
from urllib.parse import unquote

import msgspec

from dragoman.canonical import (
    Delta,
    Extra,
    Loss,
    PartEnded,
    PartStarted,
    Prompt,
    Reasoning,
    Reply,
    ReplyEnded,
    ReplyError,
    ReplyProgressed,
    ReplyStarted,
    Usage,
)
from dragoman.dialects import ALL
from dragoman.dialects.assembler import Assembler
from dragoman.dialects.base import Rendered, ReplyTarget, RequestTarget, Unreadable
from dragoman.dialects.billing import without_billing_notes
from dragoman.dialects.custom_calls import CallsAsAsked, message_as_asked
from dragoman.dialects.custom_tools import as_functions
from dragoman.dialects.detect import model_in_path
from dragoman.dialects.losses import family, foreign, foreign_in_delta, foreign_in_reply, located
from dragoman.dialects.seals import MAKERS, is_wrapped_in
from dragoman.dialects.stateful import refuse_stored
from dragoman.dialects.statuses import client_status, code_for, status_of
from dragoman.wire.splice import splice

_SOURCES = frozenset(
    {
        ("openai_chat", "chat"),
        ("openai_responses", "responses"),
        ("anthropic_messages", "messages"),
        ("bedrock_invoke", "invoke"),
        ("bedrock_invoke", "invoke_stream"),
        ("bedrock_converse", "converse"),
        ("bedrock_converse", "converse_stream"),
        ("ollama_chat", "chat"),
        ("gemini_generate", "generate"),
        ("gemini_generate", "stream_generate"),
    }
)
"""Dialects and endpoints that a client may use while the model speaks another dialect."""

DIALECTS = frozenset(dialect for dialect, _ in _SOURCES)
"""Those that are translated, each to each."""

_STREAMED_BY_PATH = frozenset({"invoke_stream", "converse_stream", "stream_generate"})
_WHOLE_BY_PATH = frozenset({"invoke", "converse", "generate"})
_MODEL_BY_PATH = ("bedrock_invoke", "bedrock_converse", "gemini_generate")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request in the target's dialect."""

    body: bytes
    path: str
    """As the provider's bare host knows it."""
    headers: list[tuple[str, str]] = []
    """What the dialect demands beside the credential."""
    losses: list[Loss] = []


def can_translate(source: str | None, endpoint: str | None, target: str) -> bool:
    """Say whether a client's call to `endpoint` can be answered by a model that speaks `target`."""
    return (source, endpoint) in _SOURCES and target in DIALECTS


def read_prompt(dialect: str, endpoint: str, path: str, body: bytes) -> Prompt:
    """Read a client's request; model and stream come from the path where that says them. Raises Unreadable.

    `path` may have its query: Gemini's says whether a stream is events.
    """
    path, _, query = path.partition("?")
    prompt = ALL[dialect].parse_request(body)
    if (dialect, endpoint) == ("gemini_generate", "stream_generate") and "alt=sse" not in query.split("&"):
        from dragoman.dialects.gemini_generate.request import as_array

        prompt = as_array(prompt)
    changes: dict[str, object] = {}
    in_path = model_in_path(path)
    if in_path and (dialect in _MODEL_BY_PATH or prompt.model is None):
        changes["model"] = unquote(in_path)
    if dialect in _MODEL_BY_PATH and endpoint in _STREAMED_BY_PATH | _WHOLE_BY_PATH:
        changes["is_streamed"] = endpoint in _STREAMED_BY_PATH
    return msgspec.structs.replace(prompt, **changes) if changes else prompt


def stream_media_type(dialect: str, prompt: Prompt) -> str:
    """Name the media type of a stream that answers `prompt`, which was read from `dialect`."""
    if dialect == "gemini_generate":
        from dragoman.dialects.gemini_generate.request import is_array

        if is_array(prompt):
            return "application/json"
    return ALL[dialect].stream_media_type


def translate_request(source: str, target: str, prompt: Prompt, to: RequestTarget) -> Request:
    """Write a prompt that was read from `source` as a request of `target`. Raises Untranslatable."""
    dialect = ALL[target]
    asked, places = prompt, None
    noted: list[Loss] = []
    if source != target:
        refuse_stored(prompt)
        if family(source) != family(target):
            asked, noted = without_billing_notes(prompt)
        asked, places = _in_plain_tools(asked, target, to)
    rendered = dialect.render_request(asked, to)
    losses = located(noted + rendered.losses, prompt, ALL[source], places)
    if family(source) != family(target):
        losses += foreign(prompt, ALL[source], target)
    return Request(
        body=rendered.body,
        path=dialect.path(to.model or prompt.model or "", is_streamed=to.is_streamed),
        headers=dialect.request_headers(prompt),
        losses=_each_once(losses),
    )


def without_foreign_seals(dialect: str, body: bytes) -> bytes:
    """Take out of a request what other makers sealed, when it goes to a provider of its own dialect after all.

    A conversation that was answered by others before carries their reasoning in our wrapper; a provider refuses what
    it did not seal. What it sealed itself is put back. A body without a wrapper is returned as it is.
    """
    if not is_wrapped_in(body):
        return body
    prompt = ALL[dialect].parse_request(body)
    to = RequestTarget(model=prompt.model or "", is_streamed=prompt.is_streamed)
    return splice(body, msgspec.json.decode(ALL[dialect].render_request(prompt, to).body))


def _in_plain_tools(prompt: Prompt, target: str, to: RequestTarget) -> tuple[Prompt, list[int] | None]:
    """Put custom tools and namespaces as functions, for a target that has neither."""
    if target == "openai_responses":
        return prompt, None
    return as_functions(prompt, customs=not (target == "openai_chat" and to.is_openai))


def translate_reply(source: str, target: str, body: bytes, to: ReplyTarget) -> Rendered:
    """Write a whole reply of the upstream (`source`) in the client's dialect (`target`). Raises Unreadable."""
    return _written(_read_answer(source, body), source, target, to)


def tell_as_stream(source: str, target: str, body: bytes, to: ReplyTarget) -> Rendered:
    """Write a whole reply as the client's stream: some upstreams answer in one piece whatever was asked.

    Raises Unreadable.
    """
    reply = _as_asked(_read_answer(source, body), source, to)
    encoder = ALL[target].encoder(to)
    deltas: list[Delta] = [ReplyStarted(id=reply.id, model=reply.model)]
    for number, part in enumerate(reply.message.parts):
        deltas += [PartStarted(part=number, value=part), PartEnded(part=number)]
    deltas.append(
        ReplyProgressed(
            stop_reason=reply.stop_reason,
            native_stop_reason=reply.native_stop_reason,
            stop_sequence=reply.stop_sequence,
            usage=reply.usage,
        )
    )
    written = encoder.feed([*deltas, ReplyEnded()]) + encoder.end()
    return Rendered(written, _each_once([*encoder.losses, *foreign_in_reply(reply, source, target)]))


def gather_stream(source: str, target: str, body: bytes, to: ReplyTarget) -> Rendered:
    """Write a stream that has come whole as the client's reply in one piece. Raises Unreadable."""
    decoder, assembler = ALL[source].decoder(), Assembler()
    assembler.add(decoder.feed(body))
    assembler.add(decoder.end())
    reply = assembler.reply()
    if reply.error is not None or not reply.is_complete:
        why = f"an error ({reply.error.message})" if reply.error is not None else "no end"
        raise Unreadable(f"{source} stream: found {why}, expected an answer")
    return _written(reply, source, target, to)


def _written(reply: Reply, source: str, target: str, to: ReplyTarget) -> Rendered:
    rendered = ALL[target].render_reply(_as_asked(reply, source, to), to)
    return Rendered(rendered.body, _each_once([*rendered.losses, *foreign_in_reply(reply, source, target)]))


class StreamTranslator:
    """Turns the upstream's stream into the client's, piece by piece.

    An error in the stream ends it in the client's own way; whatever the upstream sends after it is not passed on.
    """

    def __init__(self, source: str, target: str, to: ReplyTarget) -> None:
        self._decoder = ALL[source].decoder()
        self._encoder = ALL[target].encoder(to)
        self._calls = CallsAsAsked(to.prompt)
        self._maker = MAKERS.get(source)
        self._names = (source, target)
        self._losses: list[Loss] = []
        self._is_over = False
        self.usage: Usage | None = None
        """The last figures that the upstream told."""
        self.has_failed = False
        """The upstream told an error in its stream, or broke off before its end."""
        self.error: ReplyError | None = None
        """That error."""
        self.has_begun = False
        """Something of the reply was written, and not just that it began and failed."""

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes of the upstream's body; returns what the client gets now."""
        if self._is_over:
            return b""
        return self._write(self._decoder.feed(data))

    def ping(self) -> bytes:
        """Return bytes that keep the client waiting."""
        return b"" if self._is_over else self._encoder.ping()

    def fail(self, error: ReplyError, status: int) -> bytes:
        """Return the end of a stream that broke off for `error`, whose nearest HTTP status is `status`."""
        if self._is_over:
            return b""
        self._is_over = self.has_failed = True
        self.error = error
        return self._encoder.fail(error, status)

    def end(self) -> bytes:
        """Say that the upstream's body is over; returns what the client still gets."""
        if self._is_over:
            return b""
        written = self._write(self._decoder.end())
        if self._is_over:
            return written
        self._is_over = True
        return written + self._encoder.end()

    @property
    def losses(self) -> list[Loss]:
        return _each_once([*self._encoder.losses, *self._losses])

    @property
    def warnings(self) -> list[str]:
        return self._decoder.warnings

    def _write(self, deltas: list[Delta]) -> bytes:
        if not deltas:
            return b""
        for number, delta in enumerate(deltas):
            if type(delta) is ReplyProgressed:
                self.usage = delta.usage or self.usage
                self._note_extra(delta.extra, None)
                if delta.error is not None:
                    return self._broken_off(deltas[:number], delta)
            elif type(delta) is PartStarted:
                self._note_extra(delta.value.extra, delta.part)
                if type(delta.value) is Reasoning and delta.value.maker is None:
                    value = msgspec.structs.replace(delta.value, maker=self._maker)
                    deltas[number] = msgspec.structs.replace(delta, value=value)
        written = self._encode(deltas)
        self.has_begun = self.has_begun or bool(written)
        return written

    def _encode(self, deltas: list[Delta]) -> bytes:
        return self._encoder.feed(self._calls.turn(deltas) if self._calls.is_needed else deltas)

    def _note_extra(self, extra: Extra, part: int | None) -> None:
        if extra:
            self._losses += foreign_in_delta(extra, part, *self._names)

    def _broken_off(self, before: list[Delta], delta: ReplyProgressed) -> bytes:
        error = delta.error or ReplyError(message="the upstream's stream broke off")
        self.has_begun = self.has_begun or any(type(one) is not ReplyStarted for one in before)
        told = msgspec.structs.replace(delta, error=None, stop_reason=None)
        written = self._encode([*before, told])
        return written + self.fail(error, status_of(error))


def translate_error(
    source: str, target: str, status: int, headers: Mapping[str, str], body: bytes
) -> tuple[int, bytes]:
    """Turn the upstream's error answer into the client's: its status there, and its body."""
    error = ALL[source].parse_error(status, headers, body).error or ReplyError(message=f"status {status}")
    status = client_status(status, error, target)
    return status, ALL[target].render_error(status, code_for(status, error, target), error.message)


def _read_answer(source: str, body: bytes) -> Reply:
    reply = ALL[source].parse_reply(body)
    if reply.error is not None and not reply.message.parts:
        raise Unreadable(f"{source} reply: found an error ({reply.error.message}), expected an answer")
    return reply


def _as_asked(reply: Reply, source: str, to: ReplyTarget) -> Reply:
    """Put a reply into the client's terms: its names for the tools; and give reasoning the maker of its seal."""
    maker = MAKERS.get(source)
    parts = [
        msgspec.structs.replace(part, maker=maker)
        if isinstance(part, Reasoning) and part.maker is None and (part.signature or part.encrypted)
        else part
        for part in reply.message.parts
    ]
    message = message_as_asked(msgspec.structs.replace(reply.message, parts=parts), to.prompt)
    return msgspec.structs.replace(reply, message=message)


def _each_once(losses: list[Loss]) -> list[Loss]:
    """Drop what two places reported alike."""
    return list({(loss.path, loss.reason): loss for loss in losses}.values())
