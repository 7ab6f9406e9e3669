"""The gateway as a process of its own: it serves from what lies on disk, and ends on SIGTERM."""

import asyncio
import signal
import socket
import subprocess
import sys
from pathlib import Path

import msgspec

from dragoman.gateway.main import read_start
from dragoman.journal.format import Chunk, Closed, FileHeader
from dragoman.records.setup import Setup
from fakes.client import FakeClient
from fakes.gateway import provider, read_journal
from fakes.upstream import FakeUpstream

POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
CODE = """
import sys
from pathlib import Path
from dragoman.gateway.main import run
run("g0", int(sys.argv[1]), Path(sys.argv[2]))
"""


def write_start(data_dir: Path, setup: Setup) -> None:
    (data_dir / "run").mkdir(exist_ok=True)
    start = {"setup": setup, "config": {"server": {"host": "127.0.0.1"}, "log": {}}, "file_providers": []}
    (data_dir / "run" / "start.json").write_bytes(msgspec.json.encode(start))


def start_gateway(data_dir: Path, sock: socket.socket) -> subprocess.Popen[bytes]:
    sock.set_inheritable(True)
    command = [sys.executable, "-c", CODE, str(sock.fileno()), str(data_dir)]
    return subprocess.Popen(command, pass_fds=[sock.fileno()])


def listening() -> socket.socket:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(128)
    return sock


async def ended(process: subprocess.Popen[bytes]) -> int:
    return await asyncio.wait_for(asyncio.to_thread(process.wait), 10)


def test_the_newer_setup_counts(tmp_path: Path) -> None:
    write_start(tmp_path, Setup(version=3, workbench_secret="new"))
    assert read_start(tmp_path).setup.version == 3
    for version, expected in ((2, 3), (5, 5)):
        published = Setup(version=version, workbench_secret="old")
        (tmp_path / "run" / "setup.json").write_bytes(msgspec.json.encode(published))
        setup = read_start(tmp_path).setup
        assert (setup.version, setup.workbench_secret) == (expected, "new")
    (tmp_path / "run" / "setup.json").write_bytes(b"{")
    assert read_start(tmp_path).setup.version == 3


async def test_sigterm_drains(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:
        write_start(tmp_path, Setup(version=1, providers=[provider("openai", upstream.url)]))
        with listening() as sock:
            process = start_gateway(tmp_path, sock)
            async with FakeClient(sock.getsockname()[1]) as client:
                await client.send(POST)
                call = await upstream.call()
                await call.send(STREAM)
                await client.head()
                process.send_signal(signal.SIGTERM)
                await client.exactly(8)
                await call.send(b"0\r\n\r\n")
                assert await client.ended() == b"0\r\n\r\n"
            assert await ended(process) == 0
    closed = [one for one in read_journal(tmp_path / "journal" / "g0") if isinstance(one, Closed)]
    assert [one.ending for one in closed] == ["complete"]


async def test_killed_gateway_has_all_on_record_and_the_next_one_goes_on(tmp_path: Path) -> None:
    async with FakeUpstream() as upstream:
        write_start(tmp_path, Setup(version=1, providers=[provider("openai", upstream.url)]))
        with listening() as sock:
            process = start_gateway(tmp_path, sock)
            async with FakeClient(sock.getsockname()[1]) as client:
                await client.send(POST)
                await (await upstream.call()).send(STREAM)
                await client.head()
                assert await client.exactly(8) == b"3\r\nabc\r\n"
                process.kill()
            await ended(process)
            second = start_gateway(tmp_path, sock)
            async with FakeClient(sock.getsockname()[1]) as client:
                upstream.reply(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                assert (await client.ask(POST)).body == b"ok"
            second.terminate()
            assert await ended(second) == 0
    records = read_journal(tmp_path / "journal" / "g0")
    assert [one.data for one in records if isinstance(one, Chunk)] == [b"3\r\nabc\r\n", b"ok"]
    headers = [one for one in records if isinstance(one, FileHeader)]
    assert [one.sequence for one in headers] == [1, 2]
    assert len({one.session for one in headers}) == 2
