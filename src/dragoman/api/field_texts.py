"""What the source says of a Struct's fields: the text that stands under each, for the API's description.

Read from the source once per module, when the description is built; a field without a text has none here.
"""

import ast
import inspect
from functools import cache
from types import ModuleType

import msgspec


def field_texts(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Give the texts of a Struct's fields, those that it inherits too, under the names that are sent."""
    texts: dict[str, str] = {}
    for kind in reversed(struct.__mro__):
        if issubclass(kind, msgspec.Struct) and (module := inspect.getmodule(kind)) is not None:
            texts |= _texts(module).get(kind.__qualname__, {})
    return {one.encode_name: texts[one.name] for one in msgspec.structs.fields(struct) if one.name in texts}


@cache
def _texts(module: ModuleType) -> dict[str, dict[str, str]]:
    """Give the texts of all classes of a module."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError):  # msgspec itself, or a module without its source
        return {}
    return {node.name: _of_class(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _of_class(node: ast.ClassDef) -> dict[str, str]:
    texts: dict[str, str] = {}
    for field, below in zip(node.body, node.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            texts[field.target.id] = " ".join(below.value.value.split())
    return texts
