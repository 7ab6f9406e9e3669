"""`dragoman serve`: start everything, and say where it is and how to use it."""

from typing import Annotated

import typer

from dragoman.cli import options, start


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
    given = {
        "--host": host,
        "--port": port,
        "--data-dir": data_dir,
        "--config": config_file,
        "--gateways": gateways,
        "--admin-listen": admin_listen,
    }
    start.serve({name: str(value) for name, value in given.items() if value is not None})
