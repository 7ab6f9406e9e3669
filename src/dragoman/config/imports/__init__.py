"""Other tools' configurations read as providers and routes of ours: one file per format.

`read` tells the format by its looks. Reading never fails for what an entry says: that becomes a problem in the
answer. Raises BadRequest for a text that is none of the formats.
"""

from collections.abc import Iterable
from typing import Any

from dragoman.config.imports import litellm, llm_observe, llm_proxy
from dragoman.config.imports.found import Builder, Found, FoundProvider, Problem
from dragoman.errors import BadRequest
from dragoman.records.setup import BUILTIN_PROVIDERS, Provider

__all__ = ["FORMATS", "Found", "FoundProvider", "Problem", "read"]

FORMATS = {module.NAME: module for module in (llm_proxy, llm_observe, litellm)}


def read(text: str, form: str | None = None, known: Iterable[Provider] = BUILTIN_PROVIDERS) -> Found:
    """Read a file's text. `known` are the providers that are there already: one of the same address is used again."""
    tree = _load(text)
    wanted = form or next((name for name, module in FORMATS.items() if module.is_it(tree)), "")
    if wanted not in FORMATS:
        raise BadRequest(f"this is no file that can be taken over; known are {_known()}", field="format")
    builder = Builder(wanted, known)
    FORMATS[wanted].read(tree, builder)
    return builder.found


def _known() -> str:
    return "; ".join(f"{name} ({module.SIGN})" for name, module in FORMATS.items())


def _load(text: str) -> Any:
    from ruamel.yaml import YAML, YAMLError  # JSON is YAML

    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise BadRequest(f"this is neither YAML nor JSON: {error}", field="text") from error
    except RecursionError as error:
        raise BadRequest("this is nested too deeply", field="text") from error
