"""Planted credentials are found nowhere: not in the journal, the database, the log, the API, nor in exports."""

import http.client
import json
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from dragoman.simulator import Server
from fakes.dragoman import Dragoman, clean_env, running_dragoman, simulator_as_provider

PLANTED = {
    "bearer": "sk-proj-PLANTEDbearer0123456789abcdefghijkl",
    "x-api-key": "sk-ant-api03-PLANTEDxapikey0123456789abcdef",
    "goog": "AIzaPLANTEDgoog0123456789abcdefghijklmnopqr",
    "query": "AIzaPLANTEDquery123456789abcdefghijklmnopqr",
    "cookie": "PLANTEDcookie0123456789abcdef",
    "mcp": "PLANTEDmcptoken0123456789abcdef",
    "mcp-header": "PLANTEDmcpheader0123456789abcdef",
    "configured": "sk-PLANTEDconfigured0123456789abcdef",
    "password": "PLANTEDpassword0123456789abcdef",
}

ROUTES = [
    {"name": "as-chat", "model": "as-chat", "targets": [{"provider": "keyed", "model": "sim-echo"}]},
    {"name": "renamed", "model": "renamed", "targets": [{"provider": "sim", "model": "sim-echo"}]},
]


def send(dragoman: Dragoman, path: str, headers: dict[str, str], body: object) -> int:
    connection = http.client.HTTPConnection(urlsplit(dragoman.url).netloc, timeout=30)
    try:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json", **headers})
        reply = connection.getresponse()
        reply.read()
        return reply.status
    finally:
        connection.close()


def send_all(dragoman: Dragoman) -> int:
    chat = {"model": "sim-echo", "messages": [{"role": "user", "content": "Hi"}]}
    messages = {**chat, "max_tokens": 100, "stream": True}
    messages["mcp_servers"] = [
        {"type": "url", "url": "https://mcp.example", "name": "m", "authorization_token": PLANTED["mcp"]}
    ]
    tool = {"type": "mcp", "server_label": "m", "server_url": "https://mcp.example", "authorization": PLANTED["mcp"]}
    tool["headers"] = {"x-secret": PLANTED["mcp-header"]}
    responses = {"model": "sim-echo", "input": "Hi", "tools": [tool]}
    anthropic = {"x-api-key": PLANTED["x-api-key"], "anthropic-version": "2023-06-01"}
    calls = [
        ("/v1/chat/completions", {"authorization": f"Bearer {PLANTED['bearer']}", "cookie": PLANTED["cookie"]}, chat),
        (f"/v1/chat/completions?key={PLANTED['query']}&x=1", {"x-goog-api-key": PLANTED["goog"]}, chat),
        ("/v1/messages", anthropic, messages),
        ("/v1/responses", {"api-key": PLANTED["bearer"], "proxy-authorization": PLANTED["bearer"]}, responses),
        ("/keyed/v1/chat/completions", {"x-dragoman-key": PLANTED["password"]}, chat),
        ("/v1/messages", {**anthropic, "x-dragoman-key": PLANTED["password"]}, {**messages, "model": "as-chat"}),
        ("/v1/messages", anthropic, {**messages, "model": "renamed"}),
        ("/v1/responses", {"authorization": f"Bearer {PLANTED['bearer']}"}, {**responses, "model": "renamed"}),
        ("/v1/chat/completions", {"authorization": f"Bearer {PLANTED['bearer']}"}, {**chat, "model": "sim-error-401"}),
    ]
    statuses = [send(dragoman, *call) for call in calls]
    assert statuses == [200, 200, 200, 200, 200, 200, 200, 200, 401]
    return len(calls)


def assert_clean(where: str, data: bytes) -> None:
    for name, secret in PLANTED.items():
        assert secret.encode() not in data, f"{where} holds the planted {name}"


def assert_files_clean(place: Path) -> int:
    """Look into every file below the data directory, and the log."""
    files = [path for path in (place / "data").rglob("*") if path.is_file()]
    for path in [*files, place / "dragoman.log"]:
        assert_clean(str(path.relative_to(place)), path.read_bytes())
    return len(files)


def test_planted_secrets_are_found_nowhere(simulator: Server, tmp_path: Path) -> None:
    keyed = {"slug": "keyed", "base_url": simulator.url, "dialects": ["openai_chat"]}
    keyed["auth"] = {"scheme": "bearer", "key_env": "PLANTED_KEY"}
    env = {"PLANTED_KEY": PLANTED["configured"], "DRAGOMAN_PASSWORD": PLANTED["password"]}
    with running_dragoman(
        tmp_path,
        providers=[*simulator_as_provider(simulator.url), keyed],
        env=env,
        settings={"log": {"level": "debug"}, "routes": ROUTES},
    ) as dragoman:
        keeper = dragoman.child("_keeper")
        keeper.send_signal(signal.SIGSTOP)  # so that the journal is still there to be looked into
        count = send_all(dragoman)
        journals = list((dragoman.data_dir / "journal").rglob("*.journal"))
        assert sum(path.stat().st_size for path in journals) > 2000
        assert_files_clean(tmp_path)
        keeper.send_signal(signal.SIGCONT)

        for row in dragoman.wait_exchanges(count):
            for view in ("", "/request", "/response", "/frames", "/export?format=json", "/export?format=curl"):
                assert_clean(f"/api/exchanges/…{view}", dragoman.raw(f"/api/exchanges/{row['id']}{view}"))
        for path in ("/api/status", "/api/settings", "/api/providers", "/api/exchanges", "/metrics"):
            assert_clean(path, _raw_or_nothing(dragoman, path))
        assert_files_clean(tmp_path)

    assert assert_files_clean(tmp_path) > 1
    for form in ("json", "har", "curl", "python", "typescript"):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "dragoman", "export", "-f", form, "--data-dir", str(tmp_path / "data")],
            env=clean_env(tmp_path),
            cwd=tmp_path,
            capture_output=True,
            check=True,
        )
        assert len(done.stdout) > 500
        assert_clean(f"export as {form}", done.stdout + done.stderr)


def _raw_or_nothing(dragoman: Dragoman, path: str) -> bytes:
    import urllib.error

    try:
        return dragoman.raw(path)
    except urllib.error.HTTPError as error:
        with error:
            return error.read()
