"""`dragoman env`: the exports that lead a client to Dragoman, to copy or to `eval`."""

import json
import os
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
    """Print the lines that lead a client to Dragoman: eval "$(dragoman env claude)"."""
    if target not in connect.ENV_TARGETS:
        raise BadRequest(f"expected one of {', '.join(connect.ENV_TARGETS)}, found {target!r}")
    url = proxy_url(config_file, data_dir)
    if as_json:
        print(json.dumps(connect.env(target, url), indent=2))
        return
    is_fish = Path(os.environ.get("SHELL", "")).name == "fish"
    print("\n".join(connect.shell_lines(target, url, is_fish=is_fish)))


def proxy_url(config_file: Path | None, data_dir: Path | None) -> str:
    """Find where the running Dragoman takes requests, or where the settings say that it will."""
    start = options.load(config_file, data_dir)
    run = options.find_running(Path(start.config.data_dir))
    return run.url if run else url_of(start.config.server.host, start.config.server.port)
