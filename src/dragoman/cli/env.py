"""`dragoman env`: the exports that lead a client to Dragoman, to copy or to `eval`."""

import json
import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from dragoman.cli import options
from dragoman.errors import BadRequest
from dragoman.records import connect
from dragoman.supervisor.place import url_of


def env(
    target: Annotated[str, typer.Argument(metavar="|".join(connect.ENV_TARGETS), help="The client.")],
    data_dir: options.DataDir = None,
    config_file: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Print the exports that lead a client to Dragoman: eval "$(dragoman env claude)"."""
    if target not in connect.ENV_TARGETS:
        raise BadRequest(f"expected one of {', '.join(connect.ENV_TARGETS)}, found {target!r}")
    values = connect.env(target, proxy_url(config_file, data_dir))
    if as_json:
        print(json.dumps(values, indent=2))
        return
    is_fish = Path(os.environ.get("SHELL", "")).name == "fish"
    for name, value in values.items():
        print(f"set -gx {name} {shlex.quote(value)}" if is_fish else f"export {name}={shlex.quote(value)}")


def proxy_url(config_file: Path | None, data_dir: Path | None) -> str:
    """Find where the running Dragoman takes requests, or where the settings say that it will."""
    start = options.load(config_file, data_dir)
    run = options.find_running(Path(start.config.data_dir))
    return run.url if run else url_of(start.config.server.host, start.config.server.port)
