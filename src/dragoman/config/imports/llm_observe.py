"""The `models.json` of `llm-observe-proxy`: a list of routes, or an object with `model_routes` and `default_fixes`.

    [{"model": "fast", "upstream_url": "https://api.openai.com/v1", "upstream_model": "gpt-5.5-mini",
      "provider_slug": "openai", "api_key_env": "OPENAI_API_KEY", "fixes": [], "priority": 0, "active": true,
      "match_type": "exact"}]

Its upstreams speak OpenAI's dialects. A route from a file has priority 0 there, and keeps it here.
"""

from typing import Any

from dragoman.config.imports.found import Builder, credential_of, objects, text_in
from dragoman.records.route import Target

NAME = "llm-observe"
SIGN = "a list of entries with `upstream_url`"

_KEYS = frozenset(
    {
        *("model", "upstream_url", "upstream_model", "provider_slug", "api_key", "api_key_env", "fixes", "priority"),
        *("active", "match_type"),
    }
)
_FIXES = "there are no fixes in this version; the route is taken over without"


def is_it(tree: Any) -> bool:
    return any("upstream_url" in one for one in _entries(tree))


def read(tree: Any, builder: Builder) -> None:
    if isinstance(tree, dict):
        if tree.get("default_fixes"):
            builder.problem("default_fixes", _FIXES)
        builder.leftovers("", tree, ("model_routes", "models", "default_fixes"), "there is no such setting here")
    for number, entry in enumerate(_entries(tree)):
        _read_route(entry, f"[{number}]" if isinstance(tree, list) else f"model_routes[{number}]", builder)


def _entries(tree: Any) -> list[dict[str, Any]]:
    if isinstance(tree, dict):
        return objects(tree.get("model_routes")) or objects(tree.get("models"))
    return objects(tree)


def _read_route(entry: dict[str, Any], where: str, builder: Builder) -> None:
    builder.leftovers(where, entry, _KEYS, "this key is not known")
    if entry.get("fixes"):
        builder.problem(f"{where}.fixes", _FIXES)
    if text_in(entry, "api_key") and text_in(entry, "api_key_env"):
        builder.problem(f"{where}.api_key", "both api_key and api_key_env are set; the variable is taken")
    model = text_in(entry, "model")
    if not model:
        builder.problem(where, "it names no `model`")
        return
    slug = builder.provider(
        where,
        text_in(entry, "upstream_url"),
        ["openai_chat", "openai_responses"],
        credential_of(entry.get("api_key"), entry.get("api_key_env")),
        name=text_in(entry, "provider_slug"),
    )
    if slug is None:
        return
    pattern = model
    if entry.get("match_type") == "prefix" and not model.endswith("*"):
        pattern = model + "*"
    priority = entry.get("priority")
    builder.route(
        where,
        model,
        [Target(provider=slug, model=text_in(entry, "upstream_model") or None)],
        model=pattern,
        priority=priority if isinstance(priority, int) and not isinstance(priority, bool) else 0,
        is_active=entry.get("active") is not False,
    )
