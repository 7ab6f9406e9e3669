"""100,000 exchanges in the page: it works, and the figures are printed; the clock judges nothing.

Run with `-s` to see the table.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from dragoman.simulator import Server
from fakes.browsing import call, chat, row, until
from fakes.dragoman import Dragoman, running_dragoman, simulator_as_provider

ROOT = Path(__file__).parents[2]
COUNT = 100_000
FRAMES = """
async (steps) => {
  const grid = document.querySelector('[role=grid]'), gaps = []
  let last = performance.now()
  for (let step = 0; step < steps; step++) {
    grid.scrollTop += 150
    const now = await new Promise(requestAnimationFrame)
    gaps.push(now - last)
    last = now
  }
  gaps.sort((a, b) => a - b)
  return { p50: gaps[gaps.length >> 1], p95: gaps[Math.floor(gaps.length * 0.95)], max: gaps.at(-1) }
}
"""

ALL_CODEX = """
() => {
  const rows = [...document.querySelectorAll('[role=grid] [data-id]')]
  return rows.length > 0 && rows.every((row) => row.textContent.includes('codex'))
}
"""


@pytest.fixture(scope="module")
def seeded(simulator: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dragoman]:
    place = tmp_path_factory.mktemp("seeded")
    (place / "data").mkdir()
    words = [sys.executable, "-m", "bench.seed", str(place / "data" / "dragoman.db"), str(COUNT)]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
    with running_dragoman(place, providers=simulator_as_provider(simulator.url)) as running:
        yield running


@pytest.mark.timeout(300)
def test_a_hundred_thousand_exchanges_stay_smooth(seeded: Dragoman, open_page) -> None:
    page: Page = open_page("/ui/traffic", url=seeded.url)
    figures: dict[str, Any] = {}
    first = page.locator("[role=grid] [data-id]").first
    expect(first).to_be_visible()
    figures["first rows after navigation, ms"] = page.evaluate("performance.now()")
    grid = page.get_by_role("grid")
    assert page.locator("[role=grid] [data-id]").count() < 80

    scrolled = page.evaluate(FRAMES, 300)
    figures["scroll frames p50 / p95 / max, ms"] = "{p50:.1f} / {p95:.1f} / {max:.1f}".format(**scrolled)
    until(page, lambda: grid.evaluate("grid => grid.scrollHeight") > 28 * 600, "older pages")
    assert page.locator("[role=grid] [data-id]").count() < 80
    page.keyboard.press("Home")

    bar = page.get_by_role("combobox", name="Filter exchanges")
    mark = page.evaluate("performance.now()")
    bar.fill("client:codex status:>=400")
    until(page, lambda: page.evaluate(ALL_CODEX), "the filtered rows")
    figures["filter keystroke to rows (180 ms of them waiting for more keys), ms"] = (
        page.evaluate("performance.now()") - mark
    )
    bar.fill("")
    expect(page.get_by_role("grid")).to_be_visible()
    page.get_by_role("grid").focus()

    page.keyboard.press("j")
    page.keyboard.press("Space")
    peek = page.get_by_role("complementary", name="Exchange")
    expect(peek.locator("[data-turn]").first).to_be_visible()
    page.wait_for_timeout(600)  # the next ones are fetched ahead
    for name in ("j to peek content, ms", "j to the next, ms"):
        before = peek.locator("[data-turn]").first.inner_text()
        mark = page.evaluate("performance.now()")
        page.keyboard.press("j")
        until(page, lambda was=before: _text(peek) not in ("", was), "the next exchange")
        figures[name] = page.evaluate("performance.now()") - mark

    page.keyboard.press("Escape")
    page.keyboard.press("Home")
    call(seeded, chat("sim-echo", "Alive among many"))
    expect(row(page, "Alive among many")).to_be_visible()
    figures["heap, MB"] = page.evaluate("performance.memory?.usedJSHeapSize / 1e6")
    print(f"\n{COUNT:,} exchanges")
    for name, figure in figures.items():
        print(f"  {name}: {figure if isinstance(figure, str) else f'{figure:.0f}'}")


def _text(peek: Any) -> str:
    turn = peek.locator("[data-turn]")
    return turn.first.inner_text() if turn.count() else ""
