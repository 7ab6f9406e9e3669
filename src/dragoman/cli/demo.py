"""`dragoman demo`: Dragoman with a simulated upstream and gentle, endless traffic; needs no key and no network."""

import shutil
import tempfile
from pathlib import Path

import msgspec

from dragoman.cli import options
from dragoman.cli.start import print_ready
from dragoman.config import Start
from dragoman.records.route import Route, SystemEdits, Target
from dragoman.records.setup import Edited, Provider, merge
from dragoman.supervisor import children
from dragoman.supervisor.children import Command, Running
from dragoman.supervisor.place import listen, url_of


def demo(
    host: options.Host = None,
    port: options.Port = None,
    data_dir: options.DataDir = None,
    config_file: options.ConfigFile = None,
) -> None:
    """Start Dragoman with a simulated upstream and live traffic. Without --data-dir the record is thrown away."""
    place = data_dir or Path(tempfile.mkdtemp(prefix="dragoman-demo-"))
    start = options.load(config_file, place, host=host, port=port)
    try:
        with listen("127.0.0.1", 0) as upstream:
            start = with_simulator(start, url_of("127.0.0.1", upstream.getsockname()[1]))
            children.serve(
                start,
                lambda running: print_ready(start, running),
                more=lambda running: [_simulator(upstream.fileno(), running)],
            )
    finally:
        if data_dir is None:
            shutil.rmtree(place, ignore_errors=True)


def _simulator(descriptor: int, running: Running) -> Command:
    options = {"--fd": str(descriptor), "--play-to": running.url, "--data-dir": str(running.data_dir)}
    words = [word for pair in options.items() for word in pair]
    return Command("simulator", ("_simulator", *words), (descriptor,))


def with_simulator(start: Start, url: str) -> Start:
    """Make the simulator the default provider of every dialect that it speaks, and lead two routes to it."""
    dialects = ["openai_chat", "openai_responses", "anthropic_messages", "ollama_chat"]
    simulator = {"slug": "simulator", "name": "Simulator", "base_url": url, "dialects": dialects, "source": "demo"}
    overloaded = {
        "slug": "overloaded",
        "name": "Simulator, always overloaded",
        "headers": {"x-simulate": "sim-error-529"},
    }
    providers = [
        *msgspec.convert([{**simulator, "default_for": dialects}, {**simulator, **overloaded}], list[Provider]),
        *start.file_providers,
    ]
    routes = [*_routes(), *start.file_routes]
    setup = merge(start.setup, providers, Edited(), version=start.setup.version, file_routes=routes)
    return msgspec.structs.replace(start, setup=setup, file_providers=providers, file_routes=routes)


def _routes() -> list[Route]:
    """Give one route that translates and one that falls back; the demo's traffic uses both."""
    from dragoman.simulator import scenes  # with the simulator, which other commands do without

    translated = Target(provider="simulator", dialect="anthropic_messages", model="claude-opus-5-5")
    plain_words = SystemEdits(append="Answer in plain words.")
    fallback = [Target(provider="overloaded"), Target(provider="simulator", model="gpt-5.5-mini")]
    return [
        Route(name="house-model", model=scenes.HOUSE_MODEL, system=plain_words, targets=[translated], source="demo"),
        Route(name="team-fast", prefix=scenes.TEAM_PREFIX, model="fast", targets=fallback, source="demo"),
    ]
