"""The floors of the house: a file imports only from lower floors, and some libraries stay in one room."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "dragoman"

FLOORS = {
    "wire": 0, "canonical": 0, "errors": 0, "ids": 0, "clock": 0, "tasks": 0,
    "dialects": 1,
    "records": 2,
    "rules": 3, "store": 3, "events": 3, "security": 3, "journal": 3, "config": 3,
    "gateway": 4, "keeper": 4, "simulator": 4,
    "workbench": 5,
    "api": 6, "mcp": 6,
    "supervisor": 7,
    "cli": 8, "__main__": 8,
}  # fmt: skip

SIDE_BY_SIDE = {3, 4}
"""On these floors no room imports its neighbour."""

KEPT_IN = {
    "fastapi": ("api",),
    "starlette": ("api",),
    "sqlalchemy": ("store",),
    "alembic": ("store",),
    "redis": ("events/redis.py",),
    "typer": ("cli",),
}

NEVER_IN_GATEWAY = {"fastapi", "starlette", "sqlalchemy", "redis", "pydantic"}
NO_IO = {"socket", "asyncio", "sqlite3", "subprocess", "time", "datetime", "pathlib", "os", "threading"}
MAY_DO_IO_BELOW = {"tasks.py": {"asyncio"}, "clock.py": {"time"}, "ids.py": {"os"}}

FILES = sorted(path for path in SOURCE.rglob("*.py") if "web" not in path.relative_to(SOURCE).parts)


def imports_of(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield each imported module's dotted name, and whether the import is only for the type checker."""
    tree = ast.parse(path.read_text())
    typing_only: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            typing_only.update(child for statement in node.body for child in ast.walk(statement))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node in typing_only
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the whole name"
            assert node.module
            yield node.module, node in typing_only
            if node.module == "dragoman":
                for alias in node.names:
                    yield f"dragoman.{alias.name}", node in typing_only


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_imports_only_from_lower_floors(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return
    assert room in FLOORS, f"{room} stands on no floor; known: {', '.join(FLOORS)}"
    for name, _ in imports_of(path):
        parts = name.split(".")
        if parts[0] != "dragoman" or len(parts) == 1 or parts[1] in (room, "__version__"):
            continue
        other = parts[1]
        assert other in FLOORS, f"{path.name} imports {name}, which stands on no floor"
        assert FLOORS[other] <= FLOORS[room], f"{path.name} imports upward: {name}"
        if FLOORS[other] == FLOORS[room]:
            assert FLOORS[room] not in SIDE_BY_SIDE, f"{path.name} imports its neighbour: {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_libraries_stay_in_their_room(path: Path) -> None:
    place = str(path.relative_to(SOURCE))
    for name, _ in imports_of(path):
        rooms = KEPT_IN.get(name.split(".")[0])
        assert rooms is None or place.startswith(rooms), f"{place} imports {name}, kept in {rooms}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_the_lowest_floors_do_no_io(path: Path) -> None:
    if FLOORS.get(room_of(path), 9) > 2:
        return
    allowed = MAY_DO_IO_BELOW.get(str(path.relative_to(SOURCE)), set())
    for name, _ in imports_of(path):
        top = name.split(".")[0]
        assert top not in NO_IO - allowed, f"{path.name} imports {name}: floors 0 to 2 do no I/O and read no clock"


def test_the_gateway_reaches_no_heavy_library() -> None:
    reached: set[str] = set()
    waiting = [path for path in FILES if room_of(path) == "gateway"]
    seen: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for name, _ in imports_of(path):
            parts = name.split(".")
            if parts[0] != "dragoman":
                reached.add(parts[0])
                continue
            target = SOURCE.joinpath(*parts[1:])
            waiting += [one for one in (target.with_suffix(".py"), target / "__init__.py") if one.exists()]
            waiting += [
                one for one in [target.parent / "__init__.py"] if one.exists() and one != SOURCE / "__init__.py"
            ]
    assert not reached & NEVER_IN_GATEWAY
