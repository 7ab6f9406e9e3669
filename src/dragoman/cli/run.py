"""`dragoman run -- COMMAND`: run a program whose calls go through Dragoman."""

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from dragoman.cli import options
from dragoman.cli.env import proxy_url
from dragoman.errors import BadRequest
from dragoman.records import connect


def run(
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND", help="The program and its arguments.")],
    data_dir: options.DataDir = None,
    config_file: options.ConfigFile = None,
) -> None:
    """Run a program with the variables of all clients set, in its environment alone; its exit code is passed on.

    Codex reads no variable; it gets the address as an argument.
    """
    program = shutil.which(command[0])
    if program is None:
        raise BadRequest(f"there is no program {command[0]!r} on the path")
    url = proxy_url(config_file, data_dir)
    sys.stdout.flush()
    words = [command[0], *connect.arguments(Path(program).name, url), *command[1:]]
    # Taking this process's place passes on signals, terminal and exit code as they are.
    os.execve(program, words, {**os.environ, **connect.env_all(url)})
