"""Documents say what the code does: commands, settings, routes, links, and a docstring on each module."""

import ast
import re
import typing
from pathlib import Path

import msgspec
import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "dragoman"
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text()):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.name} links to {target}, which does not exist"


def test_each_command_and_option_is_documented() -> None:
    import typer

    from dragoman.cli.app import app

    text = page("cli.md")
    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        if command.hidden:
            continue
        assert f"`dragoman {name}" in text, f"docs/cli.md does not tell of `dragoman {name}`"
        for option in command.params:
            long = [word for word in option.opts if word.startswith("--")]
            assert not long or any(word in text for word in long), f"docs/cli.md: `dragoman {name}` has {long}"


def settings_of(kind: type, prefix: str = "") -> typing.Iterator[str]:
    for field in msgspec.structs.fields(kind):
        inner = field.type
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            yield from settings_of(inner, f"{prefix}{field.encode_name}.")
        else:
            yield f"{prefix}{field.encode_name}"


def test_each_setting_is_documented() -> None:
    from dragoman.config import Config

    text = page("configuration.md")
    for name in settings_of(Config):
        assert f"`{name}`" in text, f"docs/configuration.md does not tell of `{name}`"


def test_each_key_of_providers_and_routes_is_documented() -> None:
    from dragoman.config.tree import FileRoute
    from dragoman.records.route import Target
    from dragoman.records.setup import Auth, Provider, Timeouts

    text = page("configuration.md")
    known = {*settings_of(Provider), *settings_of(Auth), *settings_of(FileRoute), *settings_of(Target)}
    known |= set(settings_of(Timeouts))
    for name in sorted(known - {"source"}):
        assert f"`{name}`" in text or f"`{name.rpartition('.')[2]}`" in text, (
            f"docs/configuration.md does not tell of `{name}`"
        )


def examples() -> typing.Iterator[object]:
    """Give the settings files that the documents show whole; an indented block is a part of one."""
    for path in PAGES:
        for number, text in enumerate(re.findall(r"^```yaml\n(.*?)^```$", path.read_text(), re.DOTALL | re.MULTILINE)):
            if not text.startswith(" "):
                yield pytest.param(text, id=f"{path.relative_to(ROOT)}-{number}")


@pytest.mark.parametrize("text", list(examples()))
def test_settings_that_are_shown_are_taken(text: str, tmp_path: Path) -> None:
    from dragoman import config

    file = tmp_path / "dragoman.yaml"
    file.write_text(text)
    nowhere = tmp_path / "nowhere"
    start = config.load(config_file=file, env={}, directory=nowhere, user_directory=nowhere)
    assert start.file_providers or start.setup.routes


def test_each_route_is_documented() -> None:
    import json

    text = page("api.md")
    for path, methods in json.loads((ROOT / "frontend" / "openapi.json").read_text())["paths"].items():
        for method in methods:
            assert f"`{method.upper()} {path}`" in text, f"docs/api.md does not tell of `{method.upper()} {path}`"


def test_each_module_says_what_it_is() -> None:
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        assert not tree.body or ast.get_docstring(tree), f"{path.relative_to(SOURCE)} has no docstring"


def test_each_target_of_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"`?make ([a-z-]+)", (ROOT / "README.md").read_text())):
        assert f"\n{target}:" in makefile, f"the README names `make {target}`"


def test_no_lock_file_holds_a_download_address() -> None:
    for path in ROOT.glob("requirements*.lock"):
        assert "://" not in path.read_text(), path.name
    assert '"resolved"' not in (ROOT / "frontend" / "package-lock.json").read_text()
    assert not (ROOT / "uv.lock").exists()
