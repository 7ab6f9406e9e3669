"""What lies between `dragoman serve` and the first request, without the library of the command line.

typer brings pydantic, which takes longer to import than a gateway takes to start. So a plain `serve` (known flags,
each with a value) comes straight here; all else (help, completion, a wrong word) goes through `cli.app`, and its
`serve` ends in the same function.
"""

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from dragoman import config
from dragoman.config import Start
from dragoman.errors import BadConfig, BadRequest, DragomanError
from dragoman.records import connect
from dragoman.supervisor import children
from dragoman.supervisor.children import Running

FLAGS = {
    "--host": "server.host",
    "--port": "server.port",
    "--data-dir": "data_dir",
    "--gateways": "server.gateways",
    "--admin-listen": "server.admin_listen",
    "--config": "",
}
"""The options of `serve`, and the setting that each stands for."""
NUMBERS = ("--port", "--gateways")

_TOOLS = {"claude": "claude", "codex": "codex", "gemini": "gemini", "ollama": "ollama"}
"""Program on the path → target of `dragoman env`."""


def plain_serve(words: Sequence[str]) -> dict[str, str] | None:
    """Read a command line that starts Dragoman by known flags alone; None when it is another one."""
    rest = list(words[1:] if words[:1] == ["serve"] else words)
    flags: dict[str, str] = {}
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if name not in FLAGS or name in flags or not (equals or rest):
            return None
        flags[name] = value if equals else rest.pop(0)
    is_number = all(flags.get(name, "1").isdecimal() for name in NUMBERS)
    return flags if is_number and all(flags.values()) else None


def serve(flags: dict[str, str]) -> None:
    """Start Dragoman with these flags, and stay until it ends. Raises DragomanError."""
    settings: dict[str, object] = {FLAGS[name]: value for name, value in flags.items() if FLAGS[name]}
    settings |= {FLAGS[name]: int(flags[name]) for name in NUMBERS if name in flags}
    config_file = Path(flags["--config"]) if "--config" in flags else None
    start = config.load(settings, config_file=config_file)
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


def ending_well(act: Callable[[], object]) -> None:
    """Run a command; what goes wrong becomes a message and an exit code: 1 failed, 2 misused or set up wrongly."""
    try:
        act()
    except DragomanError as error:
        print(f"dragoman: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, BadRequest | BadConfig) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
