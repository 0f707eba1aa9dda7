"""The errors that users meet.

Every one of them says where, what was expected, what was found and what to do. The command line prints
them without a traceback.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class NerDistillError(Exception):
    """Base of all errors whose message is written for the user."""

    exit_code = 2


class DataError(NerDistillError):
    """A data file is not what it should be: the message begins with `file:line`."""

    @classmethod
    def at(cls, path: Path | str, line: int | None, message: str) -> DataError:
        """An error at a place: `train.conll:1042: expected 4 columns ...`."""
        where = f"{path}:{line}" if line is not None else f"{path}"
        return cls(f"{where}: {message}")


class ConfigError(NerDistillError):
    """The configuration has problems; all of them are in the one message."""

    @classmethod
    def of(cls, problems: Iterable[str]) -> ConfigError:
        """One error that lists every problem."""
        found = list(problems)
        if len(found) == 1:
            return cls(found[0])
        return cls("\n".join([f"{len(found)} problems:", *(f"  - {problem}" for problem in found)]))


class RunError(NerDistillError):
    """A run directory or a soft-label store is missing, damaged, in the way or of another kind."""


class TrainingError(NerDistillError):
    """Work that began and could not go on; what it had finished is kept."""

    exit_code = 1


MEMORY = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory", "bad_alloc")
"""What libraries say, in capitals or not, where they get no memory."""
NAMED = 5  # sentences of a batch


def is_out_of_memory(error: BaseException) -> bool:
    """Does the error say that memory ran out? torch says so with a RuntimeError."""
    told = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(phrase in told for phrase in MEMORY)
    )


@contextmanager
def memory_for(sentences: Iterable[str], kept: str) -> Iterator[None]:
    """Raises TrainingError where memory runs out inside: with the sentences that are worked on, and what to do.

    sentences: their ids, which of lines of a file are `file:line`; looked at only then, so an iterator costs nothing.
    kept: what stays of the work, and how it goes on.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        names = list(dict.fromkeys(sentences))
        more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
        named = (
            f" at {'sentence' if len(names) == 1 else 'sentences'} {', '.join(names[:NAMED])}{more}" if names else ""
        )
        raise TrainingError(
            f"out of memory{named}. Leave out long sentences (`max_words` N, where a command has it) or take fewer "
            f"words at once (`batch_words`, optim.batch_words). {kept}"
        ) from None


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is spelt most alike, whatever its case; None where none is similar."""
    by_lower = {name.lower(): name for name in known}
    return next((by_lower[name] for name in difflib.get_close_matches(word.lower(), by_lower, n=1)), None)


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "the data has") -> str:
    """A hint for an unknown word: the known one that is spelt alike, or else all of them, after `otherwise`."""
    known = list(known)
    close = closest(word, known)
    return f"did you mean {close}?" if close else f"{otherwise} {', '.join(known)}"


def printable(text: str) -> bool:
    """Returns whether a text has no control characters, which a terminal obeys, and no half surrogate pairs."""
    return not any(unicodedata.category(char) in ("Cc", "Cs") for char in text)


def harmless(text: str) -> str:
    """A text as it may be shown: control characters but line ends and tabs, and half surrogates, become U+FFFD."""
    return "".join(char if char in "\n\t" or printable(char) else "\ufffd" for char in text)
