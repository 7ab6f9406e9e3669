"""One exchange: messages, bodies, stream, timing, copy and export."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from fakes.browsing import call, chat, until
from fakes.dragoman import Dragoman

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
CONVERSATION = {
    "model": "sim-chat",
    "max_tokens": 300,
    "system": [{"type": "text", "text": "You tell tides.", "cache_control": {"type": "ephemeral"}}],
    "tools": [{"name": "tides", "description": "Look up", "input_schema": {"type": "object", "properties": {}}}],
    "messages": [
        {"role": "user", "content": "When is high water?"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "tides", "input": {"at": "Dover"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "at 14:20"}]},
    ],
}
ANTHROPIC = {"path": "/v1/messages", "anthropic_version": "2023-06-01"}


def path_of(dragoman: Dragoman, query: str) -> str:
    """Where the newest exchange that a query finds is shown."""
    return f"/ui/traffic/{dragoman.wait_exchanges(1, query)[0]['id']}"


def test_a_tool_result_stands_in_the_card_of_its_call(dragoman: Dragoman, open_page) -> None:
    call(dragoman, CONVERSATION, **ANTHROPIC)
    page: Page = open_page(path_of(dragoman, '"14:20"'))
    turns = page.locator("[data-turn]")
    expect(turns).to_have_count(4)  # system, user, assistant with its result, reply
    card = turns.nth(2)
    expect(card).to_contain_text("tides")
    expect(card).to_contain_text("at 14:20")
    card.get_by_role("button", name="tides").click()
    expect(card).to_contain_text('"at": "Dover"')
    expect(turns.nth(0)).to_contain_text("cache mark")
    page.get_by_role("button", name="1 tool declared").click()
    expect(page.get_by_role("tabpanel")).to_contain_text("Look up")


def test_the_next_turn_shows_only_what_is_new(dragoman: Dragoman, open_page) -> None:
    said = [{"role": "user", "content": "Count the herons"}]
    first = json.loads(call(dragoman, {**CONVERSATION, "messages": said}, **ANTHROPIC))
    dragoman.wait_exchanges(1, "herons")
    said += [{"role": "assistant", "content": first["content"]}, {"role": "user", "content": "And the egrets?"}]
    call(dragoman, {**CONVERSATION, "messages": said}, **ANTHROPIC)
    page: Page = open_page(path_of(dragoman, "egrets"))
    expect(page.get_by_text("new since the turn before")).to_be_visible()
    panel = page.get_by_role("tabpanel")
    expect(panel).to_contain_text("And the egrets?")
    expect(panel).not_to_contain_text("Count the herons")
    page.get_by_role("button", name="1 earlier turn").click()
    expect(panel).to_contain_text("Count the herons")


def test_an_image_is_shown_and_a_remote_one_is_not_fetched(dragoman: Dragoman, open_page) -> None:
    content = [
        {"type": "text", "text": "Compare these herons"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
        {"type": "image_url", "image_url": {"url": "http://images.invalid/far.png"}},
    ]
    call(dragoman, {"model": "sim-image", "messages": [{"role": "user", "content": content}]})
    page: Page = open_page(path_of(dragoman, '"these herons"'))
    image = page.locator("figure img")
    expect(image).to_have_count(1)
    until(page, lambda: image.evaluate("image => image.naturalWidth") == 1, "the image")
    expect(page.get_by_text("http://images.invalid/far.png")).to_be_visible()


def test_markup_from_a_model_runs_nothing(dragoman: Dragoman, open_page) -> None:
    evil = '**bold** <img src=x onerror="window.pwned = 1"> <script>window.pwned = 1</script> [a](javascript:alert(1))'
    call(dragoman, chat("sim-echo", evil))
    page: Page = open_page(path_of(dragoman, "model:sim-echo bold"))
    expect(page.locator("[data-role=user] strong")).to_have_text("bold")
    expect(page.locator("[data-turn] img, [data-turn] script")).to_have_count(0)
    assert page.evaluate("window.pwned") is None


def test_bodies_as_tree_json_and_raw(dragoman: Dragoman, open_page) -> None:
    call(dragoman, chat("sim-chat", "Look at my body", metadata={"deep": {"key": "needle"}}))
    page: Page = open_page(path_of(dragoman, '"my body"'))
    page.keyboard.press("2")
    panel = page.get_by_role("tabpanel")
    expect(panel.get_by_role("tree")).to_contain_text("needle")
    expect(panel).to_contain_text("[REDACTED]")
    panel.get_by_role("treeitem", name=re.compile("metadata")).click()
    expect(panel.get_by_role("tree")).not_to_contain_text("needle")
    page.keyboard.press("Control+f")
    expect(panel.locator(".cm-content")).to_contain_text("needle")
    expect(panel.get_by_placeholder("Find")).to_be_visible()
    page.keyboard.press("Escape")
    panel.get_by_role("button", name="Raw").click()
    expect(panel.locator(".cm-content")).to_contain_text("Look at my body")
    page.get_by_role("tab", name="Response").click()
    expect(panel).to_contain_text("200 OK")


def test_the_stream_is_a_table_and_plays_again(dragoman: Dragoman, open_page) -> None:
    call(dragoman, chat("sim-long-30", "Stream me a table", stream=True), x_simulate_delay_ms="15")
    page: Page = open_page(path_of(dragoman, '"me a table"') + "?tab=stream")
    table = page.get_by_role("table", name="Events")
    expect(table.get_by_role("row").nth(1)).to_contain_text("choices")
    total = int(re.search(r"(\d+) events", page.get_by_role("tabpanel").inner_text())[1])
    assert total > 10
    page.get_by_role("button", name="Replay").click()
    expect(page.get_by_role("button", name="Stop replay")).to_be_visible()
    expect(page.get_by_role("button", name="Replay", exact=True)).to_be_visible()
    page.get_by_role("button", name="Raw").click()
    expect(page.locator(".cm-content")).to_contain_text("data: ")


def test_timing_shows_phases_and_overhead(dragoman: Dragoman, open_page) -> None:
    call(dragoman, chat("sim-long-20", "Time me", stream=True), x_simulate_delay_ms="10")
    page: Page = open_page(path_of(dragoman, '"Time me"') + "?tab=timing")
    panel = page.get_by_role("tabpanel")
    for words in ("streaming", "Gateway overhead", "Total"):
        expect(panel).to_contain_text(words)


@pytest.mark.parametrize(("key", "begins"), [("c", "curl"), ("p", "import|from|#"), ("j", "{"), ("l", "http")])
def test_copy_as_by_key(dragoman: Dragoman, open_page, key: str, begins: str) -> None:
    call(dragoman, chat("sim-chat", "Copy me"))
    page: Page = open_page(path_of(dragoman, '"Copy me"'))
    expect(page.get_by_role("tabpanel")).to_contain_text("Copy me")
    page.keyboard.press("y")
    page.keyboard.press(key)
    expect(page.get_by_text(re.compile("^Copied as"))).to_be_visible()
    text = page.evaluate("navigator.clipboard.readText()")
    assert re.match(begins, text)
    assert "sk-test-browser" not in text


def test_an_error_is_said_in_a_banner(dragoman: Dragoman, open_page) -> None:
    call(dragoman, chat("sim-error-429", "Refuse me"))
    page: Page = open_page(path_of(dragoman, '"Refuse me"'))
    expect(page.get_by_text(re.compile("Too many requests")).first).to_be_visible()


def test_what_does_not_exist_is_said(open_page) -> None:
    page: Page = open_page("/ui/traffic/01JD0000000000000000000000")
    expect(page.get_by_text("This exchange does not exist")).to_be_visible()
    page.get_by_role("button", name="Back to Traffic").click()
    expect(page.get_by_role("grid")).to_be_visible()
