"""A reply that is no stream, as a client of another dialect gets it: an answer, the provider's error, or one of ours.

Promise: whatever the provider sent becomes a whole reply in the client's dialect; one that cannot be read, or is a
redirect, becomes a 502 that says so. Pure; long replies are better translated in a thread.
"""

from typing import NamedTuple

from dragoman.canonical import Loss, ReplyError
from dragoman.dialects import ALL
from dragoman.dialects.base import ReplyTarget, Unreadable
from dragoman.dialects.statuses import client_status, code_for, status_of
from dragoman.dialects.translate import gather_stream, tell_as_stream, translate_error, translate_reply
from dragoman.gateway.told_apart import error_told
from dragoman.wire.http1 import ResponseHead


class Answer(NamedTuple):
    """A whole reply, as the client gets it."""

    status: int
    body: bytes
    losses: list[Loss]
    told: ReplyError | None = None
    """The error that stands in place of an answer, where the provider's status was none."""
    fault: str | None = None
    """Names what was wrong with the provider's reply, where the error is not the provider's own."""


def whole_answer(
    head: ResponseHead, body: bytes, source: str, client: str, to: ReplyTarget, *, is_stream: bool, problem: str
) -> Answer:
    """Translate from the dialect `source` to the dialect `client`; `problem` is what was wrong with the coding."""
    if 300 <= head.status < 400:
        return unusable(client, f"upstream_{head.status}", f"the provider answered {head.status}; expected a reply")
    if head.status >= 400:
        headers = {one.low.decode("latin-1"): one.value.decode("latin-1") for one in head.fields}
        return Answer(*translate_error(source, client, head.status, headers, body), [])
    try:
        if to.prompt.is_streamed:
            rendered = tell_as_stream(source, client, body, to)
        elif is_stream:
            rendered = gather_stream(source, client, body, to)
        else:
            rendered = translate_reply(source, client, body, to)
    except Unreadable as error:
        told = error_told(source, body, is_stream=is_stream)
        if told is not None:
            return error_answer(client, told)
        return unusable(
            client, "unreadable_reply", f"the provider's reply cannot be read as {source}: {error}{problem}"
        )
    return Answer(head.status, rendered.body, rendered.losses)


def error_answer(client: str, error: ReplyError, fault: str | None = None) -> Answer:
    """Make an error answer in the dialect `client`; with `fault` of an error of ours."""
    status = client_status(status_of(error), error, client)
    body = ALL[client].render_error(status, code_for(status, error, client), error.message)
    return Answer(status, body, [], error, fault)


def unusable(client: str, fault: str, message: str) -> Answer:
    """Make the 502 that stands for a reply which cannot be used."""
    return error_answer(client, ReplyError(message=message, kind="502", code=fault), fault)
