"""Pins to a certain host of a model, as model names carry them towards the brokers that know such.

OpenRouter: `model@host` becomes the model and `provider: {order: [host], allow_fallbacks: false}`; several hosts are
given with commas. https://openrouter.ai/docs/features/provider-routing, seen 2026-11-21
Hugging Face's router takes `model:host` in the name itself, so nothing is done there. Pure.
"""

from typing import Any

_OPENROUTER = "openrouter.ai"


def pin(body: dict[str, Any], host: str) -> dict[str, Any]:
    """Turn the pin in a request's `model` into what the broker at `host` reads; without one, gives the same object."""
    model = body.get("model")
    if not isinstance(model, str) or not _is_under(host, _OPENROUTER):
        return body
    name, at, hosts = model.rpartition("@")
    order = [one for word in hosts.split(",") if (one := word.strip())]
    if not at or not name or not order:
        return body
    given = body.get("provider")
    kept = given if isinstance(given, dict) else {}
    return {**body, "model": name, "provider": {**kept, "order": order, "allow_fallbacks": False}}


def _is_under(host: str, domain: str) -> bool:
    host = host.lower().rstrip(".")
    return host == domain or host.endswith("." + domain)
