"""Each dialect's official SDK against a model of each other dialect: the same scenes, and the same outcome.

What a program gets through a translating route is compared with what the simulated model says, and its token
figures with those that a program of the model's own dialect gets for the same scene.
"""

import contextlib
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from dragoman.simulator import Server
from fakes.dragoman import Dragoman, running_dragoman
from fakes.pair_converse import ConverseProgram
from fakes.pair_gemini import GeminiProgram
from fakes.pair_programs import PROGRAMS, Answer, Failed, Program, Wish

UPSTREAMS = {**PROGRAMS, "bedrock_converse": ConverseProgram}
CLIENTS = {**UPSTREAMS, "gemini_generate": GeminiProgram}
"""The simulator speaks no Gemini: there it is a client's dialect alone."""
DIALECTS = list(UPSTREAMS)
PAIRS = [pair for pair in product(CLIENTS, UPSTREAMS) if pair[0] != pair[1]]
BOTH_WAYS = pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
EACH_PAIR = pytest.mark.parametrize(("client", "upstream"), PAIRS, ids=[f"{a}-to-{b}" for a, b in PAIRS])


@pytest.fixture(scope="module")
def gateway(simulator: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dragoman]:
    providers = [
        {
            "slug": f"sim-{slug_of(dialect)}",
            "base_url": simulator.url,
            "dialects": [dialect],
            "auth": {"scheme": "bearer", "key_env": "PAIRS_KEY"},
        }
        for dialect in DIALECTS
    ]
    routes = [
        {
            "name": f"to-{slug_of(dialect)}",
            "prefix": f"/to-{slug_of(dialect)}",
            "targets": [{"provider": f"sim-{slug_of(dialect)}"}],
        }
        for dialect in DIALECTS
    ]
    place = tmp_path_factory.mktemp("pairs")
    env = {"PAIRS_KEY": "sk-of-the-gateway"}
    with running_dragoman(place, providers=providers, settings={"routes": routes}, env=env) as running:
        yield running


def slug_of(dialect: str) -> str:
    return dialect.replace("_", "-")


@contextlib.contextmanager
def program(dialect: str, url: str) -> Iterator[Program]:
    made = CLIENTS[dialect](url)
    try:
        yield made
    finally:
        made.close()


@contextlib.contextmanager
def through(gateway: Dragoman, client: str, upstream: str) -> Iterator[Program]:
    with program(client, f"{gateway.url}/to-{slug_of(upstream)}") as made:
        yield made


def talk(one: Program, wish: Wish, text: str = "What is the tide in Brest?", *, image: bool = False) -> Answer:
    one.say(text, image=image)
    return one.ask(wish)


def directly(simulator: Server, upstream: str, wish: Wish, **more: Any) -> Answer:
    """Run the scene with the model's own SDK against the model itself."""
    with program(upstream, simulator.url) as one:
        return talk(one, wish, **more)


@EACH_PAIR
@BOTH_WAYS
def test_talk(client: str, upstream: str, is_streamed: bool, gateway: Dragoman, simulator: Server) -> None:
    wish = Wish(model="sim-echo", is_streamed=is_streamed)
    with through(gateway, client, upstream) as one:
        answer = talk(one, wish)
        again = talk(one, wish, "And in Saint-Malo — ça va ? 潮")
    assert answer.text == "You said: What is the tide in Brest?"
    assert again.text == "You said: And in Saint-Malo — ça va ? 潮"
    assert answer.stop == "end"
    assert answer.output_tokens == directly(simulator, upstream, wish).output_tokens
    assert again.input_tokens == _input_on_record(gateway, client, upstream, is_streamed=is_streamed)


def _input_on_record(gateway: Dragoman, client: str, upstream: str, *, is_streamed: bool) -> int:
    """Give the input tokens that the model itself counted for the newest exchange of a pair."""
    wanted = f"route:to-{slug_of(upstream)} dialect:{client} model:*sim-echo* stream:{'yes' if is_streamed else 'no'}"
    rows = gateway.wait_exchanges(2, wanted)
    return sum(rows[0][one] or 0 for one in ("input_fresh", "cache_read", "cache_write_5m", "cache_write_1h"))


@EACH_PAIR
@BOTH_WAYS
def test_two_calls_at_once_over_three_turns(client: str, upstream: str, is_streamed: bool, gateway: Dragoman) -> None:
    wish = Wish(model="sim-tools-turns", is_streamed=is_streamed, has_tools=True)
    with through(gateway, client, upstream) as one:
        first = talk(one, wish)
        assert [call.name for call in first.calls] == ["weather", "tide"]
        assert all(set(call.arguments) == {"city"} for call in first.calls)
        assert first.stop == "tool_use"
        assert first.text.startswith("I will ask both at once.")
        one.give([(first.calls[0], "calm"), (first.calls[1], "high at 4")])
        second = one.ask(wish)
        assert [(call.name, call.arguments) for call in second.calls] == [("weather", {"city": "after calm"})]
        one.give([(second.calls[0], "windy")])
        third = one.ask(wish)
    assert third.text == "After 3 results: calm; high at 4; windy."
    assert third.stop == "end"
    assert not third.calls


@EACH_PAIR
@BOTH_WAYS
def test_a_picture_arrives(client: str, upstream: str, is_streamed: bool, gateway: Dragoman, simulator: Server) -> None:
    wish = Wish(model="sim-image", is_streamed=is_streamed)
    with through(gateway, client, upstream) as one:
        answer = talk(one, wish, "What is this?", image=True)
    assert answer.text == directly(simulator, upstream, wish, image=True).text
    assert "image/png" in answer.text


@EACH_PAIR
@BOTH_WAYS
def test_thoughts_are_shown_and_their_seal_comes_back(
    client: str, upstream: str, is_streamed: bool, gateway: Dragoman, simulator: Server
) -> None:
    wish = Wish(model="sim-reason", is_streamed=is_streamed, thinks=True)
    with through(gateway, client, upstream) as one:
        answer = talk(one, wish)
        again = talk(one, wish, "Are you sure?")
    with program(upstream, simulator.url) as model:
        own = talk(model, wish)
        own_again = talk(model, wish, "Are you sure?")
    assert answer.text == own.text
    assert answer.reasoning == own.reasoning
    assert answer.reasoning
    if client == "ollama_chat" and "unchanged" in own_again.text:  # it has no place for a seal: a known loss
        assert again.text.startswith("After some thought: Are you sure?")
    else:
        assert again.text == own_again.text


@EACH_PAIR
@BOTH_WAYS
def test_thinking_with_tools_keeps_working(client: str, upstream: str, is_streamed: bool, gateway: Dragoman) -> None:
    wish = Wish(model="sim-tools-turns", is_streamed=is_streamed, has_tools=True, thinks=True)
    with through(gateway, client, upstream) as one:
        first = talk(one, wish)
        one.give([(first.calls[0], "calm"), (first.calls[1], "high at 4")])
        second = one.ask(wish)
        one.give([(second.calls[0], "windy")])
        third = one.ask(wish)
    assert third.text.startswith("After 3 results: calm; high at 4; windy.")


@EACH_PAIR
@BOTH_WAYS
def test_a_limit_cuts_the_answer(
    client: str, upstream: str, is_streamed: bool, gateway: Dragoman, simulator: Server
) -> None:
    wish = Wish(model="sim-long-200", is_streamed=is_streamed, max_tokens=24)
    with through(gateway, client, upstream) as one:
        answer = talk(one, wish)
    own = directly(simulator, upstream, wish)
    assert answer.stop == "length"
    assert answer.text == own.text
    assert answer.output_tokens == own.output_tokens == 24


@EACH_PAIR
@BOTH_WAYS
def test_a_stop_sequence_ends_the_answer(client: str, upstream: str, is_streamed: bool, gateway: Dragoman) -> None:
    if client == "openai_responses":
        pytest.skip("Responses has no stop sequences")
    wish = Wish(model="sim-stop", is_streamed=is_streamed, stop="HALT")
    with through(gateway, client, upstream) as one:
        answer = talk(one, wish)
    if upstream == "openai_responses":  # a loss: it stands on the record
        row = gateway.wait_exchanges(1, "route:to-openai-responses losses:>0 model:*sim-stop*")[0]
        losses = gateway.api(f"/api/exchanges/{row['id']}")["losses"]
        assert any("stop" in loss["path"] for loss in losses), losses
        assert answer.text == "One, two, three. No stop sequence was given."
        return
    assert answer.text.strip() == "One, two, three."
    says_which = {"anthropic_messages", "bedrock_invoke", "bedrock_converse"}
    assert answer.stop == ("stop_sequence" if {client, upstream} <= says_which else "end") or (
        client in says_which and answer.stop in ("end", "stop_sequence")
    )


@EACH_PAIR
@BOTH_WAYS
@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_an_error_is_the_clients_own(
    client: str, upstream: str, is_streamed: bool, status: int, gateway: Dragoman, simulator: Server
) -> None:
    wish = Wish(model=f"sim-error-{status}", is_streamed=is_streamed)
    with pytest.raises(Failed) as own:
        directly(simulator, upstream, wish)
    with through(gateway, client, upstream) as one, pytest.raises(Failed) as found:
        talk(one, wish)
    assert found.value.status in {status, own.value.status}
    assert "simulated" in found.value.message


@EACH_PAIR
def test_an_error_in_the_middle_of_a_stream_is_no_clean_end(client: str, upstream: str, gateway: Dragoman) -> None:
    with through(gateway, client, upstream) as one, pytest.raises(Failed) as found:
        talk(one, Wish(model="sim-error-mid", is_streamed=True))
    assert found.value.status is None
    assert "simulated" in found.value.message


@EACH_PAIR
def test_a_model_that_dies_in_the_middle_is_no_clean_end(client: str, upstream: str, gateway: Dragoman) -> None:
    with through(gateway, client, upstream) as one, pytest.raises(Failed):
        talk(one, Wish(model="sim-cut", is_streamed=True))
