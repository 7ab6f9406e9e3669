"""Find the files, lay the layers over each other, check what the types cannot say, and make the Start."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from dragoman.config.layers import Layer, lay_over, read_env, read_file, read_flags
from dragoman.config.tree import Config, File, Start, is_loopback, split_address
from dragoman.errors import BadConfig
from dragoman.records.names import RESERVED_SEGMENTS, SLUG
from dragoman.records.setup import (
    BUILTIN_PROVIDERS,
    Edited,
    Provider,
    Setup,
    merge,
    provider_fault,
)

FILE_NAME = "dragoman.yaml"


def load(
    flags: Mapping[str, object] | None = None,
    *,
    config_file: Path | None = None,
    env: Mapping[str, str] = os.environ,
    directory: Path | None = None,
    user_directory: Path | None = None,
) -> Start:
    """Read all settings. `flags` maps `section.key` to a value; `config_file` takes the place of ./dragoman.yaml.

    Raises BadConfig.
    """
    project_file, files = _find_files(config_file, directory or Path.cwd(), user_directory)
    layers = [read_file(path) for path in files]
    file_providers = _join_providers(layers, project_file)
    over = [read_flags(flags or {}), read_env(env)]
    values: dict[str, Any] = {}
    for layer in reversed([*over, *layers]):
        values = lay_over(values, layer.values)
    config = _config_of(msgspec.convert(values, File, strict=False))
    _check_server(config, env, [*over, *layers])
    config = msgspec.structs.replace(config, data_dir=str(_data_dir(config)))
    return Start(
        config=config,
        setup=merge(_base_setup(config, env), file_providers, Edited(), version=1),
        file_providers=file_providers,
        config_files=[str(path) for path in files],
        project_file=str(project_file) if project_file else None,
    )


def reload_providers(start: Start) -> list[Provider]:
    """Read the providers of the same files again. Raises BadConfig; a file that has gone counts as empty.

    Providers that came from no file, such as the demo's, stay.
    """
    layers = [read_file(Path(name)) for name in start.config_files if Path(name).exists()]
    kept = [one for one in start.file_providers if not one.source.startswith("file:")]
    return [*kept, *_join_providers(layers, Path(start.project_file) if start.project_file else None)]


def _find_files(config_file: Path | None, directory: Path, user: Path | None) -> tuple[Path | None, list[Path]]:
    if config_file is not None and not config_file.exists():
        raise BadConfig("this file does not exist (it was named by --config)", file=str(config_file))
    if user is None:
        import platformdirs

        user = platformdirs.user_config_path("dragoman", appauthor=False)
    own = user / FILE_NAME
    found = directory / FILE_NAME
    project = found if config_file is None and found.exists() and not _is_same(found, own) else None
    first = config_file or project
    files = [first.absolute()] if first else []
    if own.exists() and not (first and _is_same(first, own)):
        files.append(own.absolute())
    return project.absolute() if project else None, files


def _is_same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def _config_of(file: File) -> Config:
    return Config(**{one.name: getattr(file, one.name) for one in msgspec.structs.fields(Config)})


def _data_dir(config: Config) -> Path:
    if config.data_dir:
        return Path(config.data_dir).expanduser().absolute()
    import platformdirs

    return platformdirs.user_data_path("dragoman", appauthor=False).absolute()


def _base_setup(config: Config, env: Mapping[str, str]) -> Setup:
    server = config.server
    return Setup(
        limits=config.limits,
        journal=config.journal,
        allowed_hosts=server.allowed_hosts,
        allowed_origins=server.allowed_origins,
        hosts=[server.host],
        password_required=bool(env.get(server.password_env)),
    )


# What the types cannot say.


def _check_server(config: Config, env: Mapping[str, str], layers: list[Layer]) -> None:
    server = config.server
    if not 0 <= server.port <= 65535:
        raise _where(layers, "server", "port").complain(
            ("server", "port"), f"expected a port from 1 to 65535, or 0 for any free one, found {server.port}"
        )
    if not 1 <= server.gateways <= 64:
        raise _where(layers, "server", "gateways").complain(
            ("server", "gateways"), f"expected a number from 1 to 64, found {server.gateways}"
        )
    if config.redaction.pii:
        raise _where(layers, "redaction", "pii").complain(
            ("redaction", "pii"), "this version does not mask personal data yet; leave it false"
        )
    for key, host in _listeners(config, layers):
        if not is_loopback(host) and not env.get(server.password_env):
            raise _where(layers, "server", key).complain(
                ("server", key),
                f"listening on {host} lets other machines in, which needs a password: set the environment variable "
                f"{server.password_env}, or listen on 127.0.0.1",
            )


def _listeners(config: Config, layers: list[Layer]) -> list[tuple[str, str]]:
    listeners = [("host", config.server.host)]
    if config.server.admin_listen is not None:
        try:
            listeners.append(("admin_listen", split_address(config.server.admin_listen)[0]))
        except ValueError as error:
            raise _where(layers, "server", "admin_listen").complain(("server", "admin_listen"), str(error)) from error
    return listeners


def _where(layers: list[Layer], section: str, key: str) -> Layer:
    """Find the layer that gave a setting its value."""
    for layer in layers:
        if key in layer.values.get(section, {}):
            return layer
    return Layer({})


def _join_providers(layers: list[Layer], project_file: Path | None) -> list[Provider]:
    """Check each file's providers and join them; of one slug, the entry of the higher file counts."""
    joined: dict[str, Provider] = {}
    for layer in layers:
        for key in ("routes", "rules"):
            if layer.values.get(key):
                raise layer.complain((key,), "this version does not have them yet; remove the key or leave it empty")
        own: dict[str, Provider] = {}
        for number, value in enumerate(layer.values.get("providers", [])):
            provider = msgspec.convert(value, Provider)
            steps = ("providers", number)
            if provider.slug in own:
                raise layer.complain((*steps, "slug"), f"`{provider.slug}` stands twice in this file")
            _check_provider(provider, layer, steps)
            if project_file is not None and layer.file == str(project_file):
                _check_trust(provider, layer, steps)
            line = layer.lines.get(steps, 1)
            own[provider.slug] = msgspec.structs.replace(provider, source=f"file:{layer.file}:{line}")
        for slug, provider in own.items():
            joined.setdefault(slug, provider)
    return list(joined.values())


def _check_provider(provider: Provider, layer: Layer, steps: tuple[str | int, ...]) -> None:
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
    if provider.auth is None:
        return
    auth = (*steps, "auth")
    if provider.auth.scheme == "sigv4":
        raise layer.complain((*auth, "scheme"), "this version cannot sign requests yet; use a bearer key")
    if provider.auth.scheme == "header" and not provider.auth.name:
        raise layer.complain(auth, "the scheme `header` needs `name`, such as x-api-key")
    if provider.auth.scheme != "none" and not (provider.auth.key_env or provider.auth.key_vault):
        raise layer.complain(
            auth,
            "expected `key_env`, the environment variable with the key; without `auth` the client's own key passes",
        )


def _check_trust(provider: Provider, layer: Layer, steps: tuple[str | int, ...]) -> None:
    """A file that lay in the working directory, of a cloned repository perhaps, must not redirect the user's keys."""
    builtin = {one.slug: one for one in BUILTIN_PROVIDERS}
    remedy = f"if you trust this file, name it: --config {layer.file}"
    known = builtin.get(provider.slug)
    if known is not None and (provider.base_url.rstrip("/") != known.base_url or not provider.verify_tls):
        raise layer.complain(
            (*steps, "base_url"),
            f"this would send what is meant for {known.name} ({known.base_url}) to {provider.base_url}; {remedy}",
        )
    held = {dialect: one for one in BUILTIN_PROVIDERS for dialect in one.default_for}
    for dialect in provider.default_for:
        if dialect in held and held[dialect].slug != provider.slug:
            raise layer.complain(
                (*steps, "default_for"),
                f"this would send {dialect} requests, meant for {held[dialect].name}, to {provider.base_url}; {remedy}",
            )
