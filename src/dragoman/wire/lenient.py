"""JSON as it comes from outside: half an emoji, NaN, broken UTF-8.

Promise: `mend` makes of what came something that can be written again as UTF-8. The fast decoder refuses lone
surrogates, NaN and numbers out of range, all of which providers and clients do send; then the standard library's
takes over. Knows no dialect.
"""

import json
from typing import Any

import msgspec

NOT_STRICT = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What the fast decoder raises."""

BOM = b"\xef\xbb\xbf"

_decode = msgspec.json.Decoder().decode


def load(data: bytes) -> tuple[Any, bool]:
    """Read JSON; the flag says that it took the lenient way, and strings may then hold lone surrogates.

    Raises ValueError when it is no JSON either way.
    """
    try:
        return _decode(data), False
    except NOT_STRICT as problem:
        try:
            return json.loads(_text(data)), True
        except (ValueError, RecursionError):
            raise ValueError(str(problem)) from problem


def mend(value: Any) -> Any:
    """Join halves of surrogate pairs and replace lone ones by U+FFFD, in all strings of a JSON value."""
    if isinstance(value, str):
        return mend_text(value)
    if isinstance(value, list):
        return [mend(one) for one in value]
    if isinstance(value, dict):
        return {mend_text(key): mend(one) for key, one in value.items()}
    return value


def mend_text(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _text(data: bytes) -> str:
    data = data.removeprefix(BOM)
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")
