"""`dragoman export`: exchanges as data for other tools, or as code that sends them again."""

import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dragoman import __version__
from dragoman.cli import options
from dragoman.cli.record import Record, open_record


class Form(StrEnum):
    json = "json"
    jsonl = "jsonl"
    har = "har"
    curl = "curl"
    python = "python"
    typescript = "typescript"


def export(
    query: Annotated[
        str, typer.Argument(help="Which exchanges, as in the interface: 'model:gpt-* status:error'.")
    ] = "",
    form: Annotated[Form, typer.Option("--format", "-f", metavar="|".join(Form), help="What to write.")] = Form.json,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write to. [default: standard output]", show_default=False),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many, the newest.", show_default=False)] = None,
    data_dir: options.DataDir = None,
    config_file: options.ConfigFile = None,
    _as_json: Annotated[bool, typer.Option("--json", help="Write JSON, which is the default.")] = False,
) -> None:
    """Write finished exchanges, newest first. Works whether Dragoman runs or not; credentials are never included."""
    start = options.load(config_file, data_dir)
    with open_record(start) as record:
        ids = itertools.islice(record.find(query), limit)
        if output is None:
            _write(record, ids, form, sys.stdout.buffer.write)
            sys.stdout.flush()
            return
        draft = output.with_name(output.name + ".part")
        with draft.open("wb") as file:
            count = _write(record, ids, form, file.write)
        draft.replace(output)
        print(f"{count} exchanges written to {output}", file=sys.stderr)


def _write(record: Record, ids: Iterable[str], form: Form, write: options.Write) -> int:
    count = 0

    def each(kind: str) -> Iterator[bytes]:
        nonlocal count
        for one in ids:
            count += 1
            yield record.export(one, kind)

    match form:
        case Form.json:
            _write_array(b"[\n", (_compact(one) for one in each("json")), b"\n]\n", write)
        case Form.har:
            entries = (json.dumps(json.loads(one)["log"]["entries"][0]).encode() for one in each("har"))
            creator = json.dumps({"name": "Dragoman", "version": __version__})
            head = f'{{"log": {{"version": "1.2", "creator": {creator}, "entries": [\n'.encode()
            _write_array(head, entries, b"\n]}}\n", write)
        case Form.jsonl:
            for one in each("json"):
                write(_compact(one) + b"\n")
        case _:
            for one in each(form.value):
                write(one.rstrip() + b"\n\n")
    return count


def _write_array(head: bytes, items: Iterable[bytes], tail: bytes, write: options.Write) -> None:
    """Write nothing before the first item is there, so that a wrong query leaves no half of a document."""
    before = head
    for item in items:
        write(before + item)
        before = b",\n"
    write(head + tail if before is head else tail)


def _compact(document: bytes) -> bytes:
    """Bring JSON on one line, numbers and text as they are."""
    import msgspec

    return msgspec.json.format(document, indent=-1)
