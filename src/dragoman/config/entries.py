"""What the files say of providers and routes: checked one by one, and joined over the files.

Promise: what comes out can be published as it is. Every complaint names file and line. Of one slug or route name,
the entry of the higher file counts. A file that lay in the working directory may add, but not redirect.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from dragoman.config.layers import Layer, Steps
from dragoman.config.tree import FileRoute
from dragoman.records.names import RESERVED_SEGMENTS, SLUG
from dragoman.records.route import Route, SystemEdits, route_fault, unspoken
from dragoman.records.setup import BUILTIN_PROVIDERS, Auth, Provider, provider_fault

_FIELD = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_BUILTIN = {one.slug: one for one in BUILTIN_PROVIDERS}


def join_providers(layers: Sequence[Layer], project_file: Path | None) -> list[Provider]:
    """Check each file's providers and join them. Raises BadConfig."""
    joined: dict[str, Provider] = {}
    for layer in layers:
        if layer.values.get("rules"):
            raise layer.complain(("rules",), "this version does not have them yet; remove the key or leave it empty")
        own: dict[str, Provider] = {}
        for number, value in enumerate(layer.values.get("providers") or []):
            provider = msgspec.convert(value, Provider)
            steps = ("providers", number)
            if provider.slug in own:
                raise layer.complain((*steps, "slug"), f"`{provider.slug}` stands twice in this file")
            _check_provider(provider, layer, steps)
            if _is_of(layer, project_file):
                _check_trust(provider, layer, steps)
            _check_defaults(provider, own.values(), layer, steps)
            own[provider.slug] = msgspec.structs.replace(provider, source=_source(layer, steps))
        for slug, provider in own.items():
            joined.setdefault(slug, provider)
    return list(joined.values())


def join_routes(layers: Sequence[Layer], providers: Sequence[Provider], project_file: Path | None) -> list[Route]:
    """Check each file's routes and join them; they may name these providers and the built-in ones.

    Raises BadConfig.
    """
    known = {slug: one.dialects for slug, one in (_BUILTIN | {one.slug: one for one in providers}).items()}
    joined: dict[str, Route] = {}
    for layer in layers:
        own: dict[str, Route] = {}
        for number, value in enumerate(layer.values.get("routes") or []):
            steps = ("routes", number)
            route = _route_of(value, layer, steps)
            if route.name in own:
                raise layer.complain((*steps, "name"), f"`{route.name}` stands twice in this file")
            if (fault := route_fault(route, known) or unspoken(route, known)) is not None:
                raise layer.complain((*steps, *_steps_of(fault[0])), fault[1])
            if _is_of(layer, project_file):
                _check_lead(route, providers, layer, steps)
            own[route.name] = route
        for name, route in own.items():
            joined.setdefault(name, route)
    return list(joined.values())


def without_redirects(
    file_providers: Sequence[Provider], edited: Sequence[Provider], project_file: str | None
) -> tuple[list[Provider], list[str]]:
    """Leave out what a file of the working directory says of providers that were edited here, if it leads elsewhere.

    Gives what is left, and in words what was left out. What was edited is known later than what the files say.
    """
    known = {one.slug: one for one in edited}
    left: list[Provider] = []
    problems: list[str] = []
    for one in file_providers:
        mine = known.get(one.slug)
        is_found = project_file is not None and one.source.startswith(f"file:{project_file}:")
        if not is_found or mine is None or mine.base_url.rstrip("/") == one.base_url.rstrip("/"):
            left.append(one)
            continue
        where = one.source.removeprefix("file:")
        problems.append(
            f"{where}: providers: {one.slug} was edited here and stays at {mine.base_url}, this file would lead it to "
            f"{one.base_url}; if you trust this file, name it: --config {project_file}"
        )
    return left, problems


def _route_of(value: object, layer: Layer, steps: Steps) -> Route:
    written = msgspec.convert(value, FileRoute)
    if written.fixes:
        message = "this version has no fixes yet; remove the key or leave it empty"
        raise layer.complain((*steps, "fixes"), message)
    fields = {name: getattr(written, name) for name in Route.__struct_fields__}
    return Route(**{**fields, "source": _source(layer, steps)})


def _source(layer: Layer, steps: Steps) -> str:
    return f"file:{layer.file}:{layer.lines.get(steps, 1)}"


def _steps_of(field: str) -> Steps:
    """Take `targets[0].provider` apart."""
    return tuple(name or int(number) for name, number in _FIELD.findall(field))


def _is_of(layer: Layer, project_file: Path | None) -> bool:
    return project_file is not None and layer.file == str(project_file)


def _check_provider(provider: Provider, layer: Layer, steps: Steps) -> None:
    if provider.slug in RESERVED_SEGMENTS:
        raise layer.complain((*steps, "slug"), f"`{provider.slug}` is a path of Dragoman itself; choose another")
    if not SLUG.match(provider.slug):
        raise layer.complain(
            (*steps, "slug"),
            f"expected small letters, digits and hyphens, at most 63, beginning with a letter or digit, "
            f"found {provider.slug!r}",
        )
    if (fault := provider_fault(provider)) is not None:
        raise layer.complain((*steps, *fault[0].split(".")), fault[1])
    unspoken = [one for one in provider.default_for if one not in provider.dialects]
    if unspoken:
        raise layer.complain((*steps, "default_for"), f"{unspoken[0]} is not among the provider's `dialects`")
    if provider.ca_file is not None and not Path(provider.ca_file).expanduser().is_file():
        raise layer.complain((*steps, "ca_file"), f"there is no file {provider.ca_file}")
    if provider.auth is not None:
        _check_auth(provider.auth, layer, (*steps, "auth"))


def _check_defaults(provider: Provider, earlier: Iterable[Provider], layer: Layer, steps: Steps) -> None:
    """Of two files one wins; within one there is no telling who was meant."""
    held = {dialect: one.slug for one in earlier for dialect in one.default_for}
    for dialect in provider.default_for:
        if dialect in held:
            message = f"{dialect} is {held[dialect]}'s in this file already; leave it to one of the two"
            raise layer.complain((*steps, "default_for"), message)


def _check_auth(auth: Auth, layer: Layer, steps: Steps) -> None:
    if auth.scheme == "header" and not auth.name:
        raise layer.complain(steps, "the scheme `header` needs `name`, such as x-api-key")
    if auth.scheme in ("bearer", "header") and not (auth.key_env or auth.key_vault):
        raise layer.complain(
            steps,
            "expected `key_env`, the environment variable with the key; without `auth` the client's own key passes",
        )


def _check_trust(provider: Provider, layer: Layer, steps: Steps) -> None:
    """A file that lay in the working directory, of a cloned repository perhaps, must not redirect the user's keys."""
    known = _BUILTIN.get(provider.slug)
    if known is not None and (provider.base_url.rstrip("/") != known.base_url or not provider.verify_tls):
        raise layer.complain(
            (*steps, "base_url"),
            f"this would send what is meant for {known.name} ({known.base_url}) to {provider.base_url}; "
            f"{_remedy(layer)}",
        )
    for name in ("proxy", "ca_file"):
        if known is not None and (value := getattr(provider, name)) not in (None, "none"):
            raise layer.complain(
                (*steps, name), f"this would let {value} see what is meant for {known.name}; {_remedy(layer)}"
            )
    if provider.auth is not None and provider.auth.key_vault is not None:
        message = f"this would send a key of the vault to {provider.base_url}; {_remedy(layer)}"
        raise layer.complain((*steps, "auth", "key_vault"), message)
    held = {dialect: one for one in BUILTIN_PROVIDERS for dialect in one.default_for}
    for dialect in provider.default_for:
        if dialect in held and held[dialect].slug != provider.slug:
            raise layer.complain(
                (*steps, "default_for"),
                f"this would send {dialect} requests, meant for {held[dialect].name}, to {provider.base_url}; "
                f"{_remedy(layer)}",
            )


def _check_lead(route: Route, providers: Sequence[Provider], layer: Layer, steps: Steps) -> None:
    """Nor may its routes lead what clients send to a default path to a provider that it brought itself, or put words
    into their prompts."""
    if route.prefix is not None:
        return
    if route.system != SystemEdits():
        message = f"this would change the system prompt of requests for {route.model or 'any model'}"
        raise layer.complain((*steps, "system"), f"{message}; give the route a `prefix`, or, {_remedy(layer)}")
    brought = {one.slug: one for one in providers if one.slug not in _BUILTIN and _came_from(one, layer)}
    for number, target in enumerate(route.targets):
        if (provider := brought.get(target.provider)) is not None:
            raise layer.complain(
                (*steps, "targets", number, "provider"),
                f"this would send requests for {route.model or 'any model'}, and the key in them, to "
                f"{provider.base_url}; give the route a `prefix`, or, {_remedy(layer)}",
            )


def _came_from(provider: Provider, layer: Layer) -> bool:
    return provider.source.startswith(f"file:{layer.file}:")


def _remedy(layer: Layer) -> str:
    return f"if you trust this file, name it: --config {layer.file}"
