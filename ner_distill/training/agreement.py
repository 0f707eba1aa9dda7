"""The judge of a student without labelled sentences of its language: how far it agrees with its teacher."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch

from ner_distill.console import Reporter
from ner_distill.data.features.base import Featurizer
from ner_distill.data.sentence import Sentence
from ner_distill.data.store.pseudo_labels import labelled_row
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.nn.losses import token_divergence
from ner_distill.student.loss import DistillationLoss
from ner_distill.student.model import Student, TeacherAnswer
from ner_distill.training.development import DevelopmentSet
from ner_distill.training.soft_data import SoftData

SHARE, MOST = 0.05, 2_000
"""The part of a store that is held out: of its sentences, and at most so many."""
GREATEST = 0.2
"""The greatest part that may be held out of a small store, whose blocks are large for it."""
HELD_SHARDS = 64
"""Of a store of more shards, blocks of so many may be held out: an epoch reads them all."""
FOREIGN = 0.6
"""Development words that are in the store's text, as a share of what it is for the text's own, below which they are
of another language."""
SHARDS, LOOKED_AT = 4, 20_000  # of a store that say which words its language has: shards, and at most sentences


def held_out(store: SoftLabelStore, seed: int) -> list[int]:
    """The blocks that a student is not trained on, but judged by; a function of the store's sizes and the seed.

    Of a store of many shards a few, drawn at random, are those that blocks are chosen from.
    [] where no block is small enough for its store: then there is nothing to judge by.
    """
    rng, shards = np.random.default_rng([seed, 11]), len(store.manifest.shards)
    looked_at = range(shards) if shards <= HELD_SHARDS else sorted(rng.permutation(shards)[:HELD_SHARDS].tolist())
    tables = [store.blocks_of(shard) for shard in looked_at]
    firsts = zip(store.first_blocks[list(looked_at)].tolist(), tables, strict=True)
    numbers = [first + own for first, table in firsts for own in range(len(table))]
    rows = np.concatenate([np.zeros(0, np.int64), *(table["rows"] for table in tables)])
    wanted, greatest = min(SHARE * store.rows, MOST), GREATEST * store.rows
    chosen: list[int] = []
    held = 0
    for at in rng.permutation(len(rows)).tolist():
        if held < wanted and held + rows[at] <= greatest:
            chosen.append(numbers[at])
            held += rows[at]
    return sorted(chosen)


class TeacherAgreement:
    """Scores a student by the teacher's answers on sentences of the store that are held out of its training.

    agreement: exp(−D), in (0, 1]; D is the mean over kept words of KL(teacher ‖ student), each word weighing α_i γ_i
        as in the word term of the loss (for span heads too, of whose teacher it reads the tags' probabilities): what
        the teacher is unsure of decides little. It is the score.
    teacher_f1: the student's entities against those of the teacher's best reading; for people to look at.
    """

    def __init__(
        self,
        store: SoftLabelStore,
        blocks: Collection[int],
        featurizer: Featurizer[Any],
        loss: DistillationLoss,
        *,
        budget: int,
        max_words: int = 0,
    ) -> None:
        """blocks: those held out. loss: whose weights count. budget, max_words: as of `SoftData`."""
        self.store, self.loss = store, loss
        self.data = SoftData(store, featurizer, budget=budget, seed=0, max_words=max_words, blocks=blocks)
        rows = [row for block in blocks for row in store.read_block(block).rows]
        labelled = (labelled_row(row, store.tagset) for row in rows if not 0 < max_words < len(row.words))
        self.sentences = [sentence for sentence in labelled if sentence is not None]
        self.development = DevelopmentSet(self.sentences, featurizer, store.tagset)

    def said(self, student: Student) -> dict[str, Any]:
        """The keys of `metrics.json` that name this judge and hold its figures of the student."""
        return {
            "checkpoint_chosen_on": [self.store.place.shown],
            "checkpoint": f"best agreement with the teacher on {len(self.sentences):,} sentences held out of the store",
            "teacher": {"sentences": len(self.sentences), **self.figures(student)},
        }

    def figures(self, student: Student) -> dict[str, float]:
        """`agreement` and `teacher_f1`."""
        agreement = self._agreement(student)
        return {"agreement": agreement, "teacher_f1": self.development.scores(student.tagger).micro.f1}

    @torch.inference_mode()
    def _agreement(self, student: Student) -> float:
        device = next(student.parameters()).device
        total = weight = 0.0
        for part in self.data.listed(0):
            batch = self.data.load(part, 0).to(device)
            said = TeacherAnswer.of(batch)
            weights = self.loss.word_weights(said.probs, said.keep, said.pairs, said.similarity).double()
            distance = token_divergence(student.tagger(batch.inputs), said.probs, kind="kl").double()
            total += torch.where(weights > 0, weights * distance, 0).sum().item()
            weight += weights.sum().item()
        return math.exp(-total / weight) if weight else 0.0


def warn_of_foreign(development: Sequence[Sentence], store: SoftLabelStore, name: str, reporter: Reporter) -> None:
    """Say so where development sentences are of another language than the text of the store.

    Told by words: a language shares few of another's, whatever the domain. Of a large store a few shards, evenly
    spread, stand for all.
    """
    shards = len(store.manifest.shards)
    spread = sorted({int(position) for position in np.linspace(0, shards - 1, SHARDS)})
    every = (row.words for position in spread for block in store.read_shard(position) for row in block.rows)
    rows = list(islice(every, LOOKED_AT))
    known = {word for words in rows[::2] for word in words}
    own = _share(rows[1::2], known)
    theirs = _share((sentence.words for sentence in development), known)
    if development and len(rows) > 1 and theirs < FOREIGN * own:
        reporter.warn(
            f"{name}: {theirs:.0%} of its words occur in the text of `soft`, of whose own words it is {own:.0%}: it "
            f"looks like another language, of which a student knows least. Leave {name} out, or set distill.judge = "
            '"teacher", and agreement with the teacher on a held-out part of the text chooses the epoch'
        )


def _share(sentences: Iterable[Sequence[str]], known: Collection[str]) -> float:
    words = [word in known for sentence in sentences for word in sentence]
    return sum(words) / max(len(words), 1)
