"""A plain `serve` is read without typer; it must know the same options and nothing else."""

import pytest
import typer

from dragoman.cli.app import app
from dragoman.cli.start import FLAGS, plain_serve


def test_a_plain_serve_knows_the_options_of_serve() -> None:
    serve = typer.main.get_command(app).commands["serve"]  # type: ignore[attr-defined]
    assert {option for one in serve.params for option in one.opts} - {"--help", "-h"} == set(FLAGS)


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        ([], {}),
        (["serve"], {}),
        (["--port", "9000"], {"--port": "9000"}),
        (["serve", "--port=9000", "--host", "::1"], {"--port": "9000", "--host": "::1"}),
        (["serve", "--data-dir", "/a b", "--config", "x.yaml"], {"--data-dir": "/a b", "--config": "x.yaml"}),
    ],
)
def test_known_flags_are_read(words: list[str], flags: dict[str, str]) -> None:
    assert plain_serve(words) == flags


@pytest.mark.parametrize(
    "words",
    [
        ["demo"],
        ["--help"],
        ["serve", "-h"],
        ["--port"],
        ["--port", "many"],
        ["--port="],
        ["--port", "1", "--port", "2"],
        ["serve", "now"],
        ["--porte", "1"],
        ["verify", "--data-dir", "x"],
    ],
)
def test_all_else_is_left_to_typer(words: list[str]) -> None:
    assert plain_serve(words) is None
