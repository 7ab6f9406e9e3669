"""What was done to a call on its way: translation and losses, both sides of the bodies, attempts."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from dragoman.simulator import Server
from fakes.axe import serious
from fakes.browsing import call, chat, row
from fakes.dragoman import Dragoman, running_dragoman, simulator_as_provider

ROUTES = [
    {"name": "to-claude", "model": "far*", "targets": [{"provider": "claude", "model": "sim-chat"}]},
    {"name": "stubborn", "model": "hard*", "targets": [{"provider": "dead"}, {"provider": "sim", "model": "sim-chat"}]},
    {"name": "renamed", "model": "alias", "targets": [{"provider": "sim", "model": "sim-chat"}]},
]


@pytest.fixture(scope="module")
def routed(simulator: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dragoman]:
    providers = [
        *simulator_as_provider(simulator.url),
        {"slug": "claude", "base_url": simulator.url, "dialects": ["anthropic_messages"]},
        {"slug": "dead", "base_url": "http://127.0.0.1:9", "dialects": ["openai_chat"]},
    ]
    place = tmp_path_factory.mktemp("way")
    with running_dragoman(place, providers=providers, settings={"routes": ROUTES}) as running:
        yield running


def record(dragoman: Dragoman, body: dict[str, Any]) -> str:
    """Send a call, and give where it is shown."""
    call(dragoman, body)
    phrase = '"' + body["messages"][0]["content"] + '"'
    return f"/ui/traffic/{dragoman.wait_exchanges(1, phrase)[0]['id']}"


def test_a_translation_is_said_with_what_it_lost(routed: Dragoman, open_page) -> None:
    path = record(routed, chat("far-away", "Count my losses", logit_bias={"50256": -100}, seed=7))
    page: Page = open_page(path, url=routed.url)
    expect(page.get_by_text("Translated openai_chat → anthropic_messages")).to_be_visible()
    expect(page.get_by_text("by the route to-claude")).to_be_visible()
    expect(page.get_by_text("$.logit_bias")).to_have_count(0)
    page.get_by_role("button", name=re.compile("could not cross$")).click()
    losses = page.get_by_role("region", name="What could not cross")
    expect(losses.get_by_role("row").filter(has_text="$.logit_bias")).to_contain_text("anthropic_messages")
    expect(losses).to_contain_text("$.seed")
    expect(page.locator("dl").first).to_contain_text("to-claude")
    expect(page.locator("[data-role=reply]")).to_contain_text(re.compile(r"\w{3}"))


def test_a_request_is_seen_as_received_as_sent_and_compared(routed: Dragoman, open_page) -> None:
    path = record(routed, chat("far-away", "Compare my two sides", seed=7))
    page: Page = open_page(path, url=routed.url)
    page.get_by_role("link", name="See what was sent").click()
    expect(page).to_have_url(re.compile("side=diff"))
    panes = page.get_by_role("tabpanel").locator(".cm-content")
    expect(panes).to_have_count(2)
    expect(panes.nth(0)).to_contain_text('"far-away"')
    expect(panes.nth(1)).to_contain_text('"sim-chat"')
    expect(panes.nth(0).locator(".cm-changedText").first).to_be_visible()
    page.keyboard.press("u")
    panel = page.get_by_role("tabpanel")
    expect(panel.get_by_role("tree")).to_contain_text("max_tokens")
    expect(panel).to_contain_text("POST http")
    expect(panel).to_contain_text("anthropic-version")
    page.reload()
    expect(panel.get_by_role("tree")).to_contain_text("max_tokens")
    page.get_by_role("button", name="As received").click()
    expect(panel.get_by_role("tree")).to_contain_text("seed")
    expect(page).not_to_have_url(re.compile("side="))


def test_a_reply_is_seen_as_it_came_and_as_it_went(routed: Dragoman, open_page) -> None:
    path = record(routed, chat("far-away", "Answer me twice"))
    page: Page = open_page(f"{path}?tab=response", url=routed.url)
    panel = page.get_by_role("tabpanel")
    expect(panel.get_by_role("tree")).to_contain_text("choices")
    panel.get_by_role("button", name="As received").click()
    expect(panel.get_by_role("tree")).to_contain_text("stop_reason")
    page.keyboard.press("d")
    panes = panel.locator(".cm-content")
    expect(panes.nth(0)).to_contain_text('"stop_reason"')
    expect(panes.nth(1)).to_contain_text('"choices"')


def test_a_stream_is_seen_as_it_came_and_as_it_went(routed: Dragoman, open_page) -> None:
    path = record(routed, chat("far-away", "Stream to me twice", stream=True))
    page: Page = open_page(f"{path}?tab=stream", url=routed.url)
    table = page.get_by_role("table", name="Events")
    expect(table).to_contain_text("choices")
    page.get_by_role("button", name="As received").click()
    expect(table).to_contain_text("message_start")
    page.get_by_role("button", name="Raw").click()
    expect(page.locator(".cm-content")).to_contain_text("event: message_start")


def test_streams_of_two_dialects_are_compared_by_what_they_say(routed: Dragoman, open_page) -> None:
    path = record(routed, chat("far-away", "Say the same twice", stream=True))
    page: Page = open_page(f"{path}?tab=response&side=diff", url=routed.url)
    way = page.get_by_role("combobox", name="How to compare")
    expect(way).to_have_value("understood")
    changed = page.locator(".cm-merge-b .cm-changedLine")
    expect(changed.filter(has_text="far-away")).to_have_count(1)
    expect(changed.filter(has_text='"text"')).to_have_count(0)
    way.select_option("kept")
    expect(page.locator(".cm-merge-a .cm-content")).to_contain_text("event: message_start")


def test_attempts_are_told_one_by_one(routed: Dragoman, open_page) -> None:
    path = record(routed, chat("hard-to-reach", "Try twice for me"))
    page: Page = open_page(path, url=routed.url)
    page.get_by_role("button", name="2 attempts were made.").click()
    lines = page.get_by_role("table", name="Attempts").get_by_role("row")
    expect(lines).to_have_count(3)
    expect(lines.nth(1)).to_contain_text("dead")
    expect(lines.nth(1)).to_contain_text("connect_failed")
    expect(lines.nth(2)).to_contain_text("sim")
    expect(lines.nth(2)).to_contain_text("200")
    expect(lines.nth(2)).to_contain_text("sim-chat")
    page.keyboard.press("5")
    expect(page.get_by_role("tabpanel").get_by_role("table", name="Attempts")).to_contain_text("connect_failed")


def test_a_renamed_model_is_the_only_difference(routed: Dragoman, open_page) -> None:
    path = record(routed, chat("alias", "Call me by another name"))
    page: Page = open_page(f"{path}?tab=request&side=diff", url=routed.url)
    expect(page.get_by_text("Altered on its way:")).to_be_visible()
    panel = page.get_by_role("tabpanel")
    expect(panel.locator(".cm-changedLine")).to_have_count(2)  # one on each side
    expect(panel.locator(".cm-content").nth(1)).to_contain_text('"sim-chat"')


def test_an_untouched_call_has_one_side(routed: Dragoman, open_page) -> None:
    path = record(routed, chat("sim-chat", "Leave me as I am"))
    page: Page = open_page(f"{path}?tab=request&side=diff", url=routed.url)
    expect(page.get_by_role("tabpanel").get_by_role("tree")).to_contain_text("Leave me as I am")
    expect(page.get_by_role("group", name="Which side")).to_have_count(0)


def test_translated_calls_are_found_and_marked_in_the_list(routed: Dragoman, open_page) -> None:
    record(routed, chat("far-away", "Find me by my way"))
    record(routed, chat("sim-chat", "Do not find me"))
    page: Page = open_page("/ui/traffic?q=upstream:anthropic_messages", url=routed.url)
    line = row(page, "Find me by my way")
    expect(line).to_be_visible()
    expect(line.get_by_title("was translated to another dialect")).to_be_visible()
    expect(row(page, "Do not find me")).to_have_count(0)
    page.goto(f"{routed.url}/ui/traffic?q=route:to-claude")
    expect(line).to_be_visible()
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("checkbox", name="Route").check()
    page.keyboard.press("Escape")
    expect(page.get_by_role("columnheader", name="Route")).to_be_visible()
    expect(line).to_contain_text("to-claude")


def test_both_sides_are_compared_in_a_narrow_window(routed: Dragoman, open_page) -> None:
    path = record(routed, chat("far-away", "Compare on a small screen"))
    page: Page = open_page(f"{path}?tab=request&side=diff", url=routed.url, size=(380, 760))
    expect(page.locator(".cm-content")).to_have_count(1)
    expect(page.locator(".cm-changedLine").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 380


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(routed: Dragoman, open_page, theme: str) -> None:
    path = record(routed, chat("far-away", f"Look me over in the {theme}", seed=7))
    page: Page = open_page(f"{path}?tab=request&side=diff", url=routed.url, theme=theme)
    expect(page.locator(".cm-changedText").first).to_be_visible()
    page.get_by_role("button", name=re.compile("could not cross$")).click()
    assert serious(page) == []
    page.goto(routed.url + record(routed, chat("hard-one", f"Try in the {theme}")) + "?tab=timing")
    page.get_by_role("button", name="2 attempts were made.").click()
    expect(page.get_by_role("table", name="Attempts")).to_have_count(2)
    assert serious(page) == []
