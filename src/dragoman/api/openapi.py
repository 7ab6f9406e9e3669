"""The OpenAPI 3.1 document: FastAPI's routes with the schemas that msgspec derives from the Structs.

`python -m dragoman.api.openapi` prints it; `frontend/openapi.json` is that print, and a test keeps both equal.
Fields are described by the text that stands under them in the code.
Promise: a field that is always sent is `required`, so that a client never has to test for its absence.
"""

import sys
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from dragoman.api import schemas
from dragoman.api.answers import SCHEMA_REF
from dragoman.api.field_texts import field_texts

TAGS = [
    {"name": "exchanges", "description": "What was recorded."},
    {"name": "live", "description": "What happens now, as server-sent events."},
    {"name": "providers", "description": "Where calls go, and with whose credentials."},
    {"name": "routes", "description": "Which model name goes where, and what is changed on the way."},
    {"name": "system", "description": "How Dragoman itself is."},
    {"name": "session", "description": "Logging in, when a password is set."},
]


def document(app: FastAPI) -> dict[str, Any]:
    """Build the whole document."""
    spec = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version="3.1.0",
        description=app.description,
        routes=app.routes,
        tags=TAGS,
    )
    components = spec.setdefault("components", {})
    components["schemas"] = _schemas()
    components["securitySchemes"] = {
        "password": {"type": "http", "scheme": "bearer", "description": "The password, when one is set."},
        "session": {"type": "apiKey", "in": "cookie", "name": "dragoman_session"},
    }
    spec["security"] = [{}, {"password": []}, {"session": []}]
    return spec


def _schemas() -> dict[str, Any]:
    kinds = [*schemas.ANSWERS, *schemas.BODIES]
    derived, components = msgspec.json.schema_components(kinds, ref_template=SCHEMA_REF)
    components["Delta"] = derived[kinds.index(schemas.Delta)]
    for struct in _structs(tuple(kinds)):
        for name, said in field_texts(struct).items():
            components[struct.__name__]["properties"][name]["description"] = said
    sent_whole = {struct.__name__ for struct in _structs(schemas.ANSWERS) if not struct.__struct_config__.omit_defaults}
    for name, schema in components.items():
        if name in sent_whole and "properties" in schema:
            schema["required"] = list(schema["properties"])
    return dict(sorted(components.items()))


def _structs(kinds: tuple[Any, ...]) -> set[type[msgspec.Struct]]:
    """Return all Structs that the kinds reach."""
    found: set[type[msgspec.Struct]] = set()
    waiting: list[Any] = list(msgspec.inspect.multi_type_info(kinds))
    while waiting:
        info = waiting.pop()
        if isinstance(info, msgspec.inspect.StructType):
            if info.cls not in found:
                found.add(info.cls)
                waiting += [field.type for field in info.fields]
        elif isinstance(info, msgspec.inspect.UnionType):
            waiting += info.types
        elif isinstance(info, msgspec.inspect.ListType | msgspec.inspect.VarTupleType):
            waiting.append(info.item_type)
        elif isinstance(info, msgspec.inspect.TupleType):
            waiting += info.item_types
        elif isinstance(info, msgspec.inspect.DictType):
            waiting.append(info.value_type)
    return found


def text(app: FastAPI) -> str:
    return msgspec.json.format(msgspec.json.encode(document(app)), indent=1).decode() + "\n"


if __name__ == "__main__":
    from dragoman.api.app import build

    sys.stdout.write(text(build(None)))
