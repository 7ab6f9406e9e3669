"""What the browser tests do again and again: calls through Dragoman in the background, and looks at the list."""

import contextlib
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPException
from typing import Any

from playwright.sync_api import Locator, Page

from fakes.dragoman import Dragoman

WAIT_S = 15.0


def chat(model: str, text: str, *, stream: bool = False, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream, **more}


def call(dragoman: Dragoman, body: dict[str, Any], *, path: str = "/v1/chat/completions", **headers: str) -> bytes:
    """Send one call through Dragoman to its end; what an error status says is given too."""
    request = urllib.request.Request(f"{dragoman.url}{path}", data=json.dumps(body).encode())
    request.add_header("content-type", "application/json")
    request.add_header("authorization", "Bearer sk-test-browser")
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.read()


@contextlib.contextmanager
def calling(dragoman: Dragoman, body: dict[str, Any], **options: str) -> Iterator[threading.Thread]:
    """Send one call in the background; the block's end waits for it, and takes it as it ended."""

    def run() -> None:
        with contextlib.suppress(OSError, HTTPException):  # a stream that was stopped ends in the middle
            call(dragoman, body, **options)

    thread = threading.Thread(target=run, name="call")
    thread.start()
    try:
        yield thread
    finally:
        thread.join(60)


def row(page: Page, text: str) -> Locator:
    """Find the rows of the list that hold a text."""
    return page.locator("[role=grid] [data-id]", has_text=text)


def until(page: Page, holds: Callable[[], Any], what: str) -> Any:
    """Look again and again until `holds()` gives something true; the page goes on meanwhile."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        found = holds()
        if found:
            return found
        page.wait_for_timeout(30)
    raise AssertionError(f"{what} did not come within {WAIT_S} s")
