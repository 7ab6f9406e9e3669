"""The entry: `dragoman` and `python -m dragoman`.

Children of the supervisor (`_gateway`, `_keeper`, `_simulator`), `--version` and a plain `serve` are told apart here,
before the library of the command line is imported, since that takes longer than a gateway takes to start.
"""

import sys


def main() -> None:
    """Run what the command line asks for; ends the process with 0 (well), 1 (failed) or 2 (misused)."""
    words = sys.argv[1:]
    if words == ["--version"]:
        from dragoman import __version__

        print(f"dragoman {__version__}")
        return
    if words and words[0] in ("_gateway", "_keeper", "_simulator"):
        from dragoman.supervisor.child import run_child

        run_child(words[0], words[1:])
        return
    from dragoman.cli.start import ending_well, plain_serve, serve

    flags = plain_serve(words)
    if flags is not None:
        ending_well(lambda: serve(flags))
        return
    from dragoman.cli.app import main as run_cli

    run_cli(words)


if __name__ == "__main__":
    main()
