"""One layer of settings: a file, the environment or the command line, each value with the place it came from.

Promise: a layer that passes `check` holds only known keys with values of the right type, so that layers can be
laid over each other without looking again. Every complaint names the place, what was found and what was expected.
"""

import re
import types
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from dragoman.config import units
from dragoman.config.tree import SIZES, File
from dragoman.errors import BadConfig

Steps = tuple[str | int, ...]

_ERROR_PATH = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[(?:\.\.\.)\]")
_PREFIX = "DRAGOMAN_"
_TWICE = re.compile(r'found duplicate key "(.+?)"')
_YAML_ADVICE = {
    "'\\t'": "indent with spaces, not with tabs",
    "expected alphabetic or numeric character": 'a value that begins with * or & stands in quotes: "*"',
}


class Layer:
    """`values` is a tree of plain values; `places` says where each step of it was written."""

    def __init__(self, values: dict[str, Any], *, file: str | None = None, is_text: bool = False) -> None:
        self.values = values
        self.file = file
        self.lines: dict[Steps, int] = {}
        self.names: dict[Steps, str] = {}
        """What the user wrote to set a value, when it was not in a file."""
        self._is_text = is_text

    def complain(self, steps: Steps, message: str) -> BadConfig:
        """Make the error for the value at `steps`."""
        line = None
        for end in range(len(steps), -1, -1):
            if steps[:end] in self.lines:
                line = self.lines[steps[:end]]
                break
        name = self.names.get(steps) or _dotted(steps)
        return BadConfig(f"{name}: {message}" if name else message, field=_dotted(steps), file=self.file, line=line)

    def check(self) -> None:
        """Turn durations and sizes into numbers and check every key and type. Raises BadConfig."""
        self.values = self._shape(self.values, File, ())
        try:
            msgspec.convert(self.values, File, strict=not self._is_text)
        except msgspec.ValidationError as error:
            raise self._explain(str(error)) from error

    def _shape(self, value: Any, kind: Any, steps: Steps) -> Any:
        kind = _without_none(kind)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self._shape_section(value, kind, steps)
        if get_origin(kind) is list:
            return self._shape_list(value, get_args(kind)[0], steps)
        if isinstance(value, str) and (kind is float or (kind is int and steps[-1] in SIZES)):
            try:
                return units.seconds(value) if kind is float else units.size_bytes(value)
            except ValueError as error:
                raise self.complain(steps, str(error)) from error
        if isinstance(value, int | float) and value < 0 and (kind is float or steps[-1] in SIZES):
            raise self.complain(steps, f"expected no number below 0, found {_show(value)}")
        return value

    def _shape_section(self, value: Any, kind: type[msgspec.Struct], steps: Steps) -> Any:
        if value is None and not steps:
            return {}
        if not isinstance(value, dict):
            raise self.complain(steps, f"expected a mapping with the keys {_keys(kind)}, found {_show(value)}")
        fields = {one.encode_name: one for one in msgspec.structs.fields(kind) if one.name != "source"}
        for key in value:
            if key not in fields:
                raise self.complain((*steps, key), _unknown(str(key), fields, kind))
        for one in fields.values():
            if one.required and one.encode_name not in value:
                raise self.complain(steps, f"`{one.encode_name}` is missing")
        return {key: self._shape(item, fields[key].type, (*steps, key)) for key, item in value.items()}

    def _shape_list(self, value: Any, kind: Any, steps: Steps) -> Any:
        if self._is_text and isinstance(value, str):
            value = [one.strip() for one in value.split(",") if one.strip()]
        if value is None:  # a key whose entries are all commented out
            return []
        if not isinstance(value, list):
            raise self.complain(steps, f"expected a list, found {_show(value)}")
        return [self._shape(item, kind, (*steps, number)) for number, item in enumerate(value)]

    def _explain(self, text: str) -> BadConfig:
        found = _ERROR_PATH.match(text)
        assert found is not None
        steps: Steps = tuple(
            name if name else int(number) for name, number in _STEP.findall(found["path"] or "") if name or number
        )
        value, kind = _look_up(self.values, steps)
        if choices := _choices(kind):
            return self.complain(steps, f"expected one of {choices}, found {_show(value)}")
        expected = re.match(r"Expected `([^`]+)`, got", found["what"])
        if expected:
            return self.complain(steps, f"expected {_word(expected[1])}, found {_show(value)}")
        return self.complain(steps, f"{found['what']}, found {_show(value)}")


def read_file(path: Path) -> Layer:
    """Read a YAML file into a checked layer. Raises BadConfig when it cannot be read or is no YAML."""
    from ruamel.yaml import YAML, YAMLError  # imported here since most starts have no file
    from ruamel.yaml.error import MarkedYAMLError

    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise BadConfig(f"cannot be read: {reason}", file=str(path)) from error
    try:
        tree = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = _no_yaml(error.problem or error.context or "")
        raise BadConfig(message, file=str(path), line=mark.line + 1 if mark else None) from error
    except YAMLError as error:
        raise BadConfig(_no_yaml(str(error)), file=str(path)) from error
    layer = Layer({}, file=str(path))
    layer.lines[()] = 1
    layer.values = _plain(tree, (), layer.lines)
    layer.check()
    return layer


def _no_yaml(problem: str) -> str:
    """Say in a line what keeps a text from being YAML, and what to do where that is known."""
    if twice := _TWICE.match(problem):
        return f"`{twice[1]}` stands twice; keep one of them"
    for sign, advice in _YAML_ADVICE.items():
        if sign in problem:
            problem += f"; {advice}"
            break
    return "this is no YAML: " + " ".join(problem.split())


def read_env(env: Mapping[str, str]) -> Layer:
    """Read `DRAGOMAN_SECTION__KEY` and `DRAGOMAN_DATA_DIR` into a checked layer."""
    layer = Layer({}, is_text=True)
    for name, text in sorted(env.items()):
        if not name.startswith(_PREFIX) or ("__" not in name and name != "DRAGOMAN_DATA_DIR"):
            continue
        steps = tuple(name.removeprefix(_PREFIX).lower().split("__"))
        layer.names[steps] = name
        for end in range(1, len(steps)):
            layer.names.setdefault(steps[:end], name)
        _put(layer.values, steps, text)
    layer.check()
    return layer


def read_flags(flags: Mapping[str, object]) -> Layer:
    """Read what the command line said, as `{"server.port": 8080}`; None means that the flag was not given."""
    layer = Layer({})
    for dotted, value in flags.items():
        if value is not None:
            steps = tuple(dotted.split("."))
            layer.names[steps] = "--" + steps[-1].replace("_", "-")
            _put(layer.values, steps, value)
    layer.check()
    return layer


def lay_over(low: dict[str, Any], high: dict[str, Any]) -> dict[str, Any]:
    """Merge two trees; lists are replaced, not joined."""
    merged = dict(low)
    for key, value in high.items():
        below = merged.get(key)
        merged[key] = lay_over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _plain(node: Any, steps: Steps, lines: dict[Steps, int]) -> Any:
    """Strip the YAML library's types and note the line of every key and item."""
    if isinstance(node, dict):
        places = getattr(node, "lc", None)
        plain: dict[Any, Any] = {}
        for key, value in node.items():
            if places is not None and places.data and key in places.data:
                lines[(*steps, key)] = places.key(key)[0] + 1
            plain[key] = _plain(value, (*steps, key), lines)
        return plain
    if isinstance(node, list):
        places = getattr(node, "lc", None)
        for number in range(len(node)):
            if places is not None and places.data and number in places.data:
                lines[(*steps, number)] = places.item(number)[0] + 1
        return [_plain(value, (*steps, number), lines) for number, value in enumerate(node)]
    for base in (bool, int, float, str):
        if isinstance(node, base):
            return base(node)
    return node


def _put(tree: dict[str, Any], steps: tuple[str, ...], value: object) -> None:
    for step in steps[:-1]:
        below = tree.setdefault(step, {})
        if not isinstance(below, dict):
            return
        tree = below
    tree[steps[-1]] = value


def _without_none(kind: Any) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        left = [one for one in get_args(kind) if one is not type(None)]
        return left[0] if len(left) == 1 else kind
    return kind


def _choices(kind: Any) -> str:
    """Name what a closed set of words allows, and a number beside it; empty for any other type."""
    if get_origin(kind) is Literal:
        return ", ".join(str(one) for one in get_args(kind))
    if get_origin(kind) in (Union, types.UnionType):
        words = [_choices(one) for one in get_args(kind) if get_origin(one) is Literal]
        return ", ".join([*words, "a whole number"]) if words and int in get_args(kind) else ""
    return ""


def _look_up(value: Any, steps: Steps) -> tuple[Any, Any]:
    """Find the value and the expected type at `steps`."""
    kind: Any = File
    for step in steps:
        if isinstance(step, int):
            value, kind = value[step], _without_none(get_args(kind)[0])
        elif get_origin(kind) is dict:
            value, kind = value.get(step) if isinstance(value, dict) else None, get_args(kind)[1]
        else:
            fields = {one.encode_name: one for one in msgspec.structs.fields(kind)}
            value, kind = value.get(step), _without_none(fields[step].type)
    return value, kind


def _unknown(key: str, fields: Mapping[str, object], kind: type[msgspec.Struct]) -> str:
    close = get_close_matches(key, list(fields), n=1)
    hint = f"; did you mean `{close[0]}`?" if close else ""
    return f"this key is not known{hint} (known: {_keys(kind)})"


def _keys(kind: type[msgspec.Struct]) -> str:
    return ", ".join(one.encode_name for one in msgspec.structs.fields(kind) if one.name != "source")


def _dotted(steps: Steps) -> str:
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.lstrip(".")


def _show(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return repr(value)


def _word(kind: str) -> str:
    words = {"int": "a whole number", "float": units.DURATION_FORM, "str": "text", "bool": "true or false"}
    return " or ".join(
        words.get(one.strip(), "nothing" if one.strip() == "null" else one.strip()) for one in kind.split("|")
    )
