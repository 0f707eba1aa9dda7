"""What the program says while it works: rich on a terminal, plain lines elsewhere.

Messages and progress go to stderr; stdout is for results, so that it can be piped. `NO_COLOR` and `COLUMNS` are
honoured. Nothing here imports rich before it is needed.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TextIO

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress as Bar

SECONDS_BETWEEN_LINES = 10.0

Field = str | int | float


class Reporter:
    """Messages, tables and progress of one process.

    quiet: say nothing and log nothing: for all processes but the first.
    log:   a file to which messages are appended with the time, tables and the end of each progress as well;
           its directory exists.
    stream, clock: other than stderr and the monotonic clock (seconds) in tests.
    """

    spell: ClassVar[Callable[[str], str]] = str
    """How a message with settings in backticks is shown: the command line makes `` `min_votes` `` --min-votes."""

    def __init__(
        self,
        *,
        quiet: bool = False,
        log: Path | None = None,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.quiet = quiet
        self._log_path = None if quiet else log
        self._not_logged: list[str] = []
        self._stream = stream
        self._clock = clock
        self._console: Console | None = None

    @property
    def stream(self) -> TextIO:
        """Where messages go; asked for each time, as others may replace sys.stderr."""
        return self._stream or sys.stderr

    @property
    def on_terminal(self) -> bool:
        """Is there a terminal that can redraw a line?"""
        return self.stream.isatty() and os.environ.get("TERM") != "dumb"

    def log_to(self, path: Path) -> None:
        """From now on log to this file, beginning with what was said before there was one; its directory exists."""
        if self.quiet:
            return
        self._log_path = path
        with path.open("a", encoding="utf-8") as file:
            file.writelines(self._not_logged)
        self._not_logged.clear()

    def info(self, message: str) -> None:
        """Say how things are."""
        self._say(message)

    def warn(self, message: str) -> None:
        """Say what the user should look at, though the work goes on."""
        self._say(f"warning: {message}", style="yellow")

    def table(self, renderable: RenderableType) -> None:
        """Print a result (a rich table, say) to stdout, plain text where that is no terminal."""
        if self.quiet:
            return
        from rich.console import Console

        Console().print(renderable)
        if self._log_path is not None:
            with self._log_path.open("a", encoding="utf-8") as file:
                Console(file=file, color_system=None, width=100).print(renderable)

    @contextmanager
    def progress(
        self, description: str, total: float | None = None, unit: str = "words", *, done: float = 0.0
    ) -> Iterator[Progress]:
        """Show the progress of a work of `total` units (None: not known), of which `done` were done before.

        On a terminal a bar with rate and time left; elsewhere a line every ten seconds or so. One last line, on the
        screen and in the log, says how far it came and how long it took.
        """
        if self.on_terminal and not self.quiet:
            with self._bar(description, total, unit, done) as show:
                progress = Progress(description, total, unit, done=done, clock=self._clock, show=show)
                yield from self._until_finished(progress)
        else:
            progress = Progress(description, total, unit, done=done, clock=self._clock, show=self._lines())
            yield from self._until_finished(progress)

    def _until_finished(self, progress: Progress) -> Iterator[Progress]:
        finished = False
        try:
            yield progress
            finished = True
        finally:
            line = progress.last_line(finished)
            self._log(line)
            if not self.on_terminal and not self.quiet:
                print(line, file=self.stream, flush=True)

    def _lines(self) -> Callable[[Progress], None]:
        """Shows a progress as a plain line, seldom."""
        if self.quiet:
            return lambda progress: None
        last = self._clock()

        def show(progress: Progress) -> None:
            nonlocal last
            if self._clock() - last >= SECONDS_BETWEEN_LINES:
                last = self._clock()
                print(progress.line(), file=self.stream, flush=True)

        return show

    @contextmanager
    def _bar(
        self, description: str, total: float | None, unit: str, done: float
    ) -> Iterator[Callable[[Progress], None]]:
        """Shows a progress as a bar that is redrawn in place."""
        bar = _make_bar(self._rich())
        with bar:
            task = bar.add_task(description, total=total, text=f"{_number(done)} {unit}")
            bar.update(task, completed=done)

            def show(progress: Progress) -> None:
                bar.update(task, completed=progress.done, text=progress.state())

            yield show

    def _say(self, message: str, style: str | None = None) -> None:
        if self.quiet:
            return
        message = Reporter.spell(message)
        if self.on_terminal:
            # A message is text: what looks like markup or an emoji's name in it is neither.
            self._rich().print(message, style=style, markup=False, emoji=False, highlight=False, soft_wrap=True)
        else:
            print(message, file=self.stream, flush=True)
        self._log(message)

    def _log(self, message: str) -> None:
        line = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {message}\n"
        if self._log_path is None:
            if not self.quiet:
                self._not_logged.append(line)
            return
        with self._log_path.open("a", encoding="utf-8") as file:
            file.write(line)

    def _rich(self) -> Console:
        """One console for messages and bars: rich then prints a message above the bar."""
        if self._console is None:
            from rich.console import Console

            self._console = Console(file=self._stream, stderr=self._stream is None)
        return self._console


class Progress:
    """How far a work has come; `Reporter.progress` makes it."""

    def __init__(
        self,
        description: str,
        total: float | None,
        unit: str,
        *,
        done: float,
        clock: Callable[[], float],
        show: Callable[[Progress], None],
    ) -> None:
        self.description = description
        self.total = total
        self.unit = unit
        self.done = done
        self._before = done  # done in an earlier run: no part of the rate
        self._fields: dict[str, Field] = {}
        self._clock = clock
        self._start = clock()
        self._show = show

    def advance(self, amount: float = 1, **fields: Field) -> None:
        """`amount` more units are done; the fields (`loss=0.12`) are shown after the figures until they change."""
        self.done += amount
        self._fields.update(fields)
        self._show(self)

    @property
    def seconds(self) -> float:
        """The time since the start."""
        return self._clock() - self._start

    @property
    def rate(self) -> float:
        """Units per second since the start; 0 before anything was done."""
        seconds = self.seconds
        return (self.done - self._before) / seconds if seconds > 0 else 0.0

    def state(self) -> str:
        """`120,000 / 400,000 words (30 %), 8,400 words/s, 0:33 left, loss 0.12`."""
        parts = [self._amount()]
        if rate := self.rate:
            parts.append(f"{_number(rate)} {self.unit}/s")
            if self.total is not None and self.done < self.total:
                parts.append(f"{_clock_time((self.total - self.done) / rate)} left")
        return ", ".join(parts + self._field_texts())

    def line(self) -> str:
        """`labelling: ` and the state."""
        return f"{self.description}: {self.state()}"

    def last_line(self, finished: bool) -> str:
        """How far it came and how long it took; it says so where it was stopped."""
        took = f"{'took' if finished else 'stopped after'} {_clock_time(self.seconds)}"
        rate = [f"{_number(self.rate)} {self.unit}/s"] if self.rate else []
        return f"{self.description}: " + ", ".join([self._amount(), *rate, took, *self._field_texts()])

    def _amount(self) -> str:
        if not self.total:
            return f"{_number(self.done)} {self.unit}"
        # Rounded down: 100 % is said when all is done.
        percent = int(100 * self.done / self.total)
        return f"{_number(self.done)} / {_number(self.total)} {self.unit} ({percent} %)"

    def _field_texts(self) -> list[str]:
        return [f"{name} {_field(value)}" for name, value in self._fields.items()]


def _make_bar(console: Console) -> Bar:
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar
    from rich.table import Column

    return Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=8)),
        TextColumn("{task.fields[text]}", markup=False, table_column=Column(no_wrap=True)),
        console=console,
        expand=True,
        # rich would write what is printed to stdout to the console, which is stderr: results would not reach a pipe.
        redirect_stdout=sys.stdout.isatty(),
    )


def _number(value: float) -> str:
    """`120,000`; below 10 with two digits after the point where there are any."""
    return f"{value:,.2f}".rstrip("0").rstrip(".") if value < 10 else f"{value:,.0f}"


def _field(value: Field) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _clock_time(seconds: float) -> str:
    """`0:33`, `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
