"""Batches of masked words, how much is read in a round, and the loss and figures of a model on them.

An epoch of the loop is a ROUND of the text (`text.py`), or in a training of so many minutes a part of the
sequence of all rounds.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from ner_distill.config import PretrainConfig
from ner_distill.data.batching import Batch, plan_batches, units_per_word
from ner_distill.data.features.masking import HIDDEN, LEFT, RANDOM, Actions, choose, replaced, whole_words
from ner_distill.data.features.pieces import PieceFeatures, PieceFeaturizer
from ner_distill.data.features.words import WordFeaturizer, normal
from ner_distill.data.lexicon.lexicon import Matcher
from ner_distill.errors import ConfigError, DataError
from ner_distill.files import atomic_write_text
from ner_distill.nn.losses import contrast
from ner_distill.nn.masked_lm import KNOWN, MaskedPieces, MaskedWords, masked_loss
from ner_distill.pipelines.pretraining.text import Text
from ner_distill.training.processes import sum_over_processes

SAMPLED = 500  # sentences that say how much the encoder computes for a word
COUNTED = 1_000_000  # sentences, spread evenly, on which vocabularies are counted
TRAINING, DEVELOPMENT = 0, 1
ROUNDS = 20  # of a training that lasts so many minutes
FIRST_STEPS = 20  # of its first round, which measures the speed

Random = np.random.Generator
Planned = Callable[[int, Callable[[int], int]], Iterable[tuple[int, int]]]
"""Epoch of the loop, and how many batches a round has → (round, number of the batch in it), in order."""


class Masker(Protocol):
    """Makes the inputs of a batch of sentences; `masked` and `targets` are among them."""

    featurizer: Any

    def inputs(
        self, sentences: Sequence[Sequence[str]], actions: Sequence[Actions], rngs: Sequence[Random]
    ) -> dict[str, Tensor]:
        """`collate` of the masked sentences, and masked (masked,) long, targets (masked,) long."""


class WordMasker:
    """For the scratch encoder: words that its vocabulary knows are guessed."""

    def __init__(self, featurizer: WordFeaturizer) -> None:
        """Raises DataError where the vocabulary is empty."""
        self.featurizer, self.vocab = featurizer, featurizer.vocabs["words"]
        if not self.vocab.forms:
            raise DataError("`text`: no word occurs encoder.min_count times; give more text or lower it")

    def inputs(
        self, sentences: Sequence[Sequence[str]], actions: Sequence[Actions], rngs: Sequence[Random]
    ) -> dict[str, Tensor]:
        """See Masker. `masked` is flat in batch · words."""
        parts = zip(sentences, actions, rngs, strict=True)
        seen = [replaced(words, action, self.vocab.forms, rng) for words, action, rng in parts]
        inputs = self.featurizer.collate([self.featurizer.features(words) for words in seen])
        masked, targets = [], []
        for row, (words, action) in enumerate(zip(sentences, actions, strict=True)):
            for place in np.flatnonzero(action != LEFT).tolist():
                if (target := self.vocab.id(normal(words[place]))) >= KNOWN:
                    masked.append(row * inputs["words"].shape[1] + place)
                    targets.append(target)
        guessed = {"masked": masked, "targets": targets}
        return inputs | {name: torch.tensor(values, dtype=torch.long) for name, values in guessed.items()}


class PieceMasker:
    """For a pretrained encoder: all pieces of a masked word are guessed."""

    def __init__(self, featurizer: PieceFeaturizer) -> None:
        """Raises ConfigError where the tokenizer has no piece that stands for a masked one."""
        self.featurizer = featurizer
        tokenizer = featurizer.tokenizer
        if not isinstance(tokenizer.mask_token_id, int):
            raise ConfigError("encoder.name: its tokenizer has no mask piece; choose an encoder of BERT's kind")
        self.mask = tokenizer.mask_token_id
        self.others = np.setdiff1d(np.arange(len(tokenizer)), tokenizer.all_special_ids)

    def inputs(
        self, sentences: Sequence[Sequence[str]], actions: Sequence[Actions], rngs: Sequence[Random]
    ) -> dict[str, Tensor]:
        """See Masker. `masked` is flat in windows · pieces. A piece in several windows is guessed in one."""
        features = [self.featurizer.features(words) for words in sentences]
        inputs = self.featurizer.collate(list(map(self._replaced, features, actions, rngs)))
        whole = self.featurizer.collate(features)["pieces"].flatten()
        chosen = torch.zeros(inputs["mask"].numel() + 1, dtype=torch.bool)  # the last: pieces that are nobody's
        for row, action in enumerate(actions):
            first = row * inputs["mask"].shape[1]
            chosen[first : first + len(action)] = torch.from_numpy(action != LEFT)
        masked = chosen[inputs["piece_word"].flatten()].nonzero()[:, 0]
        return inputs | {"masked": masked, "targets": whole[masked]}

    def _replaced(self, features: PieceFeatures, actions: Actions, rng: Random) -> PieceFeatures:
        of_pieces = np.repeat(actions, features.lengths)
        random = self.others[rng.integers(len(self.others), size=len(of_pieces))]
        pieces = np.where(of_pieces == HIDDEN, self.mask, np.where(of_pieces == RANDOM, random, features.pieces))
        return PieceFeatures(pieces.astype(np.int32), features.lengths, features.windows)


class PretrainData:
    """Training batches of a text. What a batch holds is a function of the seed, the round and the sentences.

    A micro-batch is (round, numbers of sentences). `planned` None: every epoch of the loop is one round. Else
    the planned part of the sequence of all rounds' batches, see `Minutes`.
    """

    def __init__(
        self,
        text: Text,
        masker: Masker,
        config: PretrainConfig,
        matcher: Matcher | None = None,
        planned: Planned | None = None,
    ) -> None:
        """matcher: finds whole words and phrases, which are masked together."""
        self.text, self.masker, self.planned = text, masker, planned
        self.seed, self.mask, self.matcher = config.seed, config.mask, matcher
        # the text counts words, the budget what the encoder computes
        units = units_per_word(text.spread(SAMPLED), masker.featurizer)
        self.budget = max(1, round(config.optim.batch_words / units))
        self._batches: dict[int, list[list[int]]] = {}

    def plan(self, epoch: int) -> list[tuple[int, list[int]]]:
        if self.planned is None:
            return [(epoch, batch) for batch in self.batches(epoch)]
        places = self.planned(epoch, lambda round: len(self.batches(round)))
        return [(round, self.batches(round)[index]) for round, index in places]

    def batches(self, round: int) -> list[list[int]]:
        if round not in self._batches:
            self._batches = {round: self._in_batches(self.text.sentences(round, self.seed), self.seed, round)}
        return self._batches[round]

    def load(self, micro_batch: tuple[int, list[int]], epoch: int) -> Batch:
        return self.masked(TRAINING, *micro_batch)

    def ids_of(self, micro_batch: tuple[int, list[int]]) -> list[str]:
        return [f"{number + 1:,} of the text" for number in micro_batch[1]]

    def scores_any(self) -> bool:
        """Whether any word or piece of the held-out sentences is masked and guessed."""
        return any(len(self.masked(DEVELOPMENT, 0, numbers).inputs["targets"]) for numbers in self.held_out())

    def held_out(self) -> list[list[int]]:
        return self._in_batches(self.text.held_out, None)

    def _in_batches(self, numbers: Sequence[int], seed: int | None, round: int = 0) -> list[list[int]]:
        plan = plan_batches(self.text.lengths(numbers), budget=self.budget, seed=seed, epoch=round)
        return [[numbers[index] for index in batch] for batch in plan]

    def masked(self, role: int, round: int, numbers: Sequence[int]) -> Batch:
        """A batch with its masks; role: TRAINING or DEVELOPMENT."""
        sentences = self.text.read(numbers)
        rngs = [np.random.default_rng([self.seed, role, round, number]) for number in numbers]
        actions = [
            choose(whole_words(words, self.matcher), rng, kind=self.mask.kind, share=self.mask.share)
            for words, rng in zip(sentences, rngs, strict=True)
        ]
        inputs = self.masker.inputs(sentences, actions, rngs)
        return Batch(inputs, inputs["mask"])


class Minutes:
    """How much each round of a training reads whose length is given in minutes.

    The training has ROUNDS rounds, and its rate falls from one to the next as it falls over epochs. The first round
    measures the speed; each further one reads what fits into its share of the time that is left, evaluation included.
    What was decided is written down, so that a resumed training repeats the round that it was in.
    """

    def __init__(self, file: Path, minutes: float, accelerator: Accelerator, accumulate: int) -> None:
        self.file, self.seconds, self.accelerator = file, 60 * minutes, accelerator
        self.per_step = accumulate * accelerator.num_processes
        self.done: Callable[[], tuple[int, float]] = lambda: (0, 0.0)  # steps, seconds of the training so far
        self.evaluation = 0.0  # seconds of the latest
        # (round of the text, number of the batch in it, batches) of each round of the training
        self.planned: list[list[int]] = json.loads(file.read_text("utf-8")) if minutes and file.exists() else []

    def places(self, epoch: int, batches: Callable[[int], int]) -> list[tuple[int, int]]:
        """See Planned. All processes call it together."""
        if epoch == len(self.planned):
            start = self._walk(self.planned[-1], batches)[1] if self.planned else (0, 0)
            wanted = self._steps(epoch) if epoch else FIRST_STEPS
            # by the clock of the first process
            own = torch.tensor([float(wanted * self.accelerator.is_main_process)], dtype=torch.float64)
            self.planned.append([*start, int(sum_over_processes(self.accelerator, own).item()) * self.per_step])
            if self.accelerator.is_main_process:
                self.file.parent.mkdir(parents=True, exist_ok=True)
                atomic_write_text(self.file, json.dumps(self.planned))
        return self._walk(self.planned[epoch], batches)[0]

    def _steps(self, epoch: int) -> int:
        steps, seconds = self.done()
        speed = steps / max(seconds - epoch * self.evaluation, 1e-3)
        left = (self.seconds - seconds) / (ROUNDS - epoch) - self.evaluation
        return max(1, int(left * speed))

    def timed(self, evaluate: Callable[[Any], dict[str, float]]) -> Callable[[Any], dict[str, float]]:
        """Returns `evaluate`, which now also measures its time."""

        def figures(model: Any) -> dict[str, float]:
            before = time.monotonic()
            scores = evaluate(model)
            self.evaluation = time.monotonic() - before
            return scores

        return figures

    @staticmethod
    def _walk(planned: list[int], batches: Callable[[int], int]) -> tuple[list[tuple[int, int]], tuple[int, int]]:
        """The batches from a place on, and the place behind them."""
        round, index, wanted = planned
        places: list[tuple[int, int]] = []
        while len(places) < wanted:
            end = min(batches(round), index + wanted - len(places))
            places += [(round, number) for number in range(index, end)]
            round, index = (round, end) if end < batches(round) else (round + 1, 0)
        return places, (round, index)


class MaskedObjective:
    """Cross-entropy of masked words ("masked", by word), and telling sentences apart ("simcse", by sentence).

    The two passes of SimCSE read the same masked sentences and differ in dropout; the first is also the one whose
    guesses count.
    """

    def __init__(self, model: MaskedWords | MaskedPieces, *, simcse: float = 0.0) -> None:
        self.model = model
        self.weights = {"masked": 1.0} | ({"simcse": simcse} if simcse else {})

    def counts(self, batch: Batch) -> dict[str, float]:
        texts = batch.inputs.get("piece_mask", batch.mask)
        counts = {"masked": float(len(batch.inputs["targets"])), "simcse": float(len(texts))}
        return {name: counts[name] for name in self.weights}

    def sums(self, batch: Batch) -> dict[str, Tensor]:
        guesses = self.model(batch.inputs)
        sums = {"masked": masked_loss(guesses.logits, self.model.target(batch.inputs["targets"]))}
        if "simcse" in self.weights:
            other = self.model(batch.inputs).texts
            counted = torch.ones(len(other), dtype=torch.bool, device=other.device)
            sums["simcse"] = contrast(guesses.texts, other, counted)
        return sums


@torch.inference_mode()
def development_figures(model: MaskedWords | MaskedPieces, data: PretrainData) -> dict[str, float]:
    """Of held-out sentences, whose masks are always the same: the share of masked words guessed, and the perplexity.

    "score" is the mean log-likelihood, in nats.
    """
    model.eval()
    device = next(model.parameters()).device
    right = loss = total = 0.0
    for numbers in data.held_out():
        inputs = data.masked(DEVELOPMENT, 0, numbers).to(device).inputs
        logits, targets = model(inputs).logits, model.target(inputs["targets"])
        loss += masked_loss(logits, targets).item()
        right += (logits.argmax(-1) == targets).sum().item() if len(targets) else 0
        total += len(targets)
    mean = loss / max(total, 1.0)
    return {"score": -mean, "accuracy": right / max(total, 1.0), "perplexity": math.exp(min(mean, 700.0))}
