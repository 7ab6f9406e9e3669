"""`dragoman routes`: list them, ask which one takes a model and why, take over those of other tools.

Through the Dragoman that runs on the data directory, else from the files and what was edited last.
"""

import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from dragoman.cli import options
from dragoman.cli.record import Running
from dragoman.config import Start
from dragoman.errors import BadRequest
from dragoman.records.setup import Setup
from dragoman.supervisor import place

app = typer.Typer(help="See which model name goes where, and take over routes of other tools.", no_args_is_help=True)


@app.command("list")
def list_routes(
    data_dir: options.DataDir = None, config_file: options.ConfigFile = None, as_json: options.AsJson = False
) -> None:
    """List all routes in the order in which they are asked."""
    start = options.load(config_file, data_dir)
    running = _running(start)
    routes = json.loads(running.get("/api/routes"))["items"] if running else _listed(start)
    if as_json:
        print(json.dumps(routes, indent=2))
        return
    if not routes:
        print("There are no routes: every request goes to the default provider of its dialect.")
        return
    print("\n".join(_table(routes)))


@app.command("explain")
def explain(
    model: Annotated[str | None, typer.Argument(help="What the client asks for.", show_default=False)] = None,
    path: Annotated[
        str | None, typer.Option(help="Path that it asks for, such as /v1/messages.", show_default=False)
    ] = None,
    dialect: Annotated[str | None, typer.Option(help="What it speaks, in place of a path.", show_default=False)] = None,
    body: Annotated[
        Path | None, typer.Option(help="File with a request's JSON; - is standard input.", show_default=False)
    ] = None,
    data_dir: options.DataDir = None,
    config_file: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Say which route takes a request and why, and what would be sent. Sends nothing. Ends with 1 when none does."""
    if model is None and body is None:
        raise BadRequest("expected a model's name, or a request with --body")
    start = options.load(config_file, data_dir)
    asked = {"model": model, "path": path, "dialect": dialect, "body": _read(body) if body else None}
    running = _running(start)
    found = json.loads(running.post("/api/routes/explain", asked)) if running else _explained(start, asked)
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        print("\n".join(_story(found)))
    if found["status"] != "matched":
        raise typer.Exit(1)


@app.command("import")
def import_routes(
    file: Annotated[
        Path, typer.Argument(help="Configuration of llm-proxy, llm-observe-proxy or LiteLLM; - is standard input.")
    ],
    write: Annotated[
        Path | None, typer.Option(help="Add it to this dragoman.yaml; keys go into the vault.", show_default=False)
    ] = None,
    save: Annotated[bool, typer.Option("--save", help="Keep it in the running Dragoman, as if edited there.")] = False,
    form: Annotated[
        str | None, typer.Option("--format", help="What the file is, when it does not tell.", show_default=False)
    ] = None,
    data_dir: options.DataDir = None,
    config_file: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Read another tool's configuration as providers and routes. Without --write and --save, show what it gives."""
    start = options.load(config_file, data_dir)
    text = _read(file)
    if save:
        _save(start, text, form, as_json=as_json)
        return
    from dragoman.config import imports
    from dragoman.config.imports.written import as_yaml, write_into

    found = imports.read(text, form, _setup(start).providers)
    problems = [{"where": one.where, "message": one.message} for one in found.problems]
    if write is None:
        answer = {"format": found.format, "yaml": as_yaml(found), "problems": problems}
        print(json.dumps(answer, indent=2) if as_json else answer["yaml"], end="\n" if as_json else "")
        _tell_problems(problems)
        secrets = [one.provider.slug for one in found.providers if one.secret is not None]
        if secrets:
            print(f"Keys of {', '.join(secrets)} stood in the file; --write or --save puts them into the vault.",
                  file=sys.stderr)  # fmt: skip
        return
    left = write_into(found, write)
    fresh = [one for one in found.providers if f"provider {one.provider.slug}" not in left]
    _keep_keys(start, {one.provider.slug: one.secret for one in fresh if one.secret is not None})
    count = len(found.providers) + len(found.routes) - len(left)
    print(f"{count} entries written to {write}; use it with: dragoman --config {write}", file=sys.stderr)
    for one in left:
        print(f"left as it was: {one}", file=sys.stderr)
    _tell_problems(problems)


def _running(start: Start) -> Running | None:
    run = options.find_running(Path(start.config.data_dir))
    return Running(run, os.environ.get(start.config.server.password_env)) if run else None


def _setup(start: Start) -> Setup:
    """Give the Setup with which a Dragoman would begin."""
    return place.settled(start, Path(start.config.data_dir), start.config.server.port).setup


def _read(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise BadRequest(f"{file} cannot be read: {reason}") from error


def _listed(start: Start) -> list[dict[str, Any]]:
    import msgspec

    from dragoman.api.shapes import route_shape
    from dragoman.records.route import RouteTable

    table = RouteTable(_setup(start).routes)
    return [{**msgspec.to_builtins(route_shape(one)), "source": one.source} for one in table.routes]


def _explained(start: Start, asked: dict[str, Any]) -> dict[str, Any]:
    import msgspec

    from dragoman.api.explain import Place
    from dragoman.api.explain import explain as explain_here
    from dragoman.api.route_schemas import ExplainBody

    server = start.config.server
    here = Place(_setup(start), Path(start.config.data_dir), place.url_of(server.host, server.port))
    try:
        wanted = msgspec.convert(asked, ExplainBody)
    except msgspec.ValidationError as error:
        raise BadRequest(str(error)) from error
    return msgspec.to_builtins(explain_here(here, wanted, {}))


def _save(start: Start, text: str, form: str | None, *, as_json: bool) -> None:
    running = _running(start)
    if running is None:
        message = f"no Dragoman runs on {start.config.data_dir}; start it, or write a file with --write"
        raise BadRequest(message)
    found = json.loads(running.post("/api/routes/import", {"text": text, "format": form, "save": True}))
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        saved = ", ".join(one["name"] for one in found["routes"]) or "none"
        print(f"Routes: {saved}")
    _tell_problems(found["problems"])


def _keep_keys(start: Start, keys: dict[str, str]) -> None:
    if not keys:
        return
    from dragoman.security import vault

    data_dir = Path(start.config.data_dir)
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    for slug, key in keys.items():
        vault.write_key(data_dir, slug, key)
    print(f"keys of {', '.join(keys)} put into the vault in {data_dir}", file=sys.stderr)


def _tell_problems(problems: Iterable[dict[str, str]]) -> None:
    for one in problems:
        print(f"not taken over: {one['where']}: {one['message']}", file=sys.stderr)


# How it is told


def _table(routes: list[dict[str, Any]]) -> list[str]:
    """Give a row a route, and below it where it goes."""
    rows = [("NAME", "TAKES", "PRIORITY", "FROM")]
    rows += [(one["name"], _takes(one), str(one["priority"]), _short(one["source"])) for one in routes]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    told = [lines[0]]
    for line, route in zip(lines[1:], routes, strict=True):
        told += [line, *_wrapped(_targets(route), "    -> ")]
    return told


def _takes(route: dict[str, Any]) -> str:
    model = route["model"] or "any model"
    said = f"{model} under {route['prefix']}" if route["prefix"] else model
    return said if route["is_active"] else f"{said} (off)"


def _short(source: str) -> str:
    """Name a file from here, or from home, where it lies below."""
    place = Path(source.removeprefix("file:"))
    for root, start in ((Path.cwd(), ""), (Path.home(), "~/")):
        if place.is_relative_to(root):
            return start + str(place.relative_to(root))
    return str(place)


def _targets(route: dict[str, Any]) -> str:
    return ", then ".join(_target(one) for one in route["targets"])


def _target(target: dict[str, Any]) -> str:
    said = target["provider"] + (f" {target['model']}" if target["model"] else "")
    return f"{said} ({target['dialect']})" if target["dialect"] else said


def _story(found: dict[str, Any]) -> list[str]:
    width = max([len(one["route"]) for one in found["verdicts"]], default=0)
    lines: list[str] = []
    for one in found["verdicts"]:
        lines += _wrapped(one["why"], f"{one['route']:<{width}}  {one['outcome'].replace('_', ' '):<12}  ")
    if found["route"] is None:
        goes = found["default_provider"]
        lines.append(f"No route takes it; it goes to {goes}." if goes else "No route takes it, and nobody else does.")
        return [*lines, *_problem(found)]
    lines.append("")
    for number, one in enumerate(found["targets"], 1):
        lines += _told_target(number, one, found["dialect"])
    return [*lines, *_problem(found), *_request(found)]


def _told_target(number: int, target: dict[str, Any], asked: str | None) -> list[str]:
    translated = f" (translated: {asked} -> {target['dialect']})" if target["is_translated"] else ""
    lines = [f"{number}. {target['provider']}{translated}", f"   {target['url']}", f"   key: {_key(target)}"]
    breaker = target["breaker"]
    if breaker["state"] != "closed":
        lines.append(f"   left out for {breaker['retry_in_s']:.0f} s after {breaker['failures']} failures")
    if target["problem"] and number > 1:
        lines += _wrapped(target["problem"], "   ")
    return lines


def _key(target: dict[str, Any]) -> str:
    source, state = target["key_source"], target["key_state"]
    if source in ("none", "client"):
        return {"none": "none", "client": "the client's own"}[source]
    return f"{source} ({state})"


def _problem(found: dict[str, Any]) -> list[str]:
    return _wrapped(found["problem"], "Problem: ") if found["problem"] else []


def _request(found: dict[str, Any]) -> list[str]:
    request = found["request"]
    if request is None:
        return []
    lines = ["", f"{request['method']} {request['url']}"]
    lines += [f"{name}: {value}" for name, value in request["headers"]]
    lines += ["", request["body"], ""]
    lines += [f"Changed: {one}" for one in request["changes"]]
    return lines + [line for one in found["losses"] for line in _wrapped(f"{one['path']}: {one['reason']}", "Lost: ")]


def _wrapped(text: str, first: str) -> list[str]:
    """Break a line to the terminal's width; what follows stands below the text."""
    width = max(shutil.get_terminal_size().columns, len(first) + 24)
    indent = " " * len(first)
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
