"""Models & routes: health and breakers of providers, the table of routes, and the call that is only thought of."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from dragoman.simulator import Server
from fakes.axe import serious
from fakes.browsing import call, chat, row, until
from fakes.dragoman import Dragoman, running_dragoman, simulator_as_provider

LITELLM = """
model_list:
  - model_name: fast-chat
    litellm_params:
      model: openai/gpt-5-mini
      api_key: os.environ/OPENAI_API_KEY
"""
NOBODY = "http://127.0.0.1:9"
FILED = [
    {"name": "from-file", "model": "filed*", "priority": 40, "targets": [{"provider": "claude", "model": "sim-chat"}]},
]

SIM_ROUTES = [{"name": "mine", "model": "alpha", "targets": [{"provider": "sim"}]}]


@pytest.fixture(scope="module")
def routed(simulator: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dragoman]:
    """A Dragoman with two providers at the simulator, one that nobody answers for, and a route of its file."""
    providers = [
        *simulator_as_provider(simulator.url),
        {"slug": "claude", "base_url": simulator.url, "dialects": ["anthropic_messages"]},
        {"slug": "dead", "base_url": NOBODY, "dialects": ["openai_chat"]},
        {"slug": "llamas", "base_url": simulator.url, "dialects": ["ollama_chat"]},
    ]
    place = tmp_path_factory.mktemp("routed")
    with running_dragoman(place, providers=providers, settings={"routes": FILED}) as running:
        yield running


@pytest.fixture
def edited(routed: Dragoman) -> Iterator[Dragoman]:
    """The same without routes of earlier tests."""
    yield routed
    for route in routed.api("/api/routes")["items"]:
        if route["is_editable"]:
            routed.api(f"/api/routes/{route['name']}", method="DELETE")


def save(dragoman: Dragoman, name: str, **fields: object) -> None:
    """Save a route as another tab would."""
    dragoman.api("/api/routes", method="POST", body={"name": name, "targets": [{"provider": "sim"}], **fields})


def line(page: Page, name: str) -> Locator:
    return page.locator(f"[data-route={name}]")


def names(page: Page) -> list[str]:
    return [one.get_attribute("data-route") or "" for one in page.locator("[data-route]").all()]


def test_a_route_is_added_used_edited_switched_off_and_deleted(edited: Dragoman, open_page) -> None:
    page: Page = open_page("/ui/routes", url=edited.url)
    page.get_by_role("button", name="Add route").first.click()
    form = page.get_by_role("dialog", name="Add a route")
    form.get_by_label("Name").fill("fast")
    form.get_by_label("Model", exact=True).fill("quick*")
    form.get_by_role("combobox", name=re.compile("^Provider")).first.select_option("claude")
    form.get_by_label("Model there").fill("sim-chat")
    form.get_by_role("button", name="Save").click()
    expect(form).to_have_count(0)
    expect(line(page, "fast")).to_contain_text("quick*")
    expect(line(page, "fast")).to_contain_text("claude")
    call(edited, chat("quick-one", "Go by the fast route"))
    edited.wait_exchanges(1, "route:fast")
    page.reload()
    line(page, "fast").get_by_role("link", name="1").click()
    expect(row(page, "Go by the fast route")).to_be_visible()
    page.go_back()
    page.get_by_role("button", name="Edit fast").click()
    form = page.get_by_role("dialog", name="Edit the route fast")
    form.get_by_role("button", name="Add a fallback").click()
    form.get_by_role("group", name="Target 2").get_by_role("combobox", name=re.compile("^Provider")).select_option(
        "sim"
    )
    form.get_by_text("System prompt", exact=True).click()
    form.get_by_label("Append", exact=True).fill("Be brief.")
    form.get_by_role("button", name="Save").click()
    expect(line(page, "fast")).to_contain_text("1 fallback")
    expect(line(page, "fast")).to_contain_text("text appended")
    line(page, "fast").get_by_role("switch").click()
    expect(line(page, "fast").get_by_role("switch")).not_to_be_checked()
    assert edited.api("/api/routes/fast")["is_active"] is False
    page.get_by_role("button", name="Delete fast").click()
    expect(line(page, "fast")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(line(page, "fast")).to_contain_text("text appended")
    assert edited.api("/api/routes/fast")["system"]["append"] == "Be brief."


def test_what_is_wrong_with_a_route_is_said_at_its_field(edited: Dragoman, open_page) -> None:
    page: Page = open_page("/ui/routes", url=edited.url)
    expect(line(page, "from-file")).to_be_visible()
    page.keyboard.press("a")
    form = page.get_by_role("dialog", name="Add a route")
    form.get_by_label("Name").fill("bad")
    form.get_by_label("Model", exact=True).fill("a*b")
    form.get_by_role("combobox", name=re.compile("^Provider")).first.select_option("sim")
    form.get_by_role("button", name="Save").click()
    alert = form.get_by_role("alert")
    expect(alert).to_have_count(1)
    expect(alert).to_contain_text("a*b")
    form.get_by_label("Model", exact=True).fill("fine")
    form.get_by_label("Name").fill("from-file")
    form.get_by_role("button", name="Save").click()
    expect(alert).to_contain_text("already")


def test_a_route_that_was_changed_elsewhere_meanwhile_is_not_overwritten(edited: Dragoman, open_page) -> None:
    save(edited, "shared", model="one")
    page: Page = open_page("/ui/routes", url=edited.url)
    page.get_by_role("button", name="Edit shared").click()
    form = page.get_by_role("dialog", name="Edit the route shared")
    form.get_by_label("Model", exact=True).fill("two")
    body = {"model": "three", "targets": [{"provider": "sim"}]}
    edited.api("/api/routes/shared", method="PUT", body=body)
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_role("alert")).to_contain_text("changed meanwhile")
    assert edited.api("/api/routes/shared")["model"] == "three"


def test_a_route_of_the_file_is_read_only_and_says_where_it_stands(routed: Dragoman, open_page) -> None:
    page: Page = open_page("/ui/routes", url=routed.url)
    filed = line(page, "from-file")
    expect(filed).to_contain_text("named.yaml:")
    expect(filed.get_by_role("switch")).to_be_disabled()
    expect(filed.get_by_role("button")).to_have_count(0)


def test_routes_are_put_in_order_by_buttons_and_keys(edited: Dragoman, open_page) -> None:
    for at, name in enumerate(("first", "second", "third")):
        save(edited, name, model="same*", priority=10 * (at + 1))
    page: Page = open_page("/ui/routes", url=edited.url)
    expect(line(page, "third")).to_be_visible()
    assert names(page) == ["first", "second", "third", "from-file"]
    page.get_by_role("button", name="Ask third earlier").click()
    until(page, lambda: names(page)[:3] == ["first", "third", "second"], "the new order")
    expect(page.get_by_role("button", name="Ask third earlier")).to_be_focused()
    page.keyboard.press("Alt+ArrowUp")
    until(page, lambda: names(page)[0] == "third", "the route at the top")
    explained = edited.api("/api/routes/explain", method="POST", body={"model": "same-thing"})
    assert explained["route"] == "third"
    expect(page.get_by_role("button", name="Ask third earlier")).to_be_disabled()


def test_a_call_is_tried_without_being_sent(edited: Dragoman, open_page) -> None:
    save(edited, "other", model="other", priority=10)
    page: Page = open_page("/ui/routes", url=edited.url)
    expect(line(page, "other")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("filed-model")
    box = page.get_by_role("region", name="Try a call")
    expect(box).to_contain_text("from-file takes this call")
    expect(page).to_have_url(re.compile("model=filed-model"))
    expect(line(page, "from-file")).to_contain_text("wins")
    expect(line(page, "other")).to_contain_text("does not match")
    expect(box.locator(".cm-content")).to_contain_text('"sim-chat"')
    box.get_by_role("button", name="Paste a request").click()
    pasted = {**chat("filed-model", "Rewrite me"), "logit_bias": {"50256": -100}}
    area = box.get_by_label("Request body")
    area.fill("{")
    expect(box).to_contain_text("not JSON yet")
    area.fill(json.dumps(pasted))
    expect(box).to_contain_text("$.logit_bias")
    expect(box.locator(".cm-content")).to_contain_text("Rewrite me")
    box.get_by_role("button", name="Against yours").click()
    expect(box.locator(".cm-changedLine, .cm-deletedChunk").first).to_be_visible()
    box.get_by_role("button", name="Headers").click()
    expect(box.locator(".cm-content")).to_contain_text(re.compile("content-type", re.IGNORECASE))
    box.get_by_text("Call it", exact=True).click()
    expect(box.get_by_role("button", name=re.compile("^Copy"))).to_be_visible()
    assert edited.exchanges("Rewrite") == []
    box.get_by_role("button", name="Clear").click()
    expect(box.get_by_role("status")).to_have_count(0)
    page.get_by_label("Model", exact=True).fill("nobody-takes-this")
    expect(box).to_contain_text("No route takes it; it goes to sim")
    page.reload()
    expect(box).to_contain_text("No route takes it; it goes to sim")


def test_health_and_breaker_of_a_provider_are_shown(edited: Dragoman, open_page) -> None:
    save(edited, "doomed", model="doomed", targets=[{"provider": "dead"}])
    for _ in range(8):
        call(edited, chat("doomed", "Nobody is there"))
    call(edited, chat("sim-chat", "Somebody is there"))
    edited.wait_exchanges(9, "provider:dead OR Somebody")
    page: Page = open_page("/ui/providers", url=edited.url)
    dead = page.get_by_role("article").filter(has_text=NOBODY)
    expect(dead.get_by_title(re.compile("^fails"))).to_be_visible()
    expect(dead).to_contain_text("Last error")
    expect(dead).to_contain_text(re.compile("left out|let through"))
    alive = page.get_by_role("article").filter(has_text="/sim")
    expect(alive.get_by_title(re.compile("^works"))).to_be_visible()
    expect(alive).to_contain_text("median")
    dead.get_by_role("link", name=re.compile("^Last error")).click()
    expect(row(page, "Nobody is there").first).to_be_visible()
    expect(row(page, "Somebody is there")).to_have_count(0)


def test_the_address_of_a_provider_is_copied(routed: Dragoman, open_page) -> None:
    page: Page = open_page("/ui/providers", url=routed.url)
    page.get_by_role("button", name=f"Copy the address for clients: {routed.url}/claude").click()
    expect(page.get_by_text("Copied http")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == f"{routed.url}/claude"


def test_a_provider_is_asked_for_a_short_answer(routed: Dragoman, open_page) -> None:
    page: Page = open_page("/ui/providers", url=routed.url)
    card = page.get_by_role("article").filter(has_text="/claude")
    card.get_by_role("button", name=re.compile("^Send a small request to")).click()
    page.get_by_role("menuitem", name="Short answer").click()
    expect(card.get_by_role("region", name="What it answered")).to_contain_text(re.compile(r"\w{3}"))


def test_a_model_in_memory_is_unloaded(routed: Dragoman, open_page) -> None:
    call(routed, chat("sim-chat", "Come to mind"), path="/llamas/api/chat")
    page: Page = open_page("/ui/providers", url=routed.url)
    card = page.get_by_role("article").filter(has_text="/llamas")
    card.get_by_role("button", name=re.compile("^Models")).click()
    expect(card.get_by_role("button", name="Unload").first).to_be_visible()
    count = card.get_by_role("button", name="Unload").count()
    card.get_by_role("button", name="Unload").first.click()
    expect(page.get_by_text(re.compile("unloaded$"))).to_be_visible()
    until(page, lambda: card.get_by_role("button", name="Unload").count() < count, "one model less in memory")


def test_a_provider_signed_for_aws_is_added(edited: Dragoman, open_page) -> None:
    page: Page = open_page("/ui/providers", url=edited.url)
    expect(page.get_by_role("article").first).to_be_visible()
    page.keyboard.press("a")
    form = page.get_by_role("dialog", name="Add a provider")
    form.get_by_label("Slug").fill("amazon")
    form.get_by_label("Base URL").fill("https://bedrock-runtime.eu-central-1.amazonaws.com")
    form.get_by_label("Signed for AWS (SigV4)").check()
    form.get_by_label("Region").fill("eu-central-1")
    form.get_by_text("More", exact=True).click()
    form.get_by_label("Proxy").fill("none")
    form.get_by_label("Query parameters added upstream").fill("api-version=2024-10-21")
    form.get_by_role("button", name="Save").click()
    expect(form).to_have_count(0)
    saved = edited.api("/api/providers/amazon")
    assert saved["auth"]["scheme"] == "sigv4"
    assert saved["auth"]["region"] == "eu-central-1"
    assert (saved["proxy"], saved["query"]) == ("none", {"api-version": "2024-10-21"})
    expect(page.get_by_role("article").filter(has_text="amazonaws.com").last).to_contain_text("signed for AWS")


def test_no_routes_are_explained_and_the_palette_leads_to_the_form(dragoman: Dragoman, open_page) -> None:
    page: Page = open_page("/ui/routes")
    expect(page.get_by_text("There are no routes")).to_be_visible()
    page.goto(f"{dragoman.url}/ui/traffic")
    page.keyboard.press("Control+k")
    palette = page.get_by_role("dialog", name="Commands")
    expect(palette).to_be_visible()
    page.keyboard.type("add route")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Add a route")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    expect(palette).to_be_visible()
    page.keyboard.type("gpt-9")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/ui/routes\?model=gpt-9"))


def test_a_list_that_cannot_be_read_is_said_and_read_again(routed: Dragoman, open_page) -> None:
    page: Page = open_page("/ui/providers", url=routed.url)
    page.route("**/api/routes", lambda route: route.abort())
    page.get_by_role("link", name="Routes", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Dragoman does not answer")
    page.unroute("**/api/routes")
    page.get_by_role("button", name="Retry").click()
    expect(line(page, "from-file")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_file_that_became_wrong_is_said_with_its_line_and_the_routes_stay(
    simulator: Server, tmp_path: Path, open_page
) -> None:
    with running_dragoman(
        tmp_path, providers=simulator_as_provider(simulator.url), settings={"routes": SIM_ROUTES}
    ) as followed:
        page: Page = open_page("/ui/routes", url=followed.url)
        expect(line(page, "mine")).to_contain_text("alpha")
        file = tmp_path / "named.yaml"
        right = file.read_text()
        file.write_text(right.replace('"sim"}]', '"nobody"}]'))
        problem = page.get_by_role("alert").filter(has_text="what worked before")
        expect(problem).to_contain_text(re.compile(r"named\.yaml:1.*nobody", re.DOTALL))
        expect(page.get_by_role("contentinfo")).to_contain_text("1 problem")
        expect(line(page, "mine")).to_contain_text("alpha")
        file.write_text(right.replace("alpha", "omega"))
        expect(problem).to_have_count(0)
        expect(line(page, "mine")).to_contain_text("omega")


def test_everything_is_reached_in_a_narrow_window(edited: Dragoman, open_page) -> None:
    save(edited, "small", model="small")
    page: Page = open_page("/ui/routes?model=filed-model", url=edited.url, size=(360, 740))
    expect(page.get_by_role("region", name="Try a call")).to_contain_text("from-file takes this call")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for control in (page.get_by_role("switch", name="small is on"), page.get_by_role("button", name="Delete small")):
        control.scroll_into_view_if_needed()
        place = control.bounding_box()
        assert place
        assert 0 <= place["x"] < place["x"] + place["width"] <= 360
    page.get_by_role("button", name="Add route").click()
    expect(page.get_by_role("dialog").get_by_label("Name")).to_be_focused()
    box = page.get_by_role("dialog").bounding_box()
    assert box
    assert box["width"] <= 360


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(edited: Dragoman, open_page, theme: str) -> None:
    save(edited, "busy", model="busy*", targets=[{"provider": "sim"}, {"provider": "dead"}], is_active=False)
    page: Page = open_page("/ui/routes?model=filed-model", url=edited.url, theme=theme)
    box = page.get_by_role("region", name="Try a call")
    expect(box.locator(".cm-content")).to_contain_text("sim-chat")
    assert serious(page) == []
    box.get_by_role("button", name="Against yours").click()
    expect(box.locator(".cm-changedLine, .cm-deletedChunk").first).to_be_visible()
    assert serious(page) == []
    page.get_by_role("button", name="Edit busy").click()
    form = page.get_by_role("dialog", name="Edit the route busy")
    form.get_by_text("System prompt", exact=True).click()
    form.get_by_text("Tries and fallbacks", exact=True).click()
    form.get_by_role("button", name="Add a replacement").click()
    assert serious(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("dialog", name="Import routes")).to_be_visible()
    assert serious(page) == []
    page.goto(f"{edited.url}/ui/providers")
    expect(page.get_by_role("article").first).to_be_visible()
    assert serious(page) == []


def test_routes_of_another_tool_are_shown_first_and_then_kept(edited: Dragoman, open_page) -> None:
    page: Page = open_page("/ui/routes", url=edited.url)
    expect(line(page, "from-file")).to_be_visible()
    page.keyboard.press("i")
    form = page.get_by_role("dialog", name="Import routes")
    form.get_by_label("Or its text").fill(LITELLM)
    form.get_by_role("button", name="Show what is in it").click()
    found = form.get_by_role("status")
    expect(found).to_contain_text("1 route")
    expect(found).to_contain_text("fast-chat")
    assert len(edited.api("/api/routes")["items"]) == 1
    form.get_by_role("button", name="Keep it").click()
    expect(form).to_have_count(0)
    expect(page.locator("[data-route]").filter(has_text="fast-chat")).to_be_visible()
