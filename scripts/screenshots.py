"""Take the pictures of docs/screenshots: each screen in both themes, from the demo's own traffic.

`make screenshots`. Needs Chromium; starts a demo of its own with a record that is thrown away.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from palette import shrink  # noqa: E402

from fakes.dragoman import Dragoman, running_dragoman  # noqa: E402

TARGET = ROOT / "docs" / "screenshots"
CHROMIUM = os.environ.get("DRAGOMAN_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
HEIGHT = 760
ENOUGH = 90
"""Exchanges to wait for, so that the list and the timeline are full."""
LIMIT_BYTES = 150_000


def main() -> None:
    if CHROMIUM is None:
        raise SystemExit("screenshots: no Chromium was found; install it, or name it by DRAGOMAN_CHROMIUM")
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        with running_dragoman(Path(place) / "empty") as empty:
            shoot(browser, empty, {"first-start": ("/ui/traffic", "[role=tabpanel]", nothing)})
        with running_dragoman(Path(place) / "guarded", env={"DRAGOMAN_PASSWORD": "a long password"}) as guarded:
            shoot(browser, guarded, {"login": ("/ui/", "form", nothing)})
        with running_dragoman(Path(place) / "demo", command="demo") as demo:
            demo.wait_exchanges(ENOUGH, limit_s=300)
            shoot(browser, demo, pictures(demo))
            shoot(browser, demo, {"narrow": ("/ui/traffic", "[data-id]", nothing)}, width=420)
        browser.close()


Pictures = dict[str, tuple[str, str, Callable[[Page], object]]]
"""By name: the path, what must be there, and what to do before."""


def shoot(browser: Browser, dragoman: Dragoman, wanted: Pictures, *, width: int = 1280) -> None:
    for theme in ("light", "dark"):
        shoot_in(browser, dragoman, wanted, theme, width)


def shoot_in(browser: Browser, dragoman: Dragoman, wanted: Pictures, theme: str, width: int) -> None:
    size: ViewportSize = {"width": width, "height": HEIGHT}
    context = browser.new_context(viewport=size, color_scheme="dark" if theme == "dark" else "light")
    for name, (path, sign, act) in wanted.items():
        page = context.new_page()
        page.goto(dragoman.url + path)
        page.locator(sign).first.wait_for()
        act(page)
        page.wait_for_timeout(900)  # fonts, charts and the tail of what loads late
        file = TARGET / f"{name}-{theme}.png"
        file.write_bytes(shrink(page.screenshot()))
        size = file.stat().st_size
        print(f"{file.relative_to(ROOT)}  {size // 1000} kB{'  TOO LARGE' if size > LIMIT_BYTES else ''}")
        page.close()
    context.close()


def pictures(demo: Dragoman) -> Pictures:
    """Name the pictures of the demo."""
    agent = newest(demo, "client:claude-code turns:>8 stop:tool_use")
    streamed = newest(demo, "dialect:openai_chat stream:yes out:>20 state:done")
    row = "[role=grid] [data-id]"
    return {
        "traffic": ("/ui/traffic", row, nothing),
        "filter": ("/ui/traffic?q=state:error", row, complete),
        "conversations": ("/ui/traffic?group=conversation", "[data-group]", open_group),
        "peek": (f"/ui/traffic?peek={agent}", "[data-role=reply]", nothing),
        "messages": (f"/ui/traffic/{agent}", "[data-role=reply]", nothing),
        "request": (f"/ui/traffic/{agent}?tab=request", "[role=tree]", nothing),
        "stream": (f"/ui/traffic/{streamed}?tab=stream", "[role=table]", nothing),
        "timing": (f"/ui/traffic/{streamed}?tab=timing", "tfoot", nothing),
        "connect": ("/ui/connect", "[role=tabpanel]", nothing),
        "providers": ("/ui/providers", "article", nothing),
        "provider": ("/ui/providers", "article", add_provider),
        "storage": ("/ui/settings/storage", "text=On disk", nothing),
        "appearance": ("/ui/settings/appearance", "text=Theme", nothing),
        "keyboard": ("/ui/traffic", row, lambda page: page.keyboard.press("?")),
        "commands": ("/ui/traffic", row, lambda page: page.keyboard.press("Control+k")),
    }


def newest(demo: Dragoman, query: str) -> str:
    return demo.wait_exchanges(1, query, limit_s=120)[0]["id"]


def nothing(page: Page) -> None:
    """The page is right as it opens."""


def complete(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.press("End")
    page.keyboard.type(" cl")


def open_group(page: Page) -> None:
    page.locator("[data-group]", has_text="exchanges").nth(1).click()


def add_provider(page: Page) -> None:
    page.get_by_role("button", name="Add provider").click()
    page.get_by_label("A key stored here").check()


if __name__ == "__main__":
    main()
