"""Durations (`10s`, `5m`, `30d`) become seconds, sizes (`64MB`) become bytes. A bare number is taken as it is."""

import re

_DURATION = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = {"B": 1, "KB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}
_QUANTITY = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)?\s*$")

DURATION_FORM = "a duration such as 500ms, 10s, 5m, 2h or 30d"
SIZE_FORM = "a size such as 64KB, 256MB or 20GB"


def seconds(text: str) -> float:
    """Read a duration. Raises ValueError."""
    number, unit = _split(text, DURATION_FORM)
    factor = _DURATION.get((unit or "s").lower())
    if factor is None:
        raise ValueError(f"expected {DURATION_FORM}, found {text!r}")
    return number * factor


def size_bytes(text: str) -> int:
    """Read a size; K, M and G are powers of 1024, with or without the `i` of `MiB`. Raises ValueError."""
    number, unit = _split(text, SIZE_FORM)
    name = (unit or "B").upper().replace("IB", "B")
    factor = _SIZE.get(name if name.endswith("B") else name + "B")
    if factor is None:
        raise ValueError(f"expected {SIZE_FORM}, found {text!r}")
    return int(number * factor)


def _split(text: str, form: str) -> tuple[float, str | None]:
    found = _QUANTITY.match(text)
    if found is None:
        raise ValueError(f"expected {form}, found {text!r}")
    return float(found[1]), found[2]
