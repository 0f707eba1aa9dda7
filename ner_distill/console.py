"""What the program says while it works: rich on a terminal, plain lines elsewhere.

Messages and progress go to stderr; stdout is for results, so that it can be piped. `NO_COLOR` and `COLUMNS` are
honoured. Nothing here imports rich before it is needed.
"""

from __future__ import annotations

import logging
import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cached_property
from logging.handlers import MemoryHandler
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TextIO

from ner_distill.errors import harmless

if TYPE_CHECKING:
    from rich.console import Console

SECONDS_BETWEEN_LINES = 10.0
LEAST_BAR = 8  # columns


class Reporter:
    """Messages and progress of one process.

    quiet: say nothing and log nothing: for all processes but the first.
    stream, clock: other than stderr and the monotonic clock (seconds) in tests.
    """

    terse: ClassVar[bool] = False
    """Only warnings are shown, as --quiet asks; all else goes into the log alone."""
    spell: ClassVar[Callable[[str], str]] = str
    """How a message with settings in backticks is shown: the command line makes `` `min_votes` `` --min-votes."""

    def __init__(
        self, *, quiet: bool = False, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.quiet = quiet
        self._stream = stream
        self._clock = clock
        # Keeps what is said before there is a log file; from then on it passes each message on as it comes.
        self._log_buffer = MemoryHandler(capacity=1)
        self._log = logging.Logger("ner_distill")
        self._log.addHandler(self._log_buffer)

    @property
    def stream(self) -> TextIO:
        """Where messages go; asked for each time, as others may replace sys.stderr."""
        return self._stream or sys.stderr

    @cached_property
    def _console(self) -> Console:
        """One console for messages and bars: rich then prints a message above the bar."""
        from rich.console import Console

        return Console(file=self._stream, stderr=self._stream is None)

    @property
    def on_terminal(self) -> bool:
        """Is there a terminal that can redraw a line?"""
        return self.stream.isatty() and os.environ.get("TERM") != "dumb"

    def log_to(self, path: Path) -> None:
        """From now on log to this file, beginning with what was said before there was one; its directory exists."""
        file = _LogFile(path, encoding="utf-8", delay=True)
        file.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        self._log_buffer.setTarget(file)
        self._log_buffer.flush()

    def info(self, message: str) -> None:
        """Say how things are."""
        self._say(message, shown=not Reporter.terse)

    def warn(self, message: str) -> None:
        """Say what the user should look at, though the work goes on."""
        self._say(f"warning: {message}", style="yellow")

    @contextmanager
    def progress(
        self,
        description: str,
        total: float | None = None,
        unit: str = "words",
        *,
        done: float = 0.0,
        told_after: bool = False,
    ) -> Iterator[Progress]:
        """Show the progress of a work of `total` units (None: not known), of which `done` were done before.

        On a terminal a bar with rate and time left; elsewhere a line every ten seconds or so. One last line, on the
        screen and in the log, says how far it came and how long it took.
        told_after: the caller says what came of it; there is a last line, and a bar that stays, only where it stops.
        """
        progress = Progress(description, total, unit, done, self._clock)
        if self.quiet:
            yield progress
            return
        shown, finished = not Reporter.terse, False
        with self._bar(progress, transient=told_after) if shown and self.on_terminal else nullcontext():
            if shown and not self.on_terminal:
                progress.show_every(SECONDS_BETWEEN_LINES, lambda: self._print(f"{description}: {progress.state()}"))
            try:
                yield progress
                finished = True
            finally:
                if not (finished and told_after):
                    self._log.info(line := progress.last_line(finished))
                    if shown and (told_after or not self.on_terminal):
                        self._print(line)

    @contextmanager
    def _bar(self, progress: Progress, *, transient: bool) -> Iterator[None]:
        """Show a progress as a bar that is redrawn in place, with as many of the figures as stand beside it.

        transient: it vanishes at the end.
        """
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar
        from rich.table import Column

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=LEAST_BAR)),
            TextColumn("{task.fields[text]}", markup=False, table_column=Column(no_wrap=True)),
        )
        # rich would write what is printed to stdout to the console, which is stderr: results would not reach a pipe.
        gaps = len(columns) - 1
        room = self._console.width - len(progress.description) - LEAST_BAR - gaps
        with Bar(
            *columns,
            console=self._console,
            expand=True,
            transient=transient,
            redirect_stdout=sys.stdout.isatty(),
        ) as bar:
            task = bar.add_task(progress.description, total=progress.total, text=progress.state(room))
            progress.show_every(0, lambda: bar.update(task, completed=progress.done, text=progress.state(room)))
            yield

    def _say(self, message: str, style: str | None = None, *, shown: bool = True) -> None:
        if self.quiet:
            return
        message = harmless(Reporter.spell(message))  # types and names of files come from anywhere
        if shown and self.on_terminal:
            # A message is text: what looks like markup or an emoji's name in it is neither.
            shown_as = _wrapped(message, self._console.width)
            self._console.print(shown_as, style=style, markup=False, emoji=False, highlight=False, soft_wrap=True)
        elif shown:
            self._print(message)
        self._log.info(message)

    def _print(self, line: str) -> None:
        print(line, file=self.stream, flush=True)


class _LogFile(logging.FileHandler):
    """A log that is open only while a line is written: its directory may be moved or removed at any other time."""

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        self.close()

    def handleError(self, record: logging.LogRecord) -> None:
        raise


class Progress:
    """How far a work has come; `Reporter.progress` makes it."""

    def __init__(
        self, description: str, total: float | None, unit: str, done: float, clock: Callable[[], float]
    ) -> None:
        self.description, self.total, self.unit, self.done = description, total, unit, done
        self._clock, self._start = clock, clock()
        self._done_before = done  # in an earlier run: no part of the rate
        self._fields: dict[str, str | int | float] = {}
        self.show_every(0, lambda: None)

    def show_every(self, seconds: float, show: Callable[[], None]) -> None:
        """Call `show` after each advance, but not again before so many seconds have passed."""
        self._show, self._interval = show, seconds
        self._due = self._start + seconds

    def advance(self, amount: float = 1, **fields: str | int | float) -> None:
        """`amount` more units are done; the fields (`loss=0.12`) are shown after the figures until they change."""
        self.done += amount
        self._fields.update(fields)
        if (now := self._clock()) >= self._due:
            self._due = now + self._interval
            self._show()

    def state(self, room: int | None = None) -> str:
        """`120,000 / 400,000 words (30 %), 8,400 words/s, 0:33 left, loss 0.12`.

        room: in so many columns, without the last figures where there are too many; the first is always whole.
        """
        rate, left = self._rate(), []
        if self.total is not None and self.done < self.total and rate:
            left = [f"{clock_time((self.total - self.done) / rate)} left"]
        figures = self._figures(*left)
        while room is not None and len(figures) > 1 and len(", ".join(figures)) > room:
            figures.pop()
        return ", ".join(figures)

    def last_line(self, finished: bool) -> str:
        """How far it came and how long it took; it says so where it was stopped."""
        took = f"{'took' if finished else 'stopped after'} {clock_time(self._clock() - self._start)}"
        return f"{self.description}: {', '.join(self._figures(took))}"

    def _rate(self) -> float:
        """Units per second since the start; 0 before anything was done."""
        seconds = self._clock() - self._start
        return (self.done - self._done_before) / seconds if seconds > 0 else 0.0

    def _figures(self, *timing: str) -> list[str]:
        amount = f"{_number(self.done)} {self.unit}"
        if self.total:
            # Rounded down: 100 % is said when all is done.
            percent = int(100 * self.done / self.total)
            amount = f"{_number(self.done)} / {_number(self.total)} {self.unit} ({percent} %)"
        rate = self._rate()
        rates = [f"{_number(rate)} {self.unit}/s"] if rate else []
        fields = [
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in self._fields.items()
        ]
        return [amount, *rates, *timing, *fields]


def _wrapped(message: str, width: int) -> str:
    """The message in lines that end between words: no number is broken, and neither is a path, however long."""
    return "\n".join(
        textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False) for line in message.split("\n")
    )


def _number(value: float) -> str:
    """`120,000`; below 10 with two digits after the point where there are any."""
    return f"{value:,.2f}".rstrip("0").rstrip(".") if value < 10 else f"{value:,.0f}"


def clock_time(seconds: float) -> str:
    """`0:33`, `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
