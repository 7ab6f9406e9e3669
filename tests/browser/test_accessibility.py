"""axe finds nothing serious on any screen, in either theme."""

import pytest
from playwright.sync_api import Page, expect

from fakes.axe import serious
from fakes.browsing import call, chat
from fakes.dragoman import Dragoman

THEMES = ["light", "dark"]

SIGNS = {
    "messages": "[data-role=reply]",
    "request": "[role=tree]",
    "response": ".cm-content",
    "stream": "[role=table]",
    "timing": "tfoot",
}
TOOLS = [{"type": "function", "function": {"name": "tides", "parameters": {"type": "object", "properties": {}}}}]
SCREENS = {
    "traffic": ("/ui/traffic", "[role=grid] [data-id]"),
    "grouped": ("/ui/traffic?group=client", "[role=gridcell][aria-expanded]"),
    "nothing found": ("/ui/traffic?q=model:wolf", "text=match"),
    "connect": ("/ui/connect", "role=tabpanel"),
    "providers": ("/ui/providers", "article"),
    "no routes": ("/ui/routes", "text=There are no routes"),
    "storage": ("/ui/settings/storage", "text=On disk"),
    "appearance": ("/ui/settings/appearance", "text=Theme"),
    "shortcuts": ("/ui/settings/shortcuts", "kbd"),
    "system": ("/ui/settings/system", "text=Panic switch"),
}


@pytest.fixture(scope="module", autouse=True)
def traffic(dragoman: Dragoman) -> str:
    """Something of each kind on record; gives the id of an exchange with tools, streamed."""
    call(dragoman, chat("sim-error-429", "Seen by axe, failing"))
    call(dragoman, chat("sim-chat", "Seen by axe"))
    call(dragoman, chat("sim-tools", "Seen by axe, with tools", stream=True, tools=TOOLS))
    return dragoman.wait_exchanges(1, "model:sim-tools")[0]["id"]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", SCREENS)
def test_screen(name: str, theme: str, open_page) -> None:
    path, sign = SCREENS[name]
    page: Page = open_page(path, theme=theme)
    expect(page.locator(sign).first).to_be_visible()
    assert serious(page) == []


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("tab", ["messages", "request", "response", "stream", "timing"])
def test_tab(tab: str, theme: str, traffic: str, open_page) -> None:
    page: Page = open_page(f"/ui/traffic?peek={traffic}&tab={tab}", theme=theme)
    expect(page.get_by_role("tabpanel").locator(SIGNS[tab]).first).to_be_visible()
    assert serious(page) == []


@pytest.mark.parametrize("theme", THEMES)
def test_overlays(theme: str, traffic: str, open_page) -> None:
    page: Page = open_page("/ui/traffic", theme=theme)
    line = page.locator("[role=grid] [data-id]").first
    line.click(modifiers=["Control"])
    line.click(button="right")
    expect(page.get_by_role("menu")).to_be_visible()
    assert serious(page) == []
    page.keyboard.press("Escape")
    for key, role in (("?", "Keyboard"), ("Control+k", "Commands")):
        page.keyboard.press(key)
        expect(page.get_by_role("dialog", name=role)).to_be_visible()
        assert serious(page) == []
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Columns").click()
    expect(page.get_by_role("group", name="Columns")).to_be_visible()
    assert serious(page) == []


@pytest.mark.parametrize("theme", THEMES)
def test_form_of_a_provider(theme: str, open_page) -> None:
    page: Page = open_page("/ui/providers", theme=theme)
    page.get_by_role("button", name="Add provider").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.get_by_label("A key stored here").check()
    page.get_by_text("More", exact=True).click()
    assert serious(page) == []
