"""`dragoman serve`: start everything, and say where it is and how to use it."""

import shutil
import sys
from typing import Annotated

import typer

from dragoman.cli import options
from dragoman.config import Start
from dragoman.records import connect
from dragoman.supervisor import children
from dragoman.supervisor.children import Running

_TOOLS = {"claude": "claude", "codex": "codex", "gemini": "gemini", "ollama": "ollama"}
"""Program on the path → target of `dragoman env`."""


def serve(
    host: options.Host = None,
    port: options.Port = None,
    data_dir: options.DataDir = None,
    config_file: options.ConfigFile = None,
    gateways: Annotated[
        int | None, typer.Option(help="Processes that pass traffic on. [default: 1]", show_default=False)
    ] = None,
    admin_listen: Annotated[
        str | None, typer.Option(help="host:port for the interface and the API alone.", show_default=False)
    ] = None,
) -> None:
    """Start Dragoman: the proxy, the record of it, and the interface. This is what `dragoman` alone does."""
    start = options.load(config_file, data_dir, host=host, port=port, gateways=gateways, admin_listen=admin_listen)
    children.serve(start, lambda running: print_ready(start, running))


def print_ready(start: Start, running: Running) -> None:
    """Say what was started. Runs while the gateways are starting, so it costs no time to the first request."""
    admin = running.admin_url or running.url
    print(f"Dragoman      {running.url}")
    print(f"Interface     {admin}/ui/")
    print(f"Data          {running.data_dir}")
    print(f"Settings      {', '.join(start.config_files) or 'defaults; no dragoman.yaml was found'}")
    found = [target for program, target in _TOOLS.items() if shutil.which(program)]
    for target in found or ["openai", "anthropic"]:
        print(f"{target:<13} {connect.start_line(target, running.url)}")
    print('More          eval "$(dragoman env claude)"   or   dragoman run -- COMMAND')
    sys.stdout.flush()
