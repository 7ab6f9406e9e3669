"""The dialects: wire formats turned into the canonical form.

`ALL` holds them by name. Each loads when it is first asked for, so that the gateway, which only wants
`dialects.detect`, pays for none of them.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module

from dragoman.dialects.base import Dialect
from dragoman.dialects.detect import detect

__all__ = ["ALL", "PARSER_VERSION", "detect"]

PARSER_VERSION = 3
"""Rises when a parser gets better, so that older records can be parsed again."""

_DECODED = (
    *("openai_chat", "openai_responses", "anthropic_messages"),
    *("bedrock_invoke", "bedrock_converse", "ollama_chat", "gemini_generate"),
)


class _Dialects(Mapping[str, Dialect]):
    """Reads like a dict; a value is its module's `DIALECT`."""

    def __getitem__(self, name: str) -> Dialect:
        if name not in _DECODED:
            raise KeyError(name)
        return import_module(f"dragoman.dialects.{name}").DIALECT

    def __iter__(self) -> Iterator[str]:
        return iter(_DECODED)

    def __len__(self) -> int:
        return len(_DECODED)


ALL: Mapping[str, Dialect] = _Dialects()
