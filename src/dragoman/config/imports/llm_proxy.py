"""The model map of `python-llm-proxy` and `llm-proxy`: a `config.yaml` whose `models` each map a model of one
dialect to a model of another.

    models:
      - frontend_model_name: gpt-4o
        frontend_base_url: /openai-compat
        frontend_dialect: openai-chat
        backend_model_name: claude-sonnet-4-5
        backend_base_url: https://api.anthropic.com
        backend_api_key: ${ANTHROPIC_API_KEY}
        backend_auth_header: x-api-key
        backend_auth_schema: ""
        backend_dialect: claude
        system_replacements: {old: new}
        system_append: Be brief.
        inject_progress: true

An empty `backend_api_key` passes the client's own. `frontend_dialect` says nothing here: a route takes them all.
"""

from typing import Any

from dragoman.config.imports.found import Builder, Credential, credential_of, objects, text_in
from dragoman.records.names import DialectName
from dragoman.records.route import Replacement, SystemEdits, Target
from dragoman.records.setup import Auth

NAME = "llm-proxy"
SIGN = "`models` with `frontend_model_name`"

_DIALECTS: dict[str, DialectName] = {
    "openai-chat": "openai_chat",
    "openai": "openai_chat",
    "openai-responses": "openai_responses",
    "claude": "anthropic_messages",
    "anthropic": "anthropic_messages",
    "bedrock": "bedrock_invoke",
    "ollama": "ollama_chat",
    "gemini": "gemini_generate",
}
_KEYS = frozenset(
    {
        *("frontend_model_name", "frontend_base_url", "frontend_dialect", "backend_model_name", "backend_base_url"),
        *("backend_api_key", "backend_auth_header", "backend_auth_schema", "backend_dialect"),
        *("system_replacements", "system_append", "inject_progress"),
    }
)


def is_it(tree: Any) -> bool:
    models = objects(tree.get("models")) if isinstance(tree, dict) else []
    return any("frontend_model_name" in one or "backend_base_url" in one for one in models)


def read(tree: Any, builder: Builder) -> None:
    if not isinstance(tree, dict):
        builder.problem("", "found no mapping, expected `models`")
        return
    builder.leftovers("", tree, ("models",), "there is no such setting here; see `server` in dragoman.yaml")
    for number, entry in enumerate(objects(tree.get("models"))):
        _read_model(entry, f"models[{number}]", builder)


def _read_model(entry: dict[str, Any], where: str, builder: Builder) -> None:
    builder.leftovers(where, entry, _KEYS, "this key is not known")
    wanted = text_in(entry, "backend_dialect").lower().replace("_", "-")
    dialect = _DIALECTS.get(wanted)
    if dialect is None:
        builder.problem(f"{where}.backend_dialect", f"found {wanted!r}, expected one of {', '.join(_DIALECTS)}")
        return
    credential = credential_of(entry.get("backend_api_key"))
    slug = builder.provider(
        where, text_in(entry, "backend_base_url"), [dialect], credential, auth=_auth(entry, dialect, credential)
    )
    if slug is None:
        return
    model = text_in(entry, "frontend_model_name") or None
    append = entry.get("system_append")
    prefix = builder.prefix(f"{where}.frontend_base_url", text_in(entry, "frontend_base_url"))
    builder.route(
        where,
        f"{prefix or ''}-{model or 'any'}",
        [Target(provider=slug, dialect=dialect, model=text_in(entry, "backend_model_name") or None)],
        prefix=prefix,
        model=model,
        system=SystemEdits(
            replace=_replacements(entry.get("system_replacements"), where, builder),
            append=append if isinstance(append, str) else "",
            progress=entry.get("inject_progress") is True,
        ),
    )


def _auth(entry: dict[str, Any], dialect: DialectName, credential: Credential) -> Auth | None:
    """Say how the key goes: an empty schema means the bare key, and no header at all what the dialect has."""
    if credential == Credential() or credential.is_none:
        return None
    header, schema = text_in(entry, "backend_auth_header"), text_in(entry, "backend_auth_schema")
    if not header:
        header = "x-api-key" if dialect == "anthropic_messages" and not schema else "Authorization"
        schema = schema or ("" if header == "x-api-key" else "Bearer")
    if header.lower() == "authorization" and schema.lower() == "bearer":
        return Auth()
    return Auth(scheme="header", name=header, prefix=schema or None)


def _replacements(value: Any, where: str, builder: Builder) -> list[Replacement]:
    """Read a mapping of old to new, or a list of pairs, in their order."""
    if isinstance(value, dict):
        return [Replacement(old=str(old), new="" if new is None else str(new)) for old, new in value.items()]
    made: list[Replacement] = []
    for number, one in enumerate(value if isinstance(value, list) else []):
        if isinstance(one, dict) and (old := one.get("old", one.get("from"))):
            made.append(Replacement(old=str(old), new=str(one.get("new", one.get("to", "")) or "")))
        elif isinstance(one, list | tuple) and len(one) == 2:
            made.append(Replacement(old=str(one[0]), new=str(one[1])))
        else:
            builder.problem(f"{where}.system_replacements[{number}]", "expected a pair of old and new")
    return made
