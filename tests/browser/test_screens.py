"""Connect, providers, settings, login."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from dragoman.simulator import Server
from fakes.browsing import call, chat, row
from fakes.dragoman import Dragoman, running_dragoman


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dragoman]:
    """A Dragoman as it is at its first start."""
    with running_dragoman(tmp_path_factory.mktemp("empty")) as running:
        yield running


def test_the_first_start_says_how_to_connect_and_shows_a_test_request(empty: Dragoman, open_page) -> None:
    page: Page = open_page("/", url=empty.url)
    expect(page).to_have_url(re.compile("/ui/traffic"))
    expect(page.get_by_role("heading", name="Connect a client")).to_be_visible()
    expect(page.get_by_text("Waiting for the first request")).to_be_visible()
    page.get_by_role("tab", name="Codex").click()
    expect(page.get_by_role("tabpanel")).to_contain_text(f"{empty.url}/v1")
    page.get_by_role("button", name="Send a test request").click()
    expect(page.get_by_role("grid")).to_be_visible()
    line = page.locator("[role=grid] [data-id]")
    expect(line).to_have_count(1)
    line.click()
    expect(page.locator("[data-role=reply]")).to_contain_text(re.compile(r"\w+"))


def test_a_provider_is_added_tried_edited_and_deleted(dragoman: Dragoman, simulator: Server, open_page) -> None:
    page: Page = open_page("/ui/providers")
    page.get_by_role("button", name="Add provider").click()
    form = page.get_by_role("dialog", name="Add a provider")
    form.get_by_label("Slug").fill("lab")
    form.get_by_label("Name").first.fill("Laboratory")
    form.get_by_label("Base URL").fill("ftp://nowhere")
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_role("alert").first).to_be_visible()
    form.get_by_label("Base URL").fill(simulator.url)
    form.get_by_label("A key stored here").check()
    form.get_by_label("Key", exact=True).fill("sk-laboratory-secret")
    form.get_by_role("button", name="Save").click()
    expect(form).to_have_count(0)
    card = page.get_by_role("article").filter(has_text="Laboratory")
    expect(card).to_contain_text("key stored here")
    assert "sk-laboratory-secret" not in page.content()
    card.get_by_role("button", name="Test").click()
    expect(card.get_by_role("status")).to_contain_text("works")
    card.get_by_role("button", name=re.compile("Models")).click()
    expect(card).to_contain_text("sim-chat")
    card.get_by_role("button", name="Edit Laboratory").click()
    page.get_by_role("dialog").get_by_label("Name").first.fill("Annex")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    card = page.get_by_role("article").filter(has_text="Annex")
    expect(card).to_contain_text("key stored here")
    card.get_by_role("button", name="Delete Annex").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("article").filter(has_text="Annex")).to_have_count(0)


def test_a_provider_of_the_file_is_read_only(open_page) -> None:
    page: Page = open_page("/ui/providers")
    card = page.get_by_role("article").filter(has_text="/sim")
    expect(card).to_contain_text("named.yaml")
    expect(card.get_by_role("button", name=re.compile("^(Edit|Delete)"))).to_have_count(0)


def test_retention_is_saved_and_says_what_it_would_delete(dragoman: Dragoman, open_page) -> None:
    page: Page = open_page("/ui/settings/storage")
    expect(page.get_by_text("On disk")).to_be_visible()
    page.get_by_label("Keep bodies for").fill("14")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Retention saved")).to_be_visible()
    assert dragoman.api("/api/settings")["retention"]["bodies_s"] == 14 * 86_400
    expect(page.get_by_text("The next run would delete")).to_be_visible()


def test_deleting_by_filter_asks_for_the_count(dragoman: Dragoman, open_page) -> None:
    for number in range(2):
        call(dragoman, chat("sim-chat", f"Sweep away {number}"))
    dragoman.wait_exchanges(2, "Sweep")
    page: Page = open_page("/ui/settings/storage")
    page.get_by_label("Filter").fill("Sweep")
    page.get_by_role("button", name="Count").click()
    expect(page.get_by_text("2 match")).to_be_visible()
    page.get_by_role("button", name="Delete 2").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Delete 2")).to_be_disabled()
    dialog.get_by_label("Type 2 to delete them").fill("2")
    dialog.get_by_role("button", name="Delete 2").click()
    expect(page.get_by_text("2 exchanges deleted")).to_be_visible()
    assert dragoman.exchanges("Sweep") == []
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("2 exchanges restored")).to_be_visible()
    assert len(dragoman.exchanges("Sweep")) == 2


def test_the_theme_holds_over_a_reload_and_from_the_first_paint(open_page) -> None:
    page: Page = open_page("/ui/settings/appearance")
    assert not page.evaluate("document.documentElement.classList.contains('dark')")
    page.get_by_label("Dark").check()
    assert page.evaluate("document.documentElement.classList.contains('dark')")
    page.route("**/assets/*.js", lambda route: route.abort())
    page.reload(wait_until="domcontentloaded")
    assert page.evaluate("document.documentElement.classList.contains('dark')")


def test_the_panic_switch_refuses_and_lets_pass_again(dragoman: Dragoman, open_page) -> None:
    page: Page = open_page("/ui/settings/system")
    page.get_by_role("button", name="Refuse all requests").click()
    expect(page.get_by_role("contentinfo")).to_contain_text("all requests refused")
    assert b"panic" in call(dragoman, chat("sim-chat", "During the panic"))
    page.get_by_role("button", name="Let requests pass again").click()
    expect(page.get_by_role("contentinfo")).not_to_contain_text("all requests refused")


def test_a_password_leads_through_the_login_page(tmp_path, open_page) -> None:
    with running_dragoman(tmp_path, env={"DRAGOMAN_PASSWORD": "open sesame"}) as guarded:
        page: Page = open_page("/ui/settings/system", url=guarded.url)
        page.get_by_label(re.compile("password", re.IGNORECASE)).fill("open sesame")
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("/ui/"))
        page.goto(f"{guarded.url}/ui/settings/system")
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_label(re.compile("password", re.IGNORECASE))).to_be_visible()


def test_columns_are_chosen_and_kept(dragoman: Dragoman, open_page) -> None:
    call(dragoman, chat("sim-chat", "Column test"))
    page: Page = open_page("/ui/traffic")
    expect(row(page, "Column test").first).to_be_visible()
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("button", name="Debug").click()
    page.keyboard.press("Escape")
    head = page.get_by_role("columnheader", name="Path")
    expect(head).to_be_visible()
    page.reload()
    expect(head).to_be_visible()
