"""The record as commands read it: through the API of the Dragoman that runs, else from the store itself.

From the store, the journal is read to its end first, so that both ways give the same.
"""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from dragoman.cli import options
from dragoman.config import Start
from dragoman.errors import BadConfig, BadRequest, DragomanError, Refused
from dragoman.supervisor.place import RunFile, hold

PAGE = 500
LIMIT_S = 60.0


class Record(Protocol):
    def find(self, query: str) -> Iterator[str]:
        """Yield the ids of finished exchanges, newest first. Raises BadRequest for a wrong query."""
        ...

    def export(self, exchange: str, form: str) -> bytes:
        """Give one exchange as `json`, `har`, `curl`, `python` or `typescript`. Raises NotFound."""
        ...


@contextlib.contextmanager
def open_record(start: Start) -> Iterator[Record]:
    """Open the record in whichever way works."""
    data_dir = Path(start.config.data_dir)
    run = options.find_running(data_dir)
    if run is not None:
        yield Running(run, os.environ.get(start.config.server.password_env))
        return
    check_exists(data_dir)
    with hold(data_dir), stored(data_dir) as record:
        yield record


def check_exists(data_dir: Path) -> None:
    """Raise BadConfig when nothing was ever recorded there."""
    if not (data_dir / "dragoman.db").exists() and not (data_dir / "journal").exists():
        raise BadConfig(f"there is no record in {data_dir}; name the directory with --data-dir", field="data_dir")


class Running:
    """The record through the API."""

    def __init__(self, run: RunFile, password: str | None) -> None:
        self._run = run
        self._password = password

    def get(self, path: str, **query: object) -> bytes:
        """Ask the API. Raises what its error stands for."""
        asked = {name: value for name, value in query.items() if value is not None}
        return self._send(path + (f"?{urlencode(asked)}" if asked else ""), None)

    def post(self, path: str, body: object) -> bytes:
        """Tell the API something as JSON. Raises what its error stands for."""
        return self._send(path, json.dumps(body).encode())

    def _send(self, target: str, body: bytes | None) -> bytes:
        import urllib.error
        import urllib.request

        request = urllib.request.Request(f"{self._run.api_url}{target}", data=body)
        if body is not None:
            request.add_header("content-type", "application/json")
        if self._password:
            request.add_header("authorization", f"Bearer {self._password}")
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=LIMIT_S) as reply:
                return reply.read()
        except urllib.error.HTTPError as error:
            with error:
                raise _error_of(error.code, error.read()) from error
        except OSError as error:
            message = f"Dragoman (pid {self._run.pid}) did not answer at {self._run.api_url}: {error}"
            raise DragomanError(message, code="unreachable") from error

    def find(self, query: str) -> Iterator[str]:
        cursor: str | None = None
        while True:
            page = json.loads(self.get("/api/exchanges", q=query, limit=PAGE, cursor=cursor))
            yield from (row["id"] for row in page["items"] if row.get("ending") is not None)
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def export(self, exchange: str, form: str) -> bytes:
        return self.get(f"/api/exchanges/{quote(exchange)}/export", format=form)


def _error_of(status: int, body: bytes) -> DragomanError:
    try:
        error: Any = json.loads(body)["error"]
        message = str(error["message"])
    except (ValueError, KeyError, TypeError):
        return DragomanError(f"Dragoman answered with status {status}")
    if status == 401:
        return Refused(f"{message}; set the password in the environment")
    return BadRequest(message) if status < 500 else DragomanError(message)


class Stored:
    """The record from the store, while no Dragoman runs."""

    def __init__(self, store: Any, base_url: str) -> None:
        self._store = store
        self._base_url = base_url

    def find(self, query: str) -> Iterator[str]:
        from dragoman.records import query as language

        parsed = language.parse(query, now_ns=time.time_ns())
        cursor: str | None = None
        while True:
            page = self._store.list_rows(parsed, limit=PAGE, cursor=cursor)
            yield from (row.id for row in page.items if row.ending is not None)
            cursor = page.next_cursor
            if cursor is None:
                return

    def export(self, exchange: str, form: str) -> bytes:
        import msgspec

        from dragoman.errors import NotFound
        from dragoman.records import code
        from dragoman.records.export import Exported, document, har

        detail = self._store.detail(exchange)
        if detail is None:
            raise NotFound(f"there is no exchange {exchange}")
        source = Exported(
            detail=detail,
            request_body=self._store.request_body(exchange) or b"",
            response_body=self._store.response_body(exchange) or b"",
            upstream_request=self._store.upstream_request_body(exchange) or b"",
            upstream_response=self._store.upstream_response_body(exchange) or b"",
        )
        if form == "json":
            return msgspec.json.encode(document(source))
        if form == "har":
            return msgspec.json.encode(har([source], self._base_url))
        write = {"curl": code.curl, "python": code.python, "typescript": code.typescript}[form]
        return write(detail, source.request_body, self._base_url).encode()


@contextlib.contextmanager
def stored(data_dir: Path, base_url: str = "http://127.0.0.1:8080") -> Iterator[Stored]:
    """Open the store and read the journal into it; the caller holds the data directory."""
    from dragoman.clock import SystemClock
    from dragoman.events.bus import Bus
    from dragoman.keeper.ingest import Ingest

    with open_store(data_dir) as store:
        ingest = Ingest(data_dir / "journal", store, Bus("export"), SystemClock())
        try:
            ingest.drain()
        finally:
            ingest.close()
        yield Stored(store, base_url)


@contextlib.contextmanager
def open_store(data_dir: Path) -> Iterator[Any]:
    """Open the store of a data directory."""
    from dragoman.store import Store  # imports the database library

    store = Store(f"sqlite:///{data_dir / 'dragoman.db'}")
    store.open()
    try:
        yield store
    finally:
        store.close()
