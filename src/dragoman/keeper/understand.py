"""Read the bodies of a Recording: what was asked, what was answered, and what it took.

Promise: pure, and the same whether the exchange was followed live, read at its end, or is parsed again by a
later version. Bytes are never changed; a body that cannot be read leaves its facts unknown, the flag `unparsed`
and a warning that says why. Unknown stays None.
Does not know any wire format: the dialects do.
"""

import msgspec

from dragoman.dialects import PARSER_VERSION
from dragoman.ids import tunnel_of
from dragoman.keeper.reading import StreamReading
from dragoman.keeper.reply import read_reply
from dragoman.keeper.request import RequestFacts, add_request_facts, read_request
from dragoman.records.exchange import Detail, Recording, Row, state_of

_FLAG_ORDER = (
    *("tools", "image", "audio", "document", "reasoning", "refusal", "retry", "tunnel", "compressed", "altered"),
    *("translated", "partial", "unparsed", "warning"),
)

_RECORDED_FLAGS = frozenset({"retry", "tunnel", "altered", "translated", "partial"})
"""Those that come from the record itself, not from reading bodies."""

READ_WARNINGS = ("request: ", "reply: ")
"""How warnings begin that come from reading bodies; all others are about the record itself."""


def understand(
    recording: Recording, *, request: RequestFacts | None = None, reading: StreamReading | None = None
) -> Recording:
    """Fill in all that the bodies say. `request` and `reading` are given when they were read while it ran."""
    detail = recording.detail
    row = detail.row
    row.parser_version = PARSER_VERSION
    request = request or read_request(row, detail.request, recording.request_body)
    add_request_facts(row, request)
    detail.client_ids = request.client_ids
    if tunnel := tunnel_of(row.id):
        detail.client_ids = {**detail.client_ids, "tunnel": tunnel}
    detail.warnings = [*detail.warnings, *request.warnings]
    recording.search_texts = [request.search_text] if request.search_text else []
    if "tunnel" not in row.flags:
        read_reply(recording, request, reading)
    if detail.request_body.encoding or detail.response_body.encoding:
        row.flags.append("compressed")
    if detail.warnings:
        row.flags.append("warning")
    row.flags = [flag for flag in _FLAG_ORDER if flag in row.flags]
    return recording


def understand_again(recording: Recording) -> Recording:
    """Read a stored Recording with the parsers of this version, forgetting what earlier ones made of it.

    When retention has taken its bodies, the facts stay as they are: they are all that is left.
    """
    old, detail = recording.detail.row, recording.detail
    if not _are_bodies_stored(detail):
        old.parser_version = PARSER_VERSION
        return recording
    kept = [flag for flag in old.flags if flag in _RECORDED_FLAGS]
    fresh = Row(id=old.id)
    detail.row = row = msgspec.structs.replace(
        old,
        flags=kept,
        model_asked=None,
        tools_called=[],
        state=state_of(old.ending, old.status),
        **{name: getattr(fresh, name) for name in _READ_FIELDS},
    )
    if row.ending == "complete":  # then the error was the provider's, and stands in the body
        row.error_code = row.error_message = None
    detail.warnings = [one for one in detail.warnings if not one.startswith(READ_WARNINGS)]
    detail.usage, detail.provider_timings_ns = None, {}
    recording.reply_id = None
    return understand(recording)


def _are_bodies_stored(detail: Detail) -> bool:
    upstream = detail.upstream.response_body if detail.upstream is not None else None
    return all(one.is_stored for one in (detail.request_body, detail.response_body, upstream) if one is not None)


_READ_FIELDS = (
    *("model_served", "is_streamed", "first_token_ns", "last_token_ns", "client", "client_version", "session", "user"),
    *("turns", "input_fresh", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning", "is_estimated"),
    *("stop_reason", "native_stop_reason", "preview", "reply_preview", "tools_declared"),
)
