"""Take the pictures of docs/screenshots: each screen in both themes, from the demo's own traffic.

`make screenshots`. Needs Chromium; starts a demo of its own with a record that is thrown away.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from palette import shrink  # noqa: E402

from fakes.browsing import call  # noqa: E402
from fakes.dragoman import Dragoman, running_dragoman, simulator_as_provider  # noqa: E402
from fakes.simulated import running_simulator  # noqa: E402

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
        with running_simulator() as simulator, routed(Path(place) / "routed", simulator.url) as dragoman:
            shoot(browser, dragoman, routed_pictures(dragoman))
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
        "provider": ("/ui/providers", "article", add_provider),
        "storage": ("/ui/settings/storage", "text=On disk", nothing),
        "appearance": ("/ui/settings/appearance", "text=Theme", nothing),
        "keyboard": ("/ui/traffic", row, lambda page: page.keyboard.press("?")),
        "commands": ("/ui/traffic", row, lambda page: page.keyboard.press("Control+k")),
    }


def routed(place: Path, simulator: str) -> AbstractContextManager[Dragoman]:
    """Start a Dragoman whose routes lead to the simulator, and to a provider where nobody listens."""
    ours = {"key_env": "WORK_KEY"}
    providers = [
        *simulator_as_provider(simulator, name="Laboratory"),
        {"slug": "claude", "name": "Claude at work", "base_url": simulator, "auth": ours,
         "dialects": ["anthropic_messages"]},
        {"slug": "spare", "name": "Spare", "base_url": "http://127.0.0.1:9", "dialects": ["openai_chat"]},
    ]  # fmt: skip
    return running_dragoman(
        place, providers=providers, settings={"routes": FILED_ROUTES}, env={"WORK_KEY": "sk-not-a-real-key"}
    )


FILED_ROUTES = [
    {"name": "codex-to-claude", "model": "gpt-5*", "priority": 10,
     "targets": [{"provider": "claude", "model": "claude-sonnet-4-5"}, {"provider": "sim"}]},
    {"name": "stubborn", "model": "o5-mini", "priority": 20, "retry": {"attempts": 2},
     "targets": [{"provider": "spare"}, {"provider": "sim", "model": "gpt-5.5-mini"}]},
]  # fmt: skip
EDITED_ROUTES = [
    {"name": "brief", "model": "claude-haiku*", "priority": 30, "targets": [{"provider": "claude"}],
     "system": {"replace": [{"from": "You are a", "to": "Be a"}], "append": "Answer in one sentence."}},
    {"name": "local", "model": "llama3.2", "priority": 40,
     "targets": [{"provider": "sim", "dialect": "ollama_chat"}, {"provider": "claude", "model": "claude-haiku-4-5"}]},
    {"name": "everything-else", "prefix": "/team", "model": "*", "priority": 90, "is_active": False,
     "targets": [{"provider": "sim"}]},
]  # fmt: skip
TOOL = {"type": "function", "function": {
    "name": "tides", "description": "High and low water", "parameters": {
        "type": "object", "properties": {"port": {"type": "string"}}, "required": ["port"]}}}  # fmt: skip
ASKED = [
    {"role": "system", "content": "You know harbours. Answer in metres and local time."},
    {"role": "user", "content": "When is high water at Dover, and how high?"},
]


def routed_pictures(dragoman: Dragoman) -> Pictures:
    """Name the pictures of routes and of what they did."""
    for route in EDITED_ROUTES:
        dragoman.api("/api/routes", method="POST", body=route)
    whole = {"model": "gpt-5.5", "messages": ASKED, "tools": [TOOL], "seed": 7, "logit_bias": {"50256": -100}}
    for _ in range(3):
        call(dragoman, {"model": "o5-mini", "messages": ASKED})
        call(dragoman, {**whole, "stream": True})
    call(dragoman, {**whole, "stream": False})
    translated = newest(dragoman, "route:codex-to-claude stream:no")
    retried = dragoman.wait_exchanges(3, "route:stubborn")[0]["id"]
    return {
        "providers": ("/ui/providers", "article", nothing),
        "routes": ("/ui/routes", "[data-route]", nothing),
        "try-a-call": ("/ui/routes?model=gpt-5.5", ".cm-content", nothing),
        "route": ("/ui/routes", "[data-route]", lambda page: page.get_by_role("button", name="Edit brief").click()),
        "translated": (f"/ui/traffic/{translated}", "[data-role=reply]", open_losses),
        "compared": (f"/ui/traffic/{translated}?tab=request&side=diff", ".cm-changedText", nothing),
        "attempts": (f"/ui/traffic/{retried}?tab=timing", "tfoot", nothing),
    }


def open_losses(page: Page) -> None:
    page.get_by_role("button", name="could not cross").click()


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
