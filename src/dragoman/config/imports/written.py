"""Found providers and routes as entries of a `dragoman.yaml`: as text, or put into a file that is there already.

Promise: no key is written, only its reference; comments and order of an existing file stay; a file that would not
load afterwards is not touched. Entries whose slug or name the file has already are left out.
"""

import os
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import msgspec

from dragoman.config.entries import join_providers, join_routes
from dragoman.config.imports.found import Found
from dragoman.config.layers import read_file
from dragoman.errors import BadRequest
from dragoman.records.route import Route
from dragoman.records.setup import Provider


def as_yaml(found: Found) -> str:
    """Give the entries as the text of a file of their own."""
    tree: dict[str, Any] = {}
    _add(tree, "providers", "slug", _entries([one.provider for one in found.providers]))
    _add(tree, "routes", "name", _entries(found.routes))
    return _dump(tree) if tree else ""


def write_into(found: Found, path: Path) -> list[str]:
    """Write the entries into a file, a new one if need be; names those that were there already.

    Raises BadConfig when the file does not load, or would not any more; BadRequest when it cannot be written.
    """
    tree: Any = {}
    if path.exists():
        read_file(path)
        tree = _yaml().load(path.read_text(encoding="utf-8")) or {}
    left = _add(tree, "providers", "slug", _entries([one.provider for one in found.providers]))
    left += _add(tree, "routes", "name", _entries(found.routes))
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        draft.write_text(_dump(tree), encoding="utf-8")
        layer = read_file(draft)
        join_routes([layer], join_providers([layer], None), None)
        draft.replace(path)
    except OSError as error:
        raise BadRequest(f"{path} cannot be written: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
    return left


def _entries(values: Sequence[Provider | Route]) -> list[dict[str, Any]]:
    return [_entry(msgspec.to_builtins(value)) for value in values]


def _entry(value: dict[str, Any]) -> dict[str, Any]:
    """Leave out what a file does not say: where the entry comes from, and empty settings."""
    return {name: one for name, one in value.items() if name != "source" and one not in ({}, [])}


def _add(tree: Any, key: str, identity: str, entries: list[dict[str, Any]]) -> list[str]:
    """Put entries behind those that are there; gives the names of those that are there already."""
    if not entries:
        return []
    there = tree.get(key)
    if there is None:
        there = tree[key] = []
    names = {one.get(identity) for one in there}
    there.extend(entry for entry in entries if entry[identity] not in names)
    return [f"{key[:-1]} {entry[identity]}" for entry in entries if entry[identity] in names]


def _dump(tree: Any) -> str:
    out = StringIO()
    _yaml().dump(tree, out)
    return out.getvalue()


def _yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML(typ="rt")
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 120
    return yaml
