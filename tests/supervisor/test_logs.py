"""Log lines: one each, for people or as JSON."""

import json
import logging
from collections.abc import Iterator

import pytest

from dragoman.config import Log
from dragoman.supervisor import logs


@pytest.fixture(autouse=True)
def _root_as_before() -> Iterator[None]:
    root = logging.getLogger()
    before, level = list(root.handlers), logging.getLogger("dragoman").level
    yield
    root.handlers[:] = before
    root.setLevel("WARNING")
    logging.getLogger("dragoman").setLevel(level)


def test_console_lines_name_the_process(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Log(), "g0")
    logging.getLogger("dragoman.x").info("began %s", "it", extra={"exchange": "01A"})
    logging.getLogger("dragoman.x").debug("unseen")
    logging.getLogger("library").info("unseen")
    line = capsys.readouterr().err
    assert line.endswith("info    g0: began it exchange=01A\n")


def test_json_lines_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Log(format="json", level="debug"), "keeper")
    try:
        raise ValueError("x")
    except ValueError:
        logging.getLogger("dragoman.x").exception("broke", extra={"bytes": 3})
    line = json.loads(capsys.readouterr().err)
    assert line["message"] == "broke"
    assert line["process"] == "keeper"
    assert line["bytes"] == 3
    assert "ValueError: x" in line["error"]
