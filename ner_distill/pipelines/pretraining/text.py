"""The text that pretraining reads: of any size, on disk, shuffled a part at a time.

It is segmented once into `checkpoints/text`, an Arrow file that is mapped into memory, not read. A ROUND is at most
BLOCKS blocks of neighbouring sentences, drawn from all over the text, so that what is held of them is the same
whatever the size of the text.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow.compute
from datasets import Dataset, Features, List, Value
from datasets.arrow_writer import ArrowWriter

from ner_distill.errors import DataError, RunError
from ner_distill.files import write_error

BLOCK = 512  # neighbouring sentences that stay together
BLOCKS = 128  # blocks of a round: 65,536 sentences
# One sentence of 100 is kept for the development figure; of a small text more, of a large one no more than 500.
HELD_OUT, LEAST_HELD_OUT, MOST_HELD_OUT = 100, 20, 500
FILE = "text.arrow"
# not strings, as a word can hold half of a surrogate pair
FEATURES = Features({"words": List(Value("binary")), "length": Value("int32")})
TOGETHER = 1000  # sentences that are written or read at once


class Text:
    """Sentences on disk, by number; some of them, spread evenly, are held out."""

    def __init__(self, directory: Path) -> None:
        """Map what `write` wrote. Raises RunError where it is not there or not whole."""
        try:
            self._sentences = Dataset.from_file(str(directory / FILE))
        except (OSError, ValueError) as error:
            raise RunError(f"{directory}: cannot be read ({error}); remove {directory} and `resume` again") from None
        self._lengths = self._sentences.select_columns("length")
        held_out = max(1, min(len(self) // 5, max(LEAST_HELD_OUT, min(MOST_HELD_OUT, len(self) // HELD_OUT))))
        self._stride = len(self) // held_out
        self.held_out = (np.arange(held_out) * self._stride).tolist()

    @staticmethod
    def is_written(directory: Path) -> bool:
        """Whether `write` has come to its end there."""
        return (directory / FILE).is_file()

    @classmethod
    def write(cls, directory: Path, sentences: Iterable[Sequence[str]]) -> None:
        """Write the sentences' words in one pass: whole, or not there.

        Raises DataError for less than two sentences, TrainingError where the disk is full.
        """
        temporary = directory.with_name(f"{directory.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        stream = iter(sentences)
        try:
            temporary.mkdir(parents=True)
            with ArrowWriter(path=str(temporary / FILE), features=FEATURES) as writer:
                while part := list(islice(stream, TOGETHER)):
                    words = [[word.encode("utf-8", "surrogatepass") for word in sentence] for sentence in part]
                    writer.write_batch({"words": words, "length": list(map(len, part))})
                number, _ = writer.finalize()
            if number < 2:
                raise DataError(f"`text`: expected at least two sentences, found {number}; one is held out")
            shutil.rmtree(directory, ignore_errors=True)  # as an earlier version wrote it
            temporary.rename(directory)
        except OSError as error:
            raise write_error(directory, error) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def __len__(self) -> int:
        return len(self._sentences)

    @property
    def words(self) -> int:
        total: int = pyarrow.compute.sum(self._lengths.data.column("length")).as_py()
        return total

    def lengths(self, numbers: Sequence[int]) -> list[int]:
        return list(self._lengths[numbers]["length"])

    def read(self, numbers: Sequence[int]) -> list[list[str]]:
        sentences = self._sentences[numbers]["words"]
        return [[word.decode("utf-8", "surrogatepass") for word in words] for words in sentences]

    def spread(self, count: int) -> Iterator[list[str]]:
        """So many sentences, or all, spread evenly."""
        numbers = range(0, len(self), -(-len(self) // count))
        for first in range(0, len(numbers), TOGETHER):
            yield from self.read(numbers[first : first + TOGETHER])

    def rounds(self) -> int:
        """How many rounds read the whole text once."""
        return -(-len(self) // (BLOCK * BLOCKS))

    def sentences(self, round: int, seed: int) -> list[int]:
        """The sentences of a round, a function of its number and the seed; held-out ones are in none."""
        done, part = divmod(round, self.rounds())
        order = np.random.default_rng([seed, done, 5]).permutation(-(-len(self) // BLOCK))
        blocks = np.sort(np.array_split(order, self.rounds())[part])
        numbers = (blocks[:, None] * BLOCK + np.arange(BLOCK)).ravel()
        numbers = numbers[numbers < len(self)]
        held_out = (numbers % self._stride == 0) & (numbers // self._stride < len(self.held_out))
        kept: list[int] = numbers[~held_out].tolist()
        return kept
