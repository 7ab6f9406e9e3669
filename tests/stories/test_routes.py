"""Routes as users have them: a whole Dragoman, a simulated upstream that speaks one dialect or fails, real sockets."""

import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from dragoman.simulator import Server
from fakes.dragoman import Dragoman, running_dragoman, simulator_as_provider

CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
RETRY = {"attempts": 3, "on": ["connect", 429, 500, 529], "max_wait": 5}


def route(name: str, *targets: tuple[str, str | None], **more: Any) -> dict[str, Any]:
    ends = [{"provider": slug, **({"model": model} if model else {})} for slug, model in targets]
    return {"name": name, "model": name, "targets": ends, **more}


ROUTES = [
    route("renamed", ("chat", "sim-echo")),
    route("flaky", ("chat", "sim-flaky"), retry=RETRY),
    route("away", ("gone", None), ("chat", "sim-echo")),
    route("hopeless", ("chat", "sim-error-529"), ("gone", None)),
    route("broken", ("broken", "sim-error-500"), ("chat", "sim-echo")),
    route("as-chat", ("chat", "sim-echo")),
    route("as-claude", ("claude", "sim-echo")),
    route("dies-as-chat", ("chat", "sim-cut")),
    route("dies-as-claude", ("claude", "sim-cut")),
    route("fails-as-chat", ("chat", "sim-error-mid")),
    {"name": "prefixed", "prefix": "/claude-here", "model": "gpt-*", "targets": [{"provider": "claude"}]},
]


@pytest.fixture(scope="module")
def routed(simulator: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dragoman]:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{closed.getsockname()[1]}"
    providers = [
        {"slug": "chat", "base_url": simulator.url, "dialects": ["openai_chat"]},
        {"slug": "broken", "base_url": simulator.url, "dialects": ["openai_chat"]},
        {"slug": "claude", "base_url": simulator.url, "dialects": ["anthropic_messages"]},
        {"slug": "gone", "base_url": gone},
        *simulator_as_provider(simulator.url),
    ]
    place = tmp_path_factory.mktemp("routed")
    with running_dragoman(place, providers=providers, settings={"routes": ROUTES}) as running:
        yield running


class Answer:
    """A reply, read to its end or to where it broke off."""

    def __init__(self, reply: http.client.HTTPResponse) -> None:
        self.status = reply.status
        self.headers = reply.headers
        self.exchange = reply.headers["x-dragoman-exchange"]
        self.is_whole = True
        try:
            self.body = reply.read()
        except http.client.IncompleteRead as error:
            self.body, self.is_whole = error.partial, False

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The data of server-sent events, as JSON where they are."""
        lines = [line[6:] for line in self.body.decode().splitlines() if line.startswith("data: ")]
        return [line if line == "[DONE]" else json.loads(line) for line in lines]


def send(dragoman: Dragoman, model: str, path: str = CHAT, *, streams: bool = False, **more: Any) -> Answer:
    question = {"model": model, "max_tokens": 500, "messages": [{"role": "user", "content": "Hi there"}], **more}
    body = json.dumps(question | ({"stream": True} if streams else {})).encode()
    return send_raw(dragoman, body, path)


def send_raw(dragoman: Dragoman, body: bytes, path: str) -> Answer:
    connection = http.client.HTTPConnection(urlsplit(dragoman.url).netloc, timeout=30)
    headers = {"content-type": "application/json", "authorization": "Bearer sk-of-the-client-0001"}
    if path.endswith(MESSAGES):
        headers |= {"anthropic-version": "2023-06-01"}
    try:
        connection.request("POST", path, body, headers)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def detail(dragoman: Dragoman, answer: Answer) -> Any:
    """Give the record of an exchange once it is whole."""

    def found() -> Any:
        page = dragoman.api(f"/api/exchanges/{answer.exchange}")
        return page if page["row"]["ending"] is not None else None

    def try_it() -> Any:
        try:
            return found()
        except OSError:
            return None

    return dragoman.wait_until(try_it, f"the record of {answer.exchange}")


def text_of_chat(answer: Answer) -> str:
    return "".join(
        one["choices"][0]["delta"].get("content") or "" for one in answer.events if one != "[DONE]" and one["choices"]
    )


def text_of_messages(answer: Answer) -> str:
    deltas = [one["delta"] for one in answer.events if one["type"] == "content_block_delta"]
    return "".join(one.get("text", "") for one in deltas)


def test_a_renamed_model_is_all_that_changes(routed: Dragoman) -> None:
    body = b'{"messages": [ {"role":"user","content":"Hi \\u00e9"}],\n "model" : "renamed", "temperature": 1.50 }'
    answer = send_raw(routed, body, CHAT)
    assert answer.json["choices"][0]["message"]["content"] == "You said: Hi \u00e9"
    page = detail(routed, answer)
    assert routed.raw(f"/api/exchanges/{answer.exchange}/request") == body
    assert routed.raw(f"/api/exchanges/{answer.exchange}/upstream/request") == body.replace(b"renamed", b"sim-echo")
    assert routed.raw(f"/api/exchanges/{answer.exchange}/response") == answer.body
    row = page["row"]
    assert (row["route"], row["upstream_model"], row["provider"]) == ("renamed", "sim-echo", "chat")
    assert {"who": "route:renamed", "what": "model: renamed -> sim-echo"}.items() <= page["alterations"][0].items()


def test_what_no_route_takes_stays_untouched(routed: Dragoman) -> None:
    answer = send(routed, "sim-echo")
    row = detail(routed, answer)["row"]
    assert (row["route"], row["is_untouched"], row["provider"]) == (None, True, "sim")


def test_two_refusals_and_then_an_answer(routed: Dragoman) -> None:
    answer = send(routed, "flaky")
    assert answer.status == 200
    assert "It works now" in answer.json["choices"][0]["message"]["content"]
    assert answer.headers["x-dragoman-attempts"] == "3"
    page = detail(routed, answer)
    assert (page["row"]["attempts"], page["row"]["state"]) == (3, "done")
    assert [one["status"] for one in page["attempts"]] == [429, 429, 200]
    assert "Too many requests" in page["attempts"][0]["error_message"]


def test_a_target_that_is_not_there_is_passed_over(routed: Dragoman) -> None:
    answer = send(routed, "away")
    assert (answer.status, answer.headers["x-dragoman-attempts"]) == (200, "2")
    assert detail(routed, answer)["row"]["provider"] == "chat"


def test_when_nothing_works_the_answer_says_what_was_tried(routed: Dragoman) -> None:
    answer = send(routed, "hopeless", MESSAGES)
    assert answer.status == 502
    message = answer.json["error"]["message"]
    assert "chat/sim-error-529: 529" in message
    assert "gone: no connection to 127.0.0.1" in message


def test_a_breaker_opens_and_is_shown(routed: Dragoman) -> None:
    for _ in range(7):
        answer = send(routed, "broken")
        assert answer.status == 200
    assert detail(routed, answer)["row"]["attempts"] == 1  # the broken one was left out

    def is_shown_open() -> bool:
        page = routed.api("/api/providers/health")
        return {one["slug"]: one for one in page["items"]}["broken"]["breaker"]["state"] == "open"

    routed.wait_until(is_shown_open, "the open breaker")


@pytest.mark.parametrize("streams", [False, True])
def test_a_messages_client_uses_a_chat_model(routed: Dragoman, streams: bool) -> None:
    answer = send(routed, "as-chat", MESSAGES, streams=streams, top_k=3)
    assert answer.status == 200
    text = text_of_messages(answer) if streams else answer.json["content"][0]["text"]
    assert text == "You said: Hi there"
    assert json.loads(answer.headers["x-dragoman-losses"])[0][0] == "$.top_k"
    page = detail(routed, answer)
    row = page["row"]
    assert (row["dialect"], row["upstream_dialect"], row["losses"]) == ("anthropic_messages", "openai_chat", 1)
    assert "translated" in row["flags"]
    assert row["output"]
    assert routed.raw(f"/api/exchanges/{answer.exchange}/response") == answer.body


@pytest.mark.parametrize("streams", [False, True])
def test_a_chat_client_uses_a_messages_model(routed: Dragoman, streams: bool) -> None:
    answer = send(routed, "as-claude", streams=streams)
    assert answer.status == 200
    text = text_of_chat(answer) if streams else answer.json["choices"][0]["message"]["content"]
    assert text == "You said: Hi there"
    if streams:
        assert answer.events[-1] == "[DONE]"
    row = detail(routed, answer)["row"]
    assert (row["dialect"], row["upstream_dialect"], row["state"]) == ("openai_chat", "anthropic_messages", "done")


def test_a_model_that_dies_in_mid_stream_is_told_in_the_client_s_dialect(routed: Dragoman) -> None:
    as_messages = send(routed, "dies-as-chat", MESSAGES, streams=True)
    assert as_messages.is_whole
    assert as_messages.events[-1]["type"] == "error"
    as_chat = send(routed, "dies-as-claude", streams=True)
    assert "error" in as_chat.events[-1]
    for answer in (as_messages, as_chat):
        row = detail(routed, answer)["row"]
        assert (row["state"], row["ending"], row["status"]) == ("error", "upstream_cut", 200)


def test_an_error_in_mid_stream_is_told_in_the_client_s_dialect(routed: Dragoman) -> None:
    answer = send(routed, "fails-as-chat", MESSAGES, streams=True)
    assert answer.events[-1]["type"] == "error"
    assert detail(routed, answer)["row"]["status"] == 200


def test_a_prefix_belongs_to_its_routes(routed: Dragoman) -> None:
    answer = send(routed, "gpt-sim-echo", f"/claude-here{CHAT}")
    assert answer.status == 200
    nobody = send(routed, "o1", f"/claude-here{CHAT}")
    assert nobody.status == 404
    assert "routes there take: gpt-*" in nobody.json["error"]["message"]


def test_a_new_route_counts_from_the_next_request_on(routed: Dragoman) -> None:
    assert send(routed, "brand-new").status != 502
    made = {"name": "brand-new", "model": "brand-new", "targets": [{"provider": "gone"}]}
    routed.api("/api/routes", method="POST", body=made)
    routed.wait_until(lambda: send(routed, "brand-new").status == 502, "the new route")
    routed.api("/api/routes/brand-new", method="DELETE")
    routed.wait_until(lambda: send(routed, "brand-new").status != 502, "the end of the new route")
