"""LiteLLM's `config.yaml`: `model_list`, and of the router's settings the aliases, fallbacks and retries.

    model_list:
      - model_name: fast
        litellm_params: {model: anthropic/claude-haiku-4-5, api_key: os.environ/ANTHROPIC_API_KEY}

Entries of one `model_name` share the load there; here the first one gets it, the others stand in for it.
Names of providers and where they are: https://docs.litellm.ai/docs/providers, seen 2026-11-21.
"""

from typing import Any, NamedTuple

from dragoman.config.imports.found import Builder, credential_of, objects, text_in
from dragoman.records.names import DialectName
from dragoman.records.route import Retry, Target
from dragoman.records.setup import Auth

NAME = "litellm"
SIGN = "`model_list` with `litellm_params`"

_OPENAI: list[DialectName] = ["openai_chat", "openai_responses"]
_CHAT: list[DialectName] = ["openai_chat"]


class _Kind(NamedTuple):
    base_url: str
    dialects: list[DialectName]
    strips_v1: bool = False
    """Its address is written without the version that its paths have."""


_KINDS: dict[str, _Kind] = {
    "openai": _Kind("https://api.openai.com", _OPENAI),
    "anthropic": _Kind("https://api.anthropic.com", ["anthropic_messages"]),
    "bedrock": _Kind("", ["bedrock_invoke"]),
    "azure": _Kind("", _CHAT),
    "gemini": _Kind("https://generativelanguage.googleapis.com", ["gemini_generate"]),
    "ollama": _Kind("http://127.0.0.1:11434", ["ollama_chat"]),
    "ollama_chat": _Kind("http://127.0.0.1:11434", ["ollama_chat"]),
    "openrouter": _Kind("https://openrouter.ai/api/v1", _CHAT),
    "groq": _Kind("https://api.groq.com/openai/v1", _CHAT),
    "mistral": _Kind("https://api.mistral.ai/v1", _CHAT),
    "deepseek": _Kind("https://api.deepseek.com/v1", _CHAT),
    "xai": _Kind("https://api.x.ai/v1", _CHAT),
    "together_ai": _Kind("https://api.together.xyz/v1", _CHAT),
    "fireworks_ai": _Kind("https://api.fireworks.ai/inference/v1", _CHAT),
    "huggingface": _Kind("https://router.huggingface.co/v1", _CHAT),
    "perplexity": _Kind("https://api.perplexity.ai", _CHAT, strips_v1=True),
    "hosted_vllm": _Kind("", _CHAT),
    "openai_like": _Kind("", _CHAT),
    "custom_openai": _Kind("", _CHAT),
    "lm_studio": _Kind("http://127.0.0.1:1234/v1", _CHAT),
    "llamafile": _Kind("http://127.0.0.1:8080/v1", _CHAT),
}
_KEY_HEADERS = {"anthropic": "x-api-key", "azure": "api-key", "gemini": "x-goog-api-key"}
"""Where a key stands that is no Bearer token."""
_USUAL_KEYS = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "azure": "AZURE_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "groq": "GROQ_API_KEY",
    "mistral": "MISTRAL_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
    "xai": "XAI_API_KEY",
    "together_ai": "TOGETHERAI_API_KEY",
    "fireworks_ai": "FIREWORKS_AI_API_KEY",
    "huggingface": "HF_TOKEN",
    "perplexity": "PERPLEXITYAI_API_KEY",
}
"""Variables that LiteLLM reads where an entry names no key, since the client's key is LiteLLM's own there; each stands
on its provider's page under https://docs.litellm.ai/docs/providers."""
_AZURE_VERSION = "2024-10-21"
"""The newest `api-version` that is generally available; LiteLLM has a default of its own."""
_PARAMS = frozenset(
    {"model", "api_base", "base_url", "api_key", "api_version", "aws_region_name", "aws_profile_name", "max_retries"}
)
_NO_PLACE = "there is no such setting here"
_SHARED = "the entries of one name share the load there; here they are tried in their order"


def is_it(tree: Any) -> bool:
    return isinstance(tree, dict) and bool(objects(tree.get("model_list")))


def read(tree: Any, builder: Builder) -> None:
    if not isinstance(tree, dict):
        builder.problem("", "found no mapping, expected `model_list`")
        return
    groups = _groups(tree, builder)
    _read_router(tree, groups, builder)


def _groups(tree: dict[str, Any], builder: Builder) -> dict[str, list[Target]]:
    """Gather the targets of each model name."""
    groups: dict[str, list[Target]] = {}
    for number, entry in enumerate(objects(tree.get("model_list"))):
        where = f"model_list[{number}]"
        name = text_in(entry, "model_name")
        params = entry.get("litellm_params")
        if not name or not isinstance(params, dict):
            builder.problem(where, "it has no `model_name` or no `litellm_params`")
            continue
        target = _target(name, params, f"{where}.litellm_params", builder)
        if target is None:
            continue
        if name in groups:
            builder.problem(where, f"{name}: {_SHARED}")
        groups.setdefault(name, []).append(target)
    return groups


def _target(name: str, params: dict[str, Any], where: str, builder: Builder) -> Target | None:
    builder.leftovers(where, params, _PARAMS, "a route does not set parameters, weights or limits")
    word, model = _split(text_in(params, "model"))
    kind = _KINDS.get(word)
    if kind is None:
        builder.problem(f"{where}.model", f"the provider {word!r} is not known here; known: {', '.join(_KINDS)}")
        return None
    if "*" in model:
        if name != model:
            message = f"a wildcard that makes {params['model']} of {name} changes the name, which a route cannot"
            builder.problem(f"{where}.model", message)
            return None
        model = ""
    if word == "bedrock" and "anthropic" not in model:
        builder.problem(f"{where}.model", f"of Bedrock's models only Anthropic's can be asked, not {model}")
        return None
    base_url, more = _provider(word, kind, params)
    if not base_url:
        builder.problem(f"{where}.api_base", f"{word} needs an address")
        return None
    has_own_address = base_url != kind.base_url and word != "azure"
    usual = None if has_own_address or params.get("api_key") else _USUAL_KEYS.get(word)
    credential = credential_of(params.get("api_key"), usual)
    slug = builder.provider(where, base_url, list(kind.dialects), credential, name=word.replace("_", "-"), **more)
    return None if slug is None else Target(provider=slug, dialect=kind.dialects[0], model=model or None)


def _provider(word: str, kind: _Kind, params: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Say where a provider lies, and what else its entry needs."""
    base_url = text_in(params, "api_base") or text_in(params, "base_url") or kind.base_url
    more: dict[str, Any] = {"strip_v1": True} if kind.strips_v1 else {}
    if word in _KEY_HEADERS:
        more["auth"] = Auth(scheme="header", name=_KEY_HEADERS[word])
    if word == "azure":
        more["form"] = "azure"
        more["query"] = {"api-version": text_in(params, "api_version") or _AZURE_VERSION}
    if word == "bedrock":
        region = text_in(params, "aws_region_name") or "us-east-1"
        base_url = base_url or f"https://bedrock-runtime.{region}.amazonaws.com"
        if not text_in(params, "api_key"):
            more["auth"] = Auth(scheme="sigv4", region=region, profile=text_in(params, "aws_profile_name") or None)
    return base_url, more


def _split(model: str) -> tuple[str, str]:
    """Take `provider/model` apart; a bare name is told by its looks."""
    word, slash, rest = model.partition("/")
    if not slash:
        return ("anthropic" if model.startswith("claude") else "openai"), model
    if word == "bedrock":
        rest = rest.removeprefix("converse/").removeprefix("invoke/")
    return word, rest


def _read_router(tree: dict[str, Any], groups: dict[str, list[Target]], builder: Builder) -> None:
    router, general = _section(tree, "router_settings"), _section(tree, "litellm_settings")
    retries = router.get("num_retries", general.get("num_retries"))
    retry = Retry(attempts=min(10, 1 + retries)) if isinstance(retries, int) and retries > 0 else Retry()
    own = {name: list(targets) for name, targets in groups.items()}
    for section, settings in (("router_settings", router), ("litellm_settings", general)):
        for number, pair in enumerate(objects(settings.get("fallbacks"))):
            for name, others in pair.items():
                where = f"{section}.fallbacks[{number}]"
                _add_fallbacks(name, others, where, groups, own, builder)
        known = ("fallbacks", "num_retries", "model_group_alias")
        builder.leftovers(section, settings, known, _NO_PLACE)
    for name in ("general_settings", "environment_variables"):
        if _section(tree, name):
            builder.problem(name, _NO_PLACE)
    for name, targets in groups.items():
        builder.route(f"model_list ({name})", name, targets, model=name, retry=retry)
    aliases = router.get("model_group_alias")
    for alias, name in (aliases if isinstance(aliases, dict) else {}).items():
        wanted = name.get("model") if isinstance(name, dict) else name
        if wanted in groups:
            builder.route(
                "router_settings.model_group_alias", str(alias), groups[wanted], model=str(alias), retry=retry
            )
        else:
            builder.problem("router_settings.model_group_alias", f"{alias} stands for {wanted}, which is not there")


def _add_fallbacks(
    name: str, others: Any, where: str, groups: dict[str, list[Target]], own: dict[str, list[Target]], builder: Builder
) -> None:
    """Let the targets of other names stand in for this one's."""
    if name not in groups:
        builder.problem(where, f"{name} is no model of the list")
        return
    for other in others if isinstance(others, list) else [others]:
        if isinstance(other, str) and other in own:
            groups[name] += [one for one in own[other] if one not in groups[name]]
        else:
            builder.problem(where, f"{other} is no model of the list")


def _section(tree: dict[str, Any], name: str) -> dict[str, Any]:
    value = tree.get(name)
    return value if isinstance(value, dict) else {}
