"""`dragoman verify`: rebuild every stored body and compare it with its hash."""

import json
import sys
from pathlib import Path

import typer

from dragoman.cli import options
from dragoman.cli.record import check_exists, open_store


def verify(
    data_dir: options.DataDir = None,
    config_file: options.ConfigFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Rebuild every stored body from its segments and compare its hash. Ends with 1 when one differs."""
    start = options.load(config_file, data_dir)
    place = Path(start.config.data_dir)
    check_exists(place)
    shows = sys.stderr.isatty() and not as_json
    with open_store(place) as store:
        report = store.verify(_show_progress if shows else None)
    if shows:
        print("\r\033[K", end="", file=sys.stderr)
    if as_json:
        failures = [{"exchange": exchange, "problem": why} for exchange, why in report.failures]
        print(json.dumps({"checked": report.checked, "skipped": report.skipped, "failures": failures}, indent=2))
    else:
        for exchange, why in report.failures:
            print(f"{exchange}: {why}")
        words = f"{report.checked} bodies rebuilt, {len(report.failures)} differ"
        print(words + (f", {report.skipped} are not kept any more" if report.skipped else ""))
    if report.failures:
        raise typer.Exit(1)


def _show_progress(seen: int) -> None:
    print(f"\r{seen} exchanges", end="", file=sys.stderr, flush=True)
