"""Exported code: it runs, it sends the recorded body, and it holds no credential."""

import inspect
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anthropic
import openai
import pytest

from dragoman.records import code
from dragoman.records.exchange import BodyFacts, Detail, Head, Row

KEY = "sk-live-from-the-environment"
CHAT = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": []}
MESSAGE = {
    "id": "m1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 1},
}  # fmt: skip


class Received:
    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []


@pytest.fixture
def upstream() -> Iterator[tuple[str, Received]]:
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            received.requests.append((self.command, self.path, headers, body))
            reply = json.dumps(MESSAGE if "messages" in self.path else CHAT).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        do_GET = do_DELETE = do_POST

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    thread.join()
    server.server_close()


def exchange(
    path: str, *, dialect: str | None = None, provider: str = "openai", method: str = "POST", **headers: str
) -> Detail:
    row = Row(id="01JD0000000000000000000000", method=method, path=path, dialect=dialect, provider=provider)
    given = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Detail(row=row, request=Head(headers=[("Host", "127.0.0.1:8080"), ("Content-Length", "9"), *given]))


def run(command: list[str], *, text: str | None = None) -> str:
    environment = os.environ | {"OPENAI_API_KEY": KEY, "ANTHROPIC_API_KEY": KEY, "GEMINI_API_KEY": KEY}
    environment.pop("COVERAGE_PROCESS_START", None)
    done = subprocess.run(command, input=text, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


BODIES = [
    b'{"model": "m", "messages": [{"role": "user", "content": "it\'s $HOME `x` \\"q\\" \\\\ \\u2028 '
    b'\xe2\x80\xa8 \xf0\x9f\x90\xab"}]}',
    b'{"a": "' + b"x" * 90_000 + b'\nEND\nEND_ x"}',
    bytes(range(256)),
    b"",
]


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
@pytest.mark.parametrize("number", range(len(BODIES)))
def test_curl_sends_the_very_bytes(upstream: tuple[str, Received], number: int) -> None:
    url, received = upstream
    body = BODIES[number]
    detail = exchange("/v1/x?a=%5B1%5D&b=[1]", authorization="Bearer sk-p...9f3a", content_type="application/json",
                      x_note="a 'quoted' ${HOME} $(id)")  # fmt: skip
    run(["sh", "-s"], text=code.curl(detail, body, url))
    method, path, headers, sent = received.requests[0]
    assert (method, path) == ("POST", "/v1/x?a=%5B1%5D&b=[1]")
    assert sent.removesuffix(b"\n") == body
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["x-note"] == "a 'quoted' ${HOME} $(id)"


@pytest.mark.parametrize("number", range(len(BODIES)))
def test_plain_python_sends_the_very_bytes(upstream: tuple[str, Received], number: int) -> None:
    url, received = upstream
    detail = exchange("/v1/x?key=AIza...beef", provider="gemini", x_goog_api_key="[REDACTED]", content_type="text/x")
    answer = run([sys.executable, "-c", code.python(detail, BODIES[number], url)])
    assert json.loads(answer) == CHAT
    _, path, headers, sent = received.requests[0]
    assert path == f"/v1/x?key={KEY}"
    assert sent == BODIES[number]
    assert headers["x-goog-api-key"] == KEY


def test_a_get_stays_a_get(upstream: tuple[str, Received]) -> None:
    url, received = upstream
    detail = exchange("/openai/v1/models", method="GET", authorization="Bearer [REDACTED]")
    run([sys.executable, "-c", code.python(detail, b"", url)])
    run(["sh", "-s"], text=code.curl(detail, b"", url))
    assert [(method, path, sent) for method, path, _, sent in received.requests] == 2 * [
        ("GET", "/openai/v1/models", b"")
    ]


def test_python_uses_the_sdk_of_openai(upstream: tuple[str, Received]) -> None:
    url, received = upstream
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "made_up": {"x": [None, True]}, "seed": 1}
    detail = exchange("/openai/v1/chat/completions", dialect="openai_chat", authorization="Bearer sk-p...9f3a",
                      openai_organization="org", x_stainless_lang="python")  # fmt: skip
    text = code.python(detail, json.dumps(body).encode(), url)
    assert "from openai import OpenAI" in text
    run([sys.executable, "-c", text])
    _, path, headers, sent = received.requests[0]
    assert path == "/openai/v1/chat/completions"
    assert json.loads(sent) == body
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["openai-organization"] == "org"


def test_python_uses_the_sdk_of_anthropic(upstream: tuple[str, Received]) -> None:
    url, received = upstream
    body = {"model": "m", "max_tokens": 32000, "temperature": 0.5, "messages": [{"role": "user", "content": "hi"}]}
    detail = exchange("/v1/messages?beta=true", dialect="anthropic_messages", provider="anthropic",
                      x_api_key="sk-a...9f3a", anthropic_beta="x-2025", anthropic_version="2023-06-01")  # fmt: skip
    text = code.python(detail, json.dumps(body).encode(), url)
    assert "from anthropic import Anthropic" in text
    run([sys.executable, "-c", text])
    _, path, headers, sent = received.requests[0]
    assert path == "/v1/messages?beta=true"
    assert json.loads(sent) == body
    assert (headers["anthropic-beta"], headers["anthropic-version"]) == ("x-2025", "2023-06-01")
    assert KEY in headers.get("x-api-key", "") + headers.get("authorization", "")


def test_the_sdks_know_the_arguments_that_are_named() -> None:
    chat, messages = openai.OpenAI(api_key="x"), anthropic.Anthropic(api_key="x")
    known = {
        "openai_chat": chat.chat.completions.create,
        "openai_responses": chat.responses.create,
        "anthropic_messages": messages.messages.create,
    }
    for dialect, method in known.items():
        assert set(code._KEYWORDS[dialect]) <= inspect.signature(method).parameters.keys()
    chat.close()
    messages.close()


def test_a_body_that_only_bytes_can_say_goes_as_bytes(upstream: tuple[str, Received]) -> None:
    url, received = upstream
    body = rb'{"model": "m", "messages": [{"role": "user", "content": "\ud83d"}]}'
    detail = exchange("/v1/chat/completions", dialect="openai_chat", content_type="application/json")
    run([sys.executable, "-c", code.python(detail, body, url)])
    assert received.requests[0][3] == body


def test_a_compressed_body_is_shown_plain() -> None:
    import gzip

    detail = exchange("/v1/x", content_encoding="gzip")
    detail.request_body = BodyFacts(encoding="gzip")
    text = code.curl(detail, gzip.compress(b'{"plain": 1}'), "http://localhost:1")
    assert '{"plain": 1}' in text
    assert "content-encoding" not in text


def _node() -> str | None:
    own = Path(__file__).parents[2] / ".tools" / "bin" / "node"
    return str(own) if own.exists() else shutil.which("node")


@pytest.mark.skipif(_node() is None, reason="no node here")
@pytest.mark.parametrize("number", [0, 2])
def test_plain_typescript_sends_the_very_bytes(upstream: tuple[str, Received], number: int, tmp_path: Path) -> None:
    url, received = upstream
    detail = exchange("/v1/x?key=AIza...beef", provider="gemini", content_type="application/json", x_note="`${HOME}`")
    program = tmp_path / "program.mjs"  # no type is written in the plain form, so any node runs it
    program.write_text(code.typescript(detail, BODIES[number], url))
    run([_node() or "", str(program)])
    _, path, headers, sent = received.requests[0]
    assert (path, sent, headers["x-note"]) == (f"/v1/x?key={KEY}", BODIES[number], "`${HOME}`")


def test_typescript_uses_the_sdks() -> None:
    detail = exchange("/v1/messages", dialect="anthropic_messages", provider="anthropic", x_api_key="sk-a...9f3a")
    body = b'{"model": "m", "max_tokens": 5, "messages": [], "stream": true}'
    text = code.typescript(detail, body, "http://localhost:8080")
    assert 'import Anthropic from "@anthropic-ai/sdk";' in text
    assert 'process.env.ANTHROPIC_API_KEY ?? "none"' in text
    assert "for await (const event of reply)" in text


@pytest.mark.parametrize("write", [code.curl, code.python, code.typescript])
def test_no_credential_is_written(write: object) -> None:
    secret = "sk-planted-8f14e45fceea167a"
    detail = exchange(f"/v1/x?key={secret}", authorization=f"Bearer {secret}", cookie=f"a={secret}", x_api_key=secret)
    assert callable(write)
    assert secret not in write(detail, b"{}", "http://localhost:8080")


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_what_was_a_websocket_s_message_is_sent_over_http(upstream: tuple[str, Received]) -> None:
    url, received = upstream
    message = {"type": "response.create", "stream_id": "a", "model": "m", "input": "hällo"}
    detail = exchange("/v1/responses", dialect="openai_responses", method=code.MESSAGE_METHOD, upgrade="websocket",
                      connection="Upgrade", sec_websocket_key="x", content_type="application/json")  # fmt: skip
    run(["sh", "-s"], text=code.curl(detail, json.dumps(message).encode(), url))
    method, path, headers, sent = received.requests[0]
    assert (method, path) == ("POST", "/v1/responses")
    assert json.loads(sent) == {"model": "m", "input": "hällo", "stream": True}
    assert "upgrade" not in headers
    assert "client.responses.create(" in code.python(detail, json.dumps(message).encode(), url)
