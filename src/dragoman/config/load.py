"""Find the files, lay the layers over each other, check what the types cannot say, and make the Start."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from dragoman.config.entries import join_providers, join_routes
from dragoman.config.layers import Layer, lay_over, read_env, read_file, read_flags
from dragoman.config.tree import Config, File, Start, is_loopback, split_address
from dragoman.errors import BadConfig
from dragoman.records.setup import Edited, Setup, merge

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
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    return _read(files, project_file, given, env)


def reload(start: Start, env: Mapping[str, str] = os.environ) -> Start:
    """Read the same files again under the same flags. Raises BadConfig; a file that has gone counts as empty.

    Providers and routes that came from no file, such as the demo's, stay.
    """
    files = [Path(name) for name in start.config_files]
    fresh = _read(files, Path(start.project_file) if start.project_file else None, start.flags, env)
    kept_providers = [one for one in start.file_providers if not one.source.startswith("file:")]
    kept_routes = [one for one in start.file_routes if not one.source.startswith("file:")]
    return msgspec.structs.replace(
        fresh,
        file_providers=[*kept_providers, *fresh.file_providers],
        file_routes=[*kept_routes, *fresh.file_routes],
    )


def _read(files: list[Path], project_file: Path | None, flags: dict[str, Any], env: Mapping[str, str]) -> Start:
    layers = [read_file(path) for path in files if path.exists()]
    providers = join_providers(layers, project_file)
    routes = join_routes(layers, providers, project_file)
    over = [read_flags(flags), read_env(env)]
    values: dict[str, Any] = {}
    for layer in reversed([*over, *layers]):
        values = lay_over(values, layer.values)
    config = _config_of(msgspec.convert(values, File, strict=False))
    _check_server(config, env, [*over, *layers])
    config = msgspec.structs.replace(config, data_dir=str(_data_dir(config)))
    return Start(
        config=config,
        setup=merge(_base_setup(config, env), providers, Edited(), version=1, file_routes=routes),
        file_providers=providers,
        file_routes=routes,
        flags=flags,
        config_files=[str(path) for path in files],
        project_file=str(project_file) if project_file else None,
    )


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
