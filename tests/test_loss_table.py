"""The pages on dialects: the tables of what is lost say what the code does, and the tests they name exist."""

import importlib.util
import itertools
import re
from pathlib import Path
from types import ModuleType

import pytest

from dragoman.canonical import Message, Prompt, Text
from dragoman.dialects.translate import DIALECTS

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "loss_table.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("loss_table", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_in_the_docs_are_what_the_code_does(script: ModuleType) -> None:
    page = script.PAGE.read_text()
    assert page == script.with_tables(page), "docs/dialects/README.md is out of date: run scripts/loss_table.py"


def test_all_dialects_that_are_translated_have_a_table(script: ModuleType) -> None:
    assert set(script.SHORT) == set(script.TARGETS) == DIALECTS


def test_a_plain_question_is_lost_nowhere(script: ModuleType) -> None:
    prompt = Prompt(messages=[Message(role="user", parts=[Text(text="q")])])
    for source, target in itertools.permutations(script.SHORT, 2):
        assert script.outcome(source, target, prompt) == script.CARRIED, (source, target)


def test_every_feature_can_be_said_somewhere(script: ModuleType) -> None:
    for feature in script.FEATURES:
        assert any(script.said_in(source, feature) for source in script.SHORT), feature.name


def test_a_page_without_tables_gets_them(script: ModuleType) -> None:
    page = script.with_tables(f"head\n{script.BEGIN}old\n{script.END}rest\n")
    assert page.startswith("head\n")
    assert page.endswith("rest\n")
    assert "old" not in page


PAGES = sorted((ROOT / "docs" / "dialects").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    for file, name in re.findall(r"`(test_\w+\.py)::(test_\w+)`", page.read_text()):
        text = (ROOT / "tests" / "dialects" / file).read_text()
        assert f"def {name}(" in text, f"{page.name} names {file}::{name}"


def test_every_dialect_has_a_page() -> None:
    names = {page.stem.replace("-", "_") for page in PAGES}
    assert names >= DIALECTS
