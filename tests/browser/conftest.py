"""Chromium in front of a real Dragoman with the simulator behind it.

Playwright's loop runs in the thread of the tests, so it is started and ended module by module: other tests of the
session have loops of their own. Each page must end without an error in its console.
"""

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from dragoman.simulator import Server
from fakes.dragoman import Dragoman, running_dragoman, simulator_as_provider
from fakes.simulated import running_simulator

CHROMIUM = os.environ.get("DRAGOMAN_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
WAIT_MS = 15_000
"""For what must come; a loaded machine with two cores is slow to draw."""

OpenPage = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser" in str(item.path):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def simulator() -> Iterator[Server]:
    with running_simulator() as server:
        yield server


@pytest.fixture(scope="session")
def dragoman(simulator: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dragoman]:
    providers = simulator_as_provider(simulator.url)
    with running_dragoman(tmp_path_factory.mktemp("dragoman"), providers=providers) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium was found; install chromium, or name it by DRAGOMAN_CHROMIUM")
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser, dragoman: Dragoman) -> Iterator[OpenPage]:
    """Open a path of the interface; `url` names another Dragoman, `theme` the system's theme, `size` the window."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # A status of 400 or more is logged by the browser itself; the page shows those in its own words.
        if message.type == "error" and "Failed to load resource" not in message.text:
            faults.append(message.text)

    def open_(path: str, *, url: str | None = None, theme: str = "light", size: tuple[int, int] = (1440, 900)) -> Page:
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if theme == "dark" else "light",
            permissions=["clipboard-read", "clipboard-write"],
            reduced_motion="reduce",
        )
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto((url or dragoman.url) + path)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not faults
