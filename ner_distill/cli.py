"""The command line: its commands in the order of `ner-distill --help`, and what becomes of errors."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated, Any

import typer
import typer.core

from ner_distill.commands import dictionaries, labels, main_job, serving, start, tools
from ner_distill.commands.declare import RESUMABLE

GROUPS = {
    "The way through": ("train-teacher", "label-unlabeled", "train-student", "export", "serve"),
    "Look": ("evaluate", "predict", "show", "check-data", "compare", "learning-curve", "verdict"),
    "Labels": (
        "convert", "vote-labels", "review", "apply-review", "label-dictionary", "grow-dictionary", "self-train",
        "vary-entities",
    ),
    "Start": ("quickstart", "sample", "init-config", "pretrain", "train-segmenter"),
}  # fmt: skip
"""The headings of `ner-distill --help`, and what stands under each; a command of none stands under "More"."""


class _Grouped(typer.core.TyperGroup):
    """Lists commands under headings."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        named = {name for names in GROUPS.values() for name in names}
        groups = {**GROUPS, "More": tuple(name for name in self.commands if name not in named)}
        width = formatter.width - 6 - max(map(len, self.commands))
        for heading, names in groups.items():
            if rows := [
                (name, self.commands[name].get_short_help_str(width)) for name in names if name in self.commands
            ]:
                with formatter.section(heading):
                    formatter.write_dl([(f"{name:16}", about) for name, about in rows])


app = typer.Typer(
    name="ner-distill",
    cls=_Grouped,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help=(
        "Small, fast named-entity models from a few labelled sentences and a lot of raw text.\n\n"
        "The way through: train-teacher on labelled sentences, label-unlabeled over raw text, train-student from "
        "the stored labels; then evaluate and predict. `ner-distill quickstart` does all of it on a generated sample."
        "\n\n"
        "Exit status: 0 done; 1 a run that failed on its way, with what was finished kept; 2 wrong input."
    ),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for _module in (main_job, serving, tools, labels, dictionaries, start):
    app.add_typer(_module.commands)


def _print_version(wanted: bool) -> None:
    if wanted:
        from ner_distill import __version__

        typer.echo(f"ner-distill {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Before a command: say only warnings, errors and results.")
    ] = False,
) -> None:
    """What stands before the command; the help is that of `app`."""
    from ner_distill.console import Reporter

    Reporter.terse = quiet


def main() -> None:
    """Entry point: errors meant for the user are printed without a traceback."""
    from ner_distill.console import Reporter
    from ner_distill.errors import NerDistillError, harmless, is_out_of_memory
    from ner_distill.files import DISK_FULL
    from ner_distill.options import spelled

    Reporter.spell = staticmethod(spelled)
    # Before torch is loaded: its threads would spin while they wait for each other, and on a machine that others use
    # as well, each waits for one that does not run: 0.6 steps a second instead of 18.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # as all that we write, whatever the locale
    try:
        app()
    except NerDistillError as error:
        sys.stderr.write(f"error: {harmless(spelled(str(error)))}\n")
        sys.exit(error.exit_code)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        sys.stderr.write("error: out of memory; close other programs or give smaller files\n")
        sys.exit(1)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        place = error.filename or "standard output, or a temporary file"
        sys.stderr.write(f"error: {harmless(str(place))}: cannot be written, {DISK_FULL[error.errno]}\n")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left over is not tried again at the end
        sys.exit(1)
    except SystemExit as end:
        # typer catches Ctrl-C itself and ends with 130, in silence
        if end.code == 130:
            goes_on = next((word for word in sys.argv[1:] if not word.startswith("-")), "") in RESUMABLE
            hint = "; what is finished is kept: go on with the same command and --resume" if goes_on else ""
            sys.stderr.write(f"interrupted{hint}\n")
        raise


if __name__ == "__main__":
    main()
