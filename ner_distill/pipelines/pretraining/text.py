"""The text that pretraining reads: of any size, on disk, shuffled a part at a time.

It is segmented once into `checkpoints/text`: the words of each sentence as a JSON line, and two arrays that say where
each line ends and how many words it has. All three are mapped into memory, not read; a ROUND is at most BLOCKS blocks
of neighbouring sentences, drawn from all over the text, so that what is held of them is the same whatever the size of
the text.
"""

from __future__ import annotations

import json
import shutil
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import numpy as np

from ner_distill.errors import DataError, RunError
from ner_distill.files import write_error

BLOCK = 512  # neighbouring sentences that stay together
BLOCKS = 128  # blocks of a round: 65,536 sentences
# One sentence of 100 is kept for the development figure; of a small text more, of a large one no more than 500.
HELD_OUT, LEAST_HELD_OUT, MOST_HELD_OUT = 100, 20, 500
WORDS, ENDS, LENGTHS = "words.jsonl", "ends.int64", "lengths.int32"


class Text:
    """Sentences on disk, by number; some of them, spread evenly, are held out."""

    def __init__(self, directory: Path) -> None:
        """Map what `write` wrote. Raises RunError where it is not there or not whole."""
        try:
            self._words = np.memmap(directory / WORDS, dtype=np.uint8, mode="r")
            self._ends = np.memmap(directory / ENDS, dtype=np.int64, mode="r")
            self._lengths = np.memmap(directory / LENGTHS, dtype=np.int32, mode="r")
        except (OSError, ValueError) as error:
            raise RunError(f"{directory}: cannot be read ({error}); remove {directory} and `resume` again") from None
        held_out = max(1, min(len(self) // 5, max(LEAST_HELD_OUT, min(MOST_HELD_OUT, len(self) // HELD_OUT))))
        self._stride = len(self) // held_out
        self.held_out = (np.arange(held_out) * self._stride).tolist()

    @classmethod
    def write(cls, directory: Path, sentences: Iterable[Sequence[str]]) -> None:
        """Write the sentences' words in one pass: whole, or not there.

        Raises DataError for less than two sentences, TrainingError where the disk is full.
        """
        temporary = directory.with_name(f"{directory.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        number = end = 0
        try:
            temporary.mkdir(parents=True)
            names = (WORDS, ENDS, LENGTHS)
            with ExitStack() as stack:
                words, ends, lengths = (stack.enter_context((temporary / name).open("wb")) for name in names)
                for sentence in sentences:
                    line = json.dumps(sentence, ensure_ascii=False, separators=(",", ":")) + "\n"
                    # as JSON can hold half of a surrogate pair
                    end += words.write(line.encode("utf-8", "surrogatepass"))
                    array("q", [end]).tofile(ends)
                    array("i", [len(sentence)]).tofile(lengths)
                    number += 1
            if number < 2:
                raise DataError(f"`text`: expected at least two sentences, found {number}; one is held out")
            temporary.rename(directory)
        except OSError as error:
            raise write_error(directory, error) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def __len__(self) -> int:
        """Sentences."""
        return len(self._ends)

    @property
    def words(self) -> int:
        """How many words all sentences have."""
        return int(self._lengths.sum(dtype="int64"))

    def lengths(self, numbers: Sequence[int]) -> list[int]:
        """How many words these sentences have."""
        lengths: list[int] = self._lengths[numbers].tolist()
        return lengths

    def __getitem__(self, number: int) -> list[str]:
        """The words of a sentence."""
        start = int(self._ends[number - 1]) if number else 0
        line = self._words[start : int(self._ends[number])].tobytes()
        return cast(list[str], json.loads(line.decode("utf-8", "surrogatepass")))

    def spread(self, count: int) -> Iterator[list[str]]:
        """So many sentences, or all, spread evenly."""
        return (self[number] for number in range(0, len(self), -(-len(self) // count)))

    def rounds(self) -> int:
        """Rounds in which everything is read once."""
        return -(-len(self) // (BLOCK * BLOCKS))

    def sentences(self, round: int, seed: int) -> list[int]:
        """The sentences of a round, a function of its number and the seed; held-out ones are in none."""
        done, part = divmod(round, self.rounds())
        order = np.random.default_rng([seed, done, 5]).permutation(-(-len(self) // BLOCK))
        blocks = np.sort(np.array_split(order, self.rounds())[part])
        numbers = (blocks[:, None] * BLOCK + np.arange(BLOCK)).ravel()
        numbers = numbers[numbers < len(self)]
        held_out = (numbers % self._stride == 0) & (numbers // self._stride < len(self.held_out))
        found: list[int] = numbers[~held_out].tolist()
        return found
