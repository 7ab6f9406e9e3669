"""Gather the commands, and turn errors into messages and exit codes: 0 well, 1 failed, 2 misused."""

import typer

from dragoman import __version__
from dragoman.cli import demo, doctor, env, export, routes, run, serve, simulate, verify
from dragoman.cli.start import ending_well

app = typer.Typer(
    name="dragoman",
    help="A proxy, an inspector and a workbench between your programs and every language model.",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serve.serve)
app.command("demo")(demo.demo)
app.command("simulate")(simulate.simulate)
app.command("env")(env.env)
app.command("run", context_settings={"allow_interspersed_args": False, "ignore_unknown_options": True})(run.run)
app.command("export")(export.export)
app.add_typer(routes.app, name="routes")
app.command("doctor")(doctor.doctor)
app.command("verify")(verify.verify)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        print(f"dragoman {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    pass


_OF_THE_ROOT = {"-h", "--help", "--version", "--install-completion", "--show-completion"}


def main(words: list[str]) -> None:
    """Run one command. Without a command, or with options alone, that is `serve`."""
    if not words or (words[0].startswith("-") and words[0] not in _OF_THE_ROOT):
        words = ["serve", *words]
    ending_well(lambda: app(words))
