"""Records put together: bodies, times, endings, and what is missing."""

from blake3 import blake3

from dragoman.journal.format import (
    Alteration,
    AttemptClosed,
    AttemptOpened,
    CaptureStopped,
    Chunk,
    Closed,
    Opened,
    Record,
    RequestBody,
    RequestEnded,
    ResponseHead,
    TunnelData,
)
from dragoman.keeper.assemble import Assembly, TimeBase
from dragoman.records.exchange import Frame, Recording
from fakes.playbook import (
    CHAT_BODY,
    MS,
    START,
    STREAM_BODY,
    asked,
    chunked,
    closed,
    ended,
    head,
    opened,
    streamed,
    whole,
)

BASE = TimeBase(wall_ns=1_700_000_000_000_000_000, mono_ns=5_000_000_000)


def assemble(*records: Record) -> Assembly:
    first, *rest = records
    assert isinstance(first, Opened)
    made = Assembly(first, BASE)
    for record in rest:
        made.take(record)
    return made


def recording(*records: Record) -> Recording:
    return assemble(*records).recording()


def test_bodies_come_out_without_transfer_coding_and_with_their_hashes() -> None:
    made = recording(*whole("a"))
    assert made.request_body == CHAT_BODY
    assert made.response_body == STREAM_BODY
    assert made.detail.request_body.hash == blake3(CHAT_BODY).hexdigest()
    assert made.detail.response_body.hash == blake3(STREAM_BODY).hexdigest()
    assert made.detail.response_body.media_type == "text/event-stream"
    assert made.detail.request_body.is_whole and made.detail.response_body.is_whole


def test_chunks_cut_within_their_framing_keep_the_time_of_their_bytes() -> None:
    wire = chunked(b"first") + chunked(b"second")
    made = recording(
        *asked("a"),
        head("a"),
        Chunk("a", START + 20 * MS, wire[:2]),
        Chunk("a", START + 30 * MS, wire[2:12]),
        Chunk("a", START + 40 * MS, wire[12:] + b"0\r\n\r\n"),
        closed("a"),
    )
    assert made.response_body == b"firstsecond"
    assert made.frames == [Frame(0, 30 * MS), Frame(5, 40 * MS)]


def test_chunked_framing_that_breaks_keeps_its_bytes_and_says_so() -> None:
    made = recording(*asked("a"), head("a"), Chunk("a", START, b"zzz\r\nnot chunked"), closed("a"))
    assert made.response_body == b"zzz\r\nnot chunked"
    assert "chunked framing is broken" in made.detail.warnings[0]


def test_times_count_from_the_start_and_the_start_is_wall_clock() -> None:
    row = recording(*whole("a")).detail.row
    assert row.started_ns == BASE.wall_ns + START - BASE.mono_ns
    assert (row.first_byte_ns, row.duration_ns) == (10 * MS, 100 * MS)


def test_an_exchange_without_an_end_is_running_until_it_is_interrupted() -> None:
    made = assemble(*asked("a"))
    assert (made.row().state, made.row().duration_ns) == ("waiting", None)
    made.take(head("a"))
    assert made.row().state == "streaming"
    made.interrupt()
    assert (made.row().state, made.row().ending) == ("interrupted", "interrupted")
    assert not made.recording().detail.response_body.is_whole


def test_a_request_that_broke_off_is_not_whole() -> None:
    made = recording(opened("a"), RequestBody("a", START, b'{"mod'), closed("a", ending="client_closed", status=0))
    assert made.request_body == b'{"mod'
    assert not made.detail.request_body.is_whole
    assert (made.detail.row.state, made.detail.row.status) == ("stopped", None)


def test_an_error_of_dragomans_own_is_the_reply() -> None:
    body = b'{"error":{"message":"no"}}'
    made = recording(
        *asked("a"),
        closed("a", ending="upstream_failed", status=502, body=body, error_code="connect", error_message="refused"),
    )
    row = made.detail.row
    assert (row.state, row.status, row.error_code, row.error_message) == ("error", 502, "connect", "refused")
    assert made.response_body == body
    assert made.detail.attempts[-1].error_code == "connect"


def test_what_a_failed_attempt_sent_is_no_part_of_the_reply() -> None:
    first = [*asked("a"), head("a", status=503), Chunk("a", START + 11 * MS, chunked(b"busy"))]
    made = recording(
        *first,
        AttemptClosed("a", START + 12 * MS, 1, "status", "503"),
        AttemptOpened("a", START + 13 * MS, 2, "openai", "https://api.openai.com/v1/chat/completions", True),
        *streamed("a"),
        *ended("a"),
    )
    assert made.response_body == STREAM_BODY
    assert [(one.number, one.status, one.error_code) for one in made.detail.attempts] == [
        (1, 503, "status"),
        (2, 200, None),
    ]
    assert "retry" in made.detail.row.flags


def test_heads_of_1xx_are_kept_apart() -> None:
    early = ResponseHead("a", START + MS, 103, b"Early Hints", "1.1", [(b"link", b"x")], "none")
    made = recording(*asked("a"), early, *streamed("a"), *ended("a"))
    assert [one.line for one in made.detail.informational] == ["103 Early Hints"]
    assert made.detail.response is not None
    assert made.detail.response.line == "200 OK"


def test_a_tunnel_keeps_both_directions_with_their_times() -> None:
    switch = ResponseHead("a", START + MS, 101, b"Switching Protocols", "1.1", [], "none")
    made = recording(
        opened("a", framing="none", method="GET"),
        AttemptOpened("a", START, 1, "openai", "wss://api.openai.com/v1/realtime", False),
        switch,
        TunnelData("a", START + 2 * MS, True, b"ping"),
        TunnelData("a", START + 3 * MS, False, b"pong!"),
        TunnelData("a", START + 4 * MS, True, b"bye"),
        Closed("a", START + 5 * MS, "complete", 101, 5),
    )
    assert (made.tunnel_sent, made.response_body) == (b"pingbye", b"pong!")
    assert made.tunnel_frames == [Frame(0, 2 * MS), Frame(4, 4 * MS)]
    assert made.frames == [Frame(0, 3 * MS)]
    assert "tunnel" in made.detail.row.flags


def test_a_stopped_capture_makes_the_exchange_partial_and_says_why() -> None:
    stop = CaptureStopped("a", START, "limit", "response")
    made = recording(*asked("a"), head("a"), Chunk("a", START, chunked(b"begin")), stop, closed("a"))
    assert made.detail.row.capture == "partial"
    assert made.detail.request_body.is_whole
    assert not made.detail.response_body.is_whole
    assert made.detail.warnings == ["capture of the response stopped: the body is longer than limits.capture"]


def test_the_size_of_a_reply_that_was_not_captured_is_what_the_client_was_sent() -> None:
    stop = CaptureStopped("a", START, "full")
    end = Closed("a", START, "complete", 200, 5000)
    made = recording(*asked("a"), head("a"), Chunk("a", START, chunked(b"begin")), stop, end)
    assert made.detail.row.response_bytes == 5000
    assert made.detail.response_body.bytes == len(b"begin")


def test_only_replaced_credentials_leave_an_exchange_untouched() -> None:
    plain = recording(*whole("a")).detail.row
    assert plain.is_untouched is True
    start = asked("a")
    changed = recording(*start, Alteration("a", START, "rule:x", "body replaced"), *streamed("a"), *ended("a"))
    assert changed.detail.row.is_untouched is False
    assert "altered" in changed.detail.row.flags
    assert [(one.who, one.what) for one in changed.detail.alterations] == [("rule:x", "body replaced")]


def test_an_exchange_that_asked_nobody_is_neither_touched_nor_untouched() -> None:
    made = recording(opened("a", framing="none"), closed("a", ending="answered", body=b"ok"))
    assert made.detail.row.is_untouched is None
    assert made.detail.row.state == "done"


def test_a_masked_body_keeps_the_hash_of_the_true_bytes() -> None:
    made = recording(
        opened("a"), RequestBody("a", START, b'{"k":"***"}'), RequestEnded("a", START, 11, [], "ff00"), closed("a")
    )
    assert made.detail.request_body.true_hash == "ff00"
    assert made.detail.request_body.hash == blake3(b'{"k":"***"}').hexdigest()


def test_headers_keep_their_order_doubles_and_odd_bytes() -> None:
    made = recording(*asked("a"), head("a", more=[(b"X-A", b"1"), (b"x-a", b"2"), (b"X-B", b"\xff")]), closed("a"))
    assert made.detail.response is not None
    assert made.detail.response.headers[1:] == [("X-A", "1"), ("x-a", "2"), ("X-B", "ÿ")]
