"""The Traffic screen: live rows, filter, keys, peek, delete with undo, what happens when the connection is lost."""

import re

import pytest
from playwright.sync_api import APIResponse, Page, Route, expect

from fakes.browsing import call, calling, chat, row, until
from fakes.dragoman import Dragoman


def test_a_streamed_exchange_appears_and_its_tokens_tick(dragoman: Dragoman, open_page) -> None:
    page: Page = open_page("/ui/traffic")
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    with calling(dragoman, chat("sim-long-250", "Tick while I watch", stream=True), x_simulate_delay_ms="40"):
        line = row(page, "Tick while I watch")
        expect(line).to_have_attribute("data-state", "streaming")
        line.click()
        reply = page.locator("[data-role=reply]")
        expect(reply).to_be_visible()
        lengths = [len(reply.inner_text())]
        for _ in range(3):
            lengths.append(until(page, lambda: _longer(reply.inner_text(), lengths[-1]), "more of the reply"))
        assert lengths == sorted(set(lengths))
        assert line.get_attribute("data-state") == "streaming"
        figures = line.locator("[title*=' out']")
        before = figures.inner_text()
        until(page, lambda: figures.inner_text() != before, "another token count")
    expect(line).to_have_attribute("data-state", "done")
    expect(line).not_to_contain_text("≈")


def _longer(text: str, than: int) -> int:
    return len(text) if len(text) > than else 0


def test_stop_cuts_the_reply_and_keeps_what_came(dragoman: Dragoman, open_page) -> None:
    page: Page = open_page("/ui/traffic")
    with calling(dragoman, chat("sim-long-2000", "Stop me halfway", stream=True), x_simulate_delay_ms="40"):
        row(page, "Stop me halfway").click()
        expect(page.locator("[data-role=reply]")).to_contain_text(re.compile(r"\w{3}"))
        page.get_by_role("button", name="Stop", exact=True).click()
        expect(row(page, "Stop me halfway")).to_have_attribute("data-state", "stopped")
    expect(page.get_by_text("Stopped by hand")).to_be_visible()
    expect(page.locator("[data-role=reply]")).to_contain_text(re.compile(r"\w{3}"))


@pytest.mark.parametrize("query", ["", "?q=model:sim-long-300"])
def test_what_begins_while_the_list_is_read_appears(dragoman: Dragoman, open_page, query: str) -> None:
    page: Page = open_page("/ui/connect")
    expect(page.get_by_text("live", exact=True)).to_be_visible()
    held: list[tuple[Route, APIResponse]] = []

    def read_but_hold(route: Route) -> None:
        if held or "since_seq" in route.request.url:
            route.continue_()
        else:
            held.append((route, route.fetch()))

    page.route(re.compile(r"/api/exchanges\?"), read_but_hold)
    page.evaluate("query => window.history.pushState({}, '', '/ui/traffic' + query)", query)
    page.evaluate("window.dispatchEvent(new PopStateEvent('popstate', { state: {} }))")
    until(page, lambda: held, "the question for the list")
    text = f"Began while {query or 'all'} was read"
    with calling(dragoman, chat("sim-long-300", text, stream=True), x_simulate_delay_ms="40"):
        expect(page.get_by_role("contentinfo")).to_contain_text("1 in flight")
        route, old_list = held[0]
        route.fulfill(response=old_list)
        expect(row(page, text)).to_have_attribute("data-state", "streaming")
    expect(row(page, text)).to_have_attribute("data-state", "done")


def test_the_filter_asks_the_server_and_lies_in_the_url(dragoman: Dragoman, open_page) -> None:
    call(dragoman, chat("sim-error-429", "A call that fails"))
    call(dragoman, chat("sim-chat", "A call that works"))
    dragoman.wait_exchanges(1, "model:sim-error-429")
    page: Page = open_page("/ui/traffic")
    expect(row(page, "A call that works").first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("state:err")
    expect(page.get_by_role("option", name="error")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("q=state:error|q=state%3Aerror"))
    expect(row(page, "A call that fails").first).to_be_visible()
    expect(row(page, "A call that works")).to_have_count(0)
    call(dragoman, chat("sim-error-500", "Another that fails"))
    expect(row(page, "Another that fails")).to_be_visible()
    page.reload()
    expect(row(page, "A call that works")).to_have_count(0)
    expect(row(page, "A call that fails").first).to_be_visible()


def test_an_invalid_filter_says_why_and_the_last_valid_one_stays(dragoman: Dragoman, open_page) -> None:
    call(dragoman, chat("sim-chat", "Stay on screen"))
    dragoman.wait_exchanges(1, "Stay")
    page: Page = open_page("/ui/traffic?q=model:sim-chat")
    expect(row(page, "Stay on screen").first).to_be_visible()
    bar = page.get_by_role("combobox", name="Filter exchanges")
    bar.fill("model:sim-chat colour:red")
    expect(page.get_by_role("alert")).to_contain_text("colour")
    expect(bar).to_have_attribute("aria-invalid", "true")
    expect(row(page, "Stay on screen").first).to_be_visible()


def test_nothing_found_offers_to_take_terms_out(dragoman: Dragoman, open_page) -> None:
    call(dragoman, chat("sim-chat", "Not a wolf"))
    page: Page = open_page("/ui/traffic?q=model:wolf")
    expect(page.get_by_text(re.compile("^0 of "))).to_be_visible()
    page.get_by_role("button", name="Remove model:wolf").click()
    expect(row(page, "Not a wolf").first).to_be_visible()


def test_facets_filter_and_leave_out(dragoman: Dragoman, open_page) -> None:
    call(dragoman, chat("sim-echo", "Faceted"))
    dragoman.wait_exchanges(1, "model:sim-echo")
    page: Page = open_page("/ui/traffic")
    rail = page.get_by_role("complementary", name="Facets")
    rail.get_by_role("button", name=re.compile("^sim-echo")).click()
    expect(page.get_by_role("combobox", name="Filter exchanges")).to_have_value("model:sim-echo")
    rail.get_by_role("button", name=re.compile("^sim-echo")).click()
    expect(page.get_by_role("combobox", name="Filter exchanges")).to_have_value("")


def test_keys_walk_the_list_with_the_peek(dragoman: Dragoman, open_page) -> None:
    for word in ("first", "second", "third"):
        call(dragoman, chat("sim-chat", f"Walk {word}"))
    dragoman.wait_exchanges(3, "Walk")
    page: Page = open_page("/ui/traffic?q=Walk")
    expect(row(page, "Walk")).to_have_count(3)
    peek = page.get_by_role("complementary", name="Exchange")
    page.keyboard.press("j")
    page.keyboard.press("Space")
    expect(peek).to_contain_text("Walk third")
    page.keyboard.press("j")
    expect(peek).to_contain_text("Walk second")
    page.keyboard.press("ArrowDown")
    expect(peek).to_contain_text("Walk first")
    page.keyboard.press("k")
    expect(peek).to_contain_text("Walk second")
    page.keyboard.press("Escape")
    expect(peek).to_have_count(0)
    assert page.evaluate("document.activeElement.getAttribute('role')") == "grid"
    chosen = page.get_by_role("grid").get_attribute("aria-activedescendant")
    assert chosen == row(page, "Walk second").get_attribute("id")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/ui/traffic/[0-9A-Z]{26}"))
    expect(page.get_by_role("tabpanel")).to_contain_text("Walk second")
    page.keyboard.press("Escape")
    expect(row(page, "Walk")).to_have_count(3)


def test_delete_can_be_undone(dragoman: Dragoman, open_page) -> None:
    for word in ("one", "two", "three"):
        call(dragoman, chat("sim-chat", f"Remove {word}"))
    dragoman.wait_exchanges(3, "Remove")
    page: Page = open_page("/ui/traffic?q=Remove")
    expect(row(page, "Remove")).to_have_count(3)
    row(page, "Remove three").click(modifiers=["Control"])
    page.keyboard.press("J")
    expect(page.get_by_role("toolbar")).to_contain_text("2 selected")
    page.keyboard.press("Delete")
    expect(row(page, "Remove")).to_have_count(1)
    assert len(dragoman.exchanges("Remove")) == 1
    page.get_by_role("button", name="Undo").click()
    expect(row(page, "Remove")).to_have_count(3)
    assert len(dragoman.exchanges("Remove")) == 3


def test_new_rows_wait_while_the_view_is_paused(dragoman: Dragoman, open_page) -> None:
    call(dragoman, chat("sim-chat", "Before the pause"))
    page: Page = open_page("/ui/traffic")
    expect(row(page, "Before the pause").first).to_be_visible()
    page.keyboard.press("p")
    expect(page.get_by_role("contentinfo")).to_contain_text("paused")
    call(dragoman, chat("sim-chat", "During the pause"))
    pill = page.get_by_role("button", name="1 new")
    expect(pill).to_be_visible()
    expect(row(page, "During the pause")).to_have_count(0)
    pill.click()
    expect(row(page, "During the pause")).to_be_visible()


def test_the_list_stays_where_one_reads(dragoman: Dragoman, open_page) -> None:
    for number in range(30):
        call(dragoman, chat("sim-echo", f"Anchor {number:02}"))
    dragoman.wait_exchanges(30, "Anchor")
    page: Page = open_page("/ui/traffic", size=(1200, 500))
    grid = page.get_by_role("grid")
    expect(row(page, "Anchor 29").first).to_be_visible()
    grid.evaluate("grid => grid.scrollTo({ top: 200 })")
    until(page, lambda: grid.evaluate("grid => grid.scrollTop") > 150, "the scroll")
    top = page.evaluate("document.elementFromPoint(600, 250).closest('[data-id]').dataset.id")
    call(dragoman, chat("sim-echo", "Came while reading"))
    expect(page.get_by_role("button", name="1 new")).to_be_visible()
    assert page.evaluate("document.elementFromPoint(600, 250).closest('[data-id]').dataset.id") == top
    page.keyboard.press(".")
    expect(row(page, "Came while reading")).to_be_visible()


def test_grouping_by_client_opens_and_closes(dragoman: Dragoman, open_page) -> None:
    call(dragoman, chat("sim-chat", "Grouped call"), user_agent="OpenAI/Python 3.52.0")
    dragoman.wait_exchanges(1, "Grouped")
    page: Page = open_page("/ui/traffic?q=Grouped&group=client")
    group = page.locator("[role=row]", has_text="1 exchange")
    expect(group).to_be_visible()
    expect(row(page, "Grouped call")).to_have_count(0)
    group.click()
    expect(row(page, "Grouped call").first).to_be_visible()


def test_a_lost_connection_is_said_and_the_gap_is_filled(dragoman: Dragoman, open_page) -> None:
    page: Page = open_page("/ui/traffic")
    expect(page.get_by_role("contentinfo")).to_contain_text("live")
    keeper = dragoman.child("_keeper")
    keeper.suspend()
    try:
        page.wait_for_timeout(100)
    finally:
        keeper.kill()
    expect(page.get_by_role("contentinfo")).to_contain_text("reconnecting")
    call(dragoman, chat("sim-chat", "Said while nobody heard"))
    dragoman.wait_ready()
    expect(page.get_by_role("contentinfo")).to_contain_text("live")
    expect(row(page, "Said while nobody heard")).to_be_visible()


def test_a_reply_goes_on_when_the_connection_comes_back(dragoman: Dragoman, open_page) -> None:
    page: Page = open_page("/ui/traffic")
    expect(page.get_by_role("contentinfo")).to_contain_text("live")
    with calling(dragoman, chat("sim-long-2000", "Go on after the gap", stream=True), x_simulate_delay_ms="40"):
        row(page, "Go on after the gap").click()
        reply = page.locator("[data-role=reply]")
        expect(reply).to_contain_text(re.compile(r"\w{3}"))
        dragoman.child("_keeper").kill()
        expect(page.get_by_role("contentinfo")).to_contain_text("reconnecting")
        dragoman.wait_ready()
        expect(page.get_by_role("contentinfo")).to_contain_text("live")
        length = len(reply.inner_text())
        until(page, lambda: _longer(reply.inner_text(), length), "more of the reply")
        page.get_by_role("button", name="Stop", exact=True).click()
        expect(row(page, "Go on after the gap")).to_have_attribute("data-state", "stopped")


def test_palette_and_sheet_open_by_key(open_page) -> None:
    page: Page = open_page("/ui/traffic")
    expect(page.get_by_role("grid")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_contain_text("Delete with undo")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog", name="Commands")).to_be_visible()
    page.keyboard.type("settings")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/ui/settings"))
    page.keyboard.press("t")
    page.keyboard.press("p")
    expect(page).to_have_url(re.compile("/ui/providers"))


def test_a_narrow_window_has_bottom_nav_and_a_full_height_peek(dragoman: Dragoman, open_page) -> None:
    call(dragoman, chat("sim-chat", "On a small screen"))
    page: Page = open_page("/ui/traffic", size=(380, 760))
    row(page, "On a small screen").first.click()
    box = page.get_by_role("complementary", name="Exchange").bounding_box()
    nav = page.get_by_role("navigation", name="Screens").bounding_box()
    assert box
    assert nav
    assert box["width"] == 380
    assert box["height"] > 600
    assert nav["y"] > 680
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
