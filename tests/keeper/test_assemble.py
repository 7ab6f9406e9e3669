"""Records put together: bodies, times, endings, and what is missing."""

from blake3 import blake3

from dragoman.journal.format import (
    Alteration,
    AttemptClosed,
    AttemptOpened,
    CaptureStopped,
    Chunk,
    Closed,
    Lost,
    Opened,
    Record,
    RequestBody,
    RequestEnded,
    ResponseHead,
    SentChunk,
    TunnelData,
    UpstreamBody,
)
from dragoman.keeper.assemble import Assembly, TimeBase
from dragoman.records.exchange import Frame, Recording
from fakes.playbook import (
    CHAT_BODY,
    MESSAGES_BODY,
    MS,
    SENT_EVENTS,
    START,
    STREAM_BODY,
    asked,
    asked_through_route,
    attempt,
    chunked,
    closed,
    ended,
    head,
    opened,
    sent_head,
    streamed,
    translated,
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


def test_a_translated_call_keeps_both_views() -> None:
    made = recording(*translated("a"))
    detail, row = made.detail, made.detail.row
    assert (made.request_body, made.upstream_request) == (MESSAGES_BODY, CHAT_BODY)
    assert (made.response_body, made.upstream_response) == (b"".join(SENT_EVENTS), STREAM_BODY)
    assert [frame.at_ns // MS for frame in made.frames] == [21, 31, 41]
    assert [frame.at_ns // MS for frame in made.upstream_frames] == [20, 30, 40, 50, 60, 90]
    assert (row.dialect, row.upstream_dialect, row.upstream_model, row.route) == (
        "anthropic_messages", "openai_chat", "gpt-4o", "to-openai",
    )  # fmt: skip
    assert (row.losses, row.is_untouched, row.status) == (2, False, 200)
    assert {"translated", "altered"} <= set(row.flags)
    assert [(one.direction, one.path) for one in detail.losses] == [
        ("request", "$.thinking"),
        ("response", "$.choices[0].logprobs"),
    ]
    upstream = detail.upstream
    assert upstream is not None
    assert upstream.request_body is not None
    assert upstream.request_body.hash == blake3(CHAT_BODY).hexdigest()
    assert upstream.request_body.media_type == "application/json"
    assert upstream.response is not None
    assert upstream.response.line == "200 OK"
    assert upstream.response_body is not None
    assert upstream.response_body.hash == blake3(STREAM_BODY).hexdigest()
    assert detail.response is not None
    assert (detail.response.line, detail.response.framing) == ("200", "chunked")
    assert (detail.attempts[0].dialect, detail.attempts[0].model, detail.attempts[0].route) == (
        "openai_chat", "gpt-4o", "to-openai",
    )  # fmt: skip


def test_a_translated_stream_that_broke_off_keeps_what_went_on_both_sides() -> None:
    records = translated("a")
    made = assemble(*records[: records.index(SentChunk("a", START + 31 * MS, SENT_EVENTS[1]))])
    made.interrupt()
    found = made.recording()
    assert found.response_body == SENT_EVENTS[0]
    assert len(found.upstream_frames) == 2
    assert not found.detail.response_body.is_whole
    assert found.detail.upstream is not None
    assert found.detail.upstream.response_body is not None
    assert not found.detail.upstream.response_body.is_whole


def test_an_error_of_dragomans_own_ends_a_translated_call() -> None:
    body = b'{"type":"error","error":{"type":"api_error","message":"no"}}'
    made = recording(
        *asked_through_route("a"),
        closed("a", ending="upstream_failed", status=502, body=body, error_code="connect", error_message="refused"),
    )
    assert (made.response_body, made.upstream_response, made.upstream_request) == (body, b"", CHAT_BODY)
    assert (made.detail.row.status, made.detail.row.response_bytes) == (502, len(body))
    assert made.detail.upstream is not None
    assert made.detail.upstream.response is None
    assert made.detail.attempts[0].error_code == "connect"


def test_a_renamed_model_alone_leaves_the_reply_as_it_is() -> None:
    made = recording(
        opened("a"),
        RequestBody("a", START, b'{"model":"fast"}'),
        RequestEnded("a", START, 16),
        UpstreamBody("a", START, 1, b'{"model":"gpt-4o"}'),
        attempt("a", dialect=None),
        *streamed("a"),
        *ended("a"),
    )
    row = made.detail.row
    assert (made.upstream_request, made.response_body) == (b'{"model":"gpt-4o"}', STREAM_BODY)
    assert (row.upstream_dialect, row.upstream_model, row.is_untouched) == (None, "gpt-4o", False)
    assert "translated" not in row.flags
    assert made.detail.upstream is not None
    assert made.detail.upstream.response_body is None


def test_each_try_has_an_error_of_its_own_and_bodies_do_not_mix() -> None:
    begin = asked_through_route("a")
    made = recording(
        *begin,
        head("a", status=429, media=b"application/json", framing="length"),
        Chunk("a", START + 12 * MS, b'{"error":{"message":"slow down"}}'),
        AttemptClosed("a", START + 13 * MS, 1, "status", "429 from openai", 429, 250 * MS),
        attempt("a", 2, at=START + 263 * MS, dialect=None, model=None, provider="anthropic"),
        *streamed("a", at=START + 270 * MS),
        *ended("a", at=START + 270 * MS),
    )
    first, second = made.detail.attempts
    assert (first.status, first.wait_ns, first.ended_ns) == (429, 250 * MS, 13 * MS)
    assert first.error_message == '429 from openai: {"error":{"message":"slow down"}}'
    assert (second.status, second.error_code, made.detail.row.provider) == (200, None, "anthropic")
    assert (made.upstream_request, made.response_body) == (b"", STREAM_BODY)
    assert (made.detail.row.losses, made.detail.row.upstream_dialect) == (0, None)


def test_a_try_that_sends_the_same_does_not_write_it_again() -> None:
    made = recording(
        *asked_through_route("a"),
        AttemptClosed("a", START + 13 * MS, 1, "connect", "refused"),
        attempt("a", 2),
        *streamed("a"),
        sent_head("a"),
        SentChunk("a", START + 95 * MS, b"sent"),
        *ended("a"),
    )
    assert made.upstream_request == CHAT_BODY
    assert made.detail.row.losses == 1


def test_another_target_without_losses_has_none() -> None:
    made = recording(
        *asked_through_route("a"),
        AttemptClosed("a", START + 13 * MS, 1, "connect", "refused"),
        UpstreamBody("a", START + 13 * MS, 2, b"{}"),
        attempt("a", 2, dialect="ollama_chat"),
        *streamed("a"),
        *ended("a"),
    )
    assert made.detail.losses == []


def test_a_later_try_s_losses_stand_in_place_of_an_earlier_one_s() -> None:
    made = recording(
        *asked_through_route("a"),
        AttemptClosed("a", START + 13 * MS, 1, "connect", "refused"),
        UpstreamBody("a", START + 13 * MS, 2, b"{}"),
        attempt("a", 2, dialect="ollama_chat"),
        Lost("a", START + 13 * MS, "request", [("$.tool_choice", "ollama_chat has none")]),
        *streamed("a"),
        *ended("a"),
    )
    assert [one.path for one in made.detail.losses] == ["$.tool_choice"]
    assert made.upstream_request == b"{}"


def test_a_routed_call_without_an_attempt_names_its_route_and_no_provider() -> None:
    refused = Closed("x", START + MS, "refused", 401, 0, "no_credential", "no key", route="to-openai")
    row = recording(opened("x"), refused).detail.row
    assert (row.route, row.provider, row.attempts) == ("to-openai", None, 0)
    row = recording(*whole("x")[:-1], Closed("x", START + MS, "complete", 200, 9)).detail.row
    assert (row.route, row.provider) == (None, "openai")
