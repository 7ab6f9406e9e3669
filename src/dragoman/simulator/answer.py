"""What goes back over the wire: a status, headers, and a body whole or in pieces."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


class Unfit(ValueError):
    """The request's body is none that the dialect allows; answered with 400."""


@dataclass(slots=True)
class Answer:
    """`pieces` are written one by one, `delay_s` apart; with `is_cut` the connection breaks after the last one."""

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    pieces: Iterable[bytes] = ()
    is_streamed: bool = False
    delay_s: float = 0.0
    is_cut: bool = False
    never_comes: bool = False
    is_dropped: bool = False
    """The connection closes before the first byte."""


def as_json(value: Any, status: int = 200, headers: Iterable[tuple[str, str]] = ()) -> Answer:
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Answer(status, [("content-type", "application/json"), *headers], [body])


def sse(data: Any, event: str | None = None) -> bytes:
    """Write one server-sent event."""
    head = f"event: {event}\n" if event else ""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"{head}data: {text}\n\n".encode()


def ndjson(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def as_list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise Unfit(f"{where}: expected a list")
    return value


def as_object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unfit(f"{where}: expected an object")
    return value
