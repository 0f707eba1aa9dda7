"""One piece of work in a process of its own, which ends, keeping a checkpoint, when this one does or is interrupted."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import IO, Any

from ner_distill.errors import NerDistillError


def run_child(
    module: str,
    function: str,
    message: Mapping[str, Any],
    *,
    quiet: bool = False,
    environment: Mapping[str, str] | None = None,
    started: Callable[[IO[str]], None] | None = None,
) -> str | None:
    """Call `module.function(message)`, which is to call `serve`, in a process of its own, and wait for it.

    message: what JSON can say. quiet: nothing of what it says is shown.
    started: is told the child's standard input; to close that is to tell the child to end.
    Returns: None, or the message where it failed.
    """
    call = (
        "import json, sys; sys.path[:] = json.loads(sys.stdin.readline()); "
        f"from {module} import {function}; {function}(json.loads(sys.stdin.readline()))"
    )
    with subprocess.Popen(
        [sys.executable, "-P", "-c", call],  # -P: no json.py of the directory where the user happens to be
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if quiet else None,
        text=True,
        env=environment,
        process_group=0,  # Ctrl-C reaches the child once, as the end of its standard input
    ) as process:
        given, taken = process.stdin, process.stdout
        if given is None or taken is None:
            raise RuntimeError("a process was started without pipes")
        if started is not None:
            started(given)
        try:
            with contextlib.suppress(BrokenPipeError, ValueError):  # it is gone, or was told to end already
                given.write(f"{json.dumps(sys.path)}\n{json.dumps(message)}\n")
                given.flush()
            said = taken.read()
            code = process.wait()
        finally:
            with contextlib.suppress(BrokenPipeError):
                given.close()
            process.wait()
    if code < 0:
        hint = "; the system does that where memory runs out" if code == -9 else ""
        return f"its process was ended by signal {-code}{hint}"
    if code:
        return str(json.loads(said)) if said else f"its process ended with exit code {code}"
    return None


def serve(work: Callable[[], None]) -> None:
    """In the child: do the work; where it fails, the reason goes to standard output as JSON and the process ends.

    Ends as after SIGTERM when standard input does: then nobody waits for it any more.
    """
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # some terminals stop a process group that is not theirs as it writes
    threading.Thread(target=_stop_at_end_of_input, daemon=True).start()
    said = sys.stdout
    try:
        with contextlib.redirect_stdout(sys.stderr):
            work()
    except NerDistillError as error:
        said.write(json.dumps(str(error)))
        sys.exit(error.exit_code)
    except Exception as error:  # whatever it is, the parent is to say it, and to go on with the others
        traceback.print_exc()
        said.write(json.dumps(f"{type(error).__name__}: {error}"))
        sys.exit(1)


def _stop_at_end_of_input() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
