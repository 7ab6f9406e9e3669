"""One open exchange: what viewers see of it while it runs, and what a checkpoint brings back."""

from dragoman.canonical import PartGrew, PartStarted, Text
from dragoman.journal.format import AttemptClosed, Chunk, Closed, Opened, Record, SentChunk
from dragoman.keeper.assemble import Assembly, TimeBase
from dragoman.keeper.open import OpenExchange, restored
from dragoman.keeper.reading import TimedDelta
from fakes.playbook import MS, START, asked_through_route, attempt, head, sent_head, streamed, translated

BASE = TimeBase(1_700_000_000_000_000_000, 5_000_000_000)


def begun(first: Record) -> OpenExchange:
    assert isinstance(first, Opened)
    return OpenExchange(Assembly(first, BASE), gateway="g0", session="s", start=(1, 8))


def text_of(deltas: list[TimedDelta]) -> str:
    text = ""
    for delta, _ in deltas:
        match delta:
            case PartGrew(text=more) | PartStarted(value=Text(text=more)):
                text += more
            case _:
                pass
    return text


def test_a_translated_stream_is_followed_in_the_provider_s_words() -> None:
    first, *rest = translated("a")
    exchange = begun(first)
    said = ""
    for record in rest:
        exchange.take(record)
        said += text_of(exchange.advance())
        if isinstance(record, SentChunk) and not said.startswith("Hello, "):
            row = exchange.row()
            assert (row.state, row.is_estimated, row.dialect) == ("streaming", True, "anthropic_messages")
            assert row.output
    assert said == text_of(exchange.replay()) == "Hello, great sea."


def test_a_try_that_failed_does_not_hide_the_next_one_s_stream() -> None:
    first, *rest = asked_through_route("a")
    exchange = begun(first)
    for record in [*rest, head("a", status=503, framing="length"), Chunk("a", START + 12 * MS, b"data: busy\n\n")]:
        exchange.take(record)
    assert exchange.advance() == []
    exchange.take(AttemptClosed("a", START + 13 * MS, 1, "status", "503", 503))
    exchange.take(attempt("a", 2))
    for record in [*streamed("a"), sent_head("a")]:
        exchange.take(record)
    assert text_of(exchange.advance()) == "Hello, great sea."
    assert exchange.row().first_token_ns == 20 * MS


def test_a_checkpoint_brings_both_sides_back() -> None:
    first, *rest = translated("a")
    exchange = begun(first)
    for record in rest[:14]:
        exchange.take(record)
    again = restored("g0", exchange.checkpoint((2, 8)))
    for record in rest[14:]:
        again.take(record)
        exchange.take(record)
    assert isinstance(rest[-1], Closed)
    assert again.recording() == exchange.recording()
    assert again.assembly.sent.size
