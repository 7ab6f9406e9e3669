"""`dragoman simulate`: the simulated upstream alone."""

from typing import Annotated

import typer


def simulate(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any free one.")] = 8099,
) -> None:
    """Start a simulated provider that speaks six dialects and needs no key; the model's name says what it does."""
    from dragoman.simulator.main import run_alone
    from dragoman.supervisor.place import listen, url_of

    with listen(host, port) as listener:
        print(f"Simulator     {url_of(host, listener.getsockname()[1])}", flush=True)
        run_alone(listener)
