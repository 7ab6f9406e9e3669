"""Options that several commands share, and how a command finds the settings and the running Dragoman."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from dragoman import config
from dragoman.config import Start
from dragoman.supervisor.place import RunFile, is_alive, read_run_file

Host = Annotated[str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]", show_default=False)]
Port = Annotated[
    int | None, typer.Option(help="Port to listen on; 0 takes any free one. [default: 8080]", show_default=False)
]
DataDir = Annotated[
    Path | None, typer.Option(help="Where the record is kept. [default: the platform's place]", show_default=False)
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="Settings, in place of ./dragoman.yaml.", show_default=False)
]
Write = Callable[[bytes], object]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def load(config_file: Path | None, data_dir: Path | None, **server: object) -> Start:
    """Read the settings with these flags on top. Raises BadConfig."""
    flags: dict[str, object] = {f"server.{name}": value for name, value in server.items()}
    flags["data_dir"] = str(data_dir) if data_dir is not None else None
    return config.load(flags, config_file=config_file)


def find_running(data_dir: Path) -> RunFile | None:
    """Find the Dragoman that runs on this data directory, if one does."""
    run = read_run_file(data_dir)
    return run if run is not None and is_alive(run.pid) else None
