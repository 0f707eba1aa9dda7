"""The multi-task teacher: a recogniser of entities and an evaluator of pair similarity; what it is trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ner_distill.data.batching import Batch
from ner_distill.nn.balance import TaskBalance
from ner_distill.nn.encoders.base import Encoder
from ner_distill.nn.heads import Gold, Head, Spans
from ner_distill.nn.heads.base import weighted_sum
from ner_distill.nn.losses import contrast, mean_vectors, symmetric_kl, uniform_cross_entropy
from ner_distill.nn.similarity import PairSimilarity, pair_bce
from ner_distill.nn.tagger import Tagger
from ner_distill.teacher.adversarial import Vat
from ner_distill.teacher.regularize import mixup_loss


class Teacher(nn.Module):
    """A tagger, and (unless `similarity` is None) a similarity evaluator over the same or its own word vectors.

    evaluator: a second encoder that reads the same inputs, trained for the similarity alone; None shares the
        tagger's.
    auxiliary: heads of one type beside the tagger's, in training alone: `boundary` for entities of whatever type,
        `main_type` for those of one.
    """

    def __init__(
        self,
        tagger: Tagger,
        similarity: PairSimilarity | None,
        *,
        evaluator: Encoder | None = None,
        auxiliary: Mapping[str, Head] | None = None,
    ) -> None:
        super().__init__()
        self.auxiliary = nn.ModuleDict(dict(auxiliary or {}))
        self.tagger = tagger
        self.similarity = similarity
        self.evaluator = evaluator

    def pair_vectors(self, inputs: dict[str, Tensor], vectors: Tensor | None = None) -> Tensor:
        """The word vectors that pairs are compared on; `vectors` are the tagger's, where they are known."""
        if self.evaluator is None:
            return self.tagger.vectors(inputs) if vectors is None else vectors
        own: Tensor = self.tagger.dropout(self.evaluator(inputs))
        return own

    def forward(self, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The tagger's word vectors (batch, words, dim), and tag probabilities (batch, words, tags) float32, zero
        outside the mask.
        """
        vectors = self.tagger.vectors(inputs)
        return vectors, self.tagger.head.log_probs(vectors, inputs["mask"]).exp() * inputs["mask"][..., None]

    def compare(self, vectors: Tensor, pairs: Tensor) -> Tensor:
        """Similarity (pairs,) in [0, 1] of pairs (pairs, 2) of flat word indices, over what `pair_vectors` gave."""
        if self.similarity is None:
            raise ValueError("this teacher has no similarity evaluator")
        similarity: Tensor = self.similarity(vectors, pairs).sigmoid()
        return similarity


@dataclass(frozen=True)
class TermWeights:
    """How much each term of a teacher's loss weighs, and how it is made; see `TeacherObjective`.

    r_drop:          α of that. simcse, mixup, boundary, main_type: plain weights; that of VAT is 1.
    mixup_beta:      both parameters of the distribution of λ.
    label_smoothing: ε, below 1.
    dropout_samples: how many dropouts of one encoding the head reads; their losses are averaged.
    main_label:      the number of the main type.
    """

    similarity: float
    r_drop: float = 0.0
    simcse: float = 0.0
    mixup: float = 0.0
    mixup_beta: float = 0.5
    label_smoothing: float = 0.0
    dropout_samples: int = 1
    boundary: float = 0.0
    main_type: float = 0.0
    main_label: int = 0


UNLABELLED = ("r_drop", "simcse", "vat")  # terms that ask no label


class TeacherObjective:
    """The joint loss of the two tasks, L_ner + w · L_sim, and what is learned beside them or regularises them.

    Each term is a mean with a weight of its own, and is there only where that is above 0:

    `entities`    the head's loss, per word (token head) or per sentence (all others); the mean over all passes and
                  dropout samples.
    `similarity`  binary cross-entropy per pair, in the first pass.
    `smoothing`   label smoothing ε: the loss is (1 − ε) NLL + ε U, U = cross-entropy of each word to the even
                  distribution over the tags that are possible; of a CRF that of the marginals. A pointer smooths its
                  own loss; then there is no such term.
    `boundary`, `main_type`  the losses of the auxiliary heads (docs/method.md, Heads).
    `r_drop`      KL(p ‖ q) + KL(q ‖ p) of each word's tags in two passes with other dropout, weight α / 4 (Liang et al.
                  2021: α / 2 beside the SUM of two likelihoods; here their mean). For a CRF of the marginals, for a
                  pointer of each span, entity or not.
    `simcse`      contrast of the mean word vectors of two passes, per sentence, see `contrast`.
    `mixup`       the likelihood of mixed word vectors beside (the source: instead of) the plain one, see `mixup_loss`.
    `vat`         see `Vat`; the only term of batches without tags.

    Labels count of the words that the batch keeps, times the weights of its sentences: in `entities`, `smoothing`,
    `boundary`, `main_type` and `mixup`. `r_drop`, `simcse` and `vat` ask no label and count all words alike.
    `smoothing`, `r_drop` and `vat`, sums over words, are divided by what the likelihood is divided by (of a CRF:
    sentences), so that weights mean the same for all heads.

    R-Drop and SimCSE share a second pass of the encoder; nothing else needs one. Dropout samples, smoothing and mixup
    cost passes of the head alone.

    balance: what sets the weight of the similarity from step to step, if it is not fixed.

    Every term is a sum, so accumulated batches give the gradient of one big batch, with two exceptions: SimCSE compares
    the sentences of a micro-batch with each other, and mixup draws its sentences and one λ in each.
    """

    def __init__(
        self, teacher: Teacher, terms: TermWeights, *, vat: Vat | None = None, balance: TaskBalance | None = None
    ) -> None:
        self.teacher, self.terms, self.vat, self.balance = teacher, terms, vat, balance
        smoothing = 0.0 if teacher.tagger.head.smooths else terms.label_smoothing
        weights = {
            "entities": 1.0 - smoothing,
            "similarity": terms.similarity if teacher.similarity is not None else 0.0,
            "boundary": terms.boundary,
            "main_type": terms.main_type,
            "smoothing": smoothing,
            "r_drop": terms.r_drop / 4,
            "simcse": terms.simcse,
            "mixup": terms.mixup,
            "vat": 1.0 if vat is not None else 0.0,
        }
        self.weights = {name: weight for name, weight in weights.items() if weight > 0}
        self.passes = 2 if terms.r_drop > 0 or terms.simcse > 0 else 1

    def counts(self, batch: Batch) -> dict[str, float]:
        """What the head's likelihood is of (words or sentences), pairs, and for SimCSE sentences."""
        head = self.teacher.tagger.head
        whole = head.count_beside(batch.mask)
        if batch.tags is None:
            return {"vat": whole}
        kept = head.count(batch.kept)
        counts = {name: whole if name in UNLABELLED else kept for name in self.weights}
        if "smoothing" in counts:
            counts["smoothing"] = head.count_beside(batch.kept)
        if "similarity" in counts:
            counts["similarity"] = float(len(batch.pairs)) if batch.pairs is not None else 0.0
        if "simcse" in counts:
            sentences = float(batch.mask.any(1).sum())
            counts["simcse"] = sentences if sentences > 1 else 0.0
        return counts

    def sums(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of one batch; needs `tags` (without: only `vat`); for the similarity `pairs`, `pair_targets`."""
        if batch.tags is None:
            assert self.vat is not None
            return {"vat": self._vat(batch)}
        tagger, mask = self.teacher.tagger, batch.mask
        passes = [tagger.vectors(batch.inputs, samples=self.terms.dropout_samples) for _ in range(self.passes)]
        own = [vectors[: len(mask)] for vectors in passes]  # the first samples
        sums = self._likelihoods(torch.cat(passes), batch)
        if "similarity" in self.weights and batch.pairs is not None:
            sums["similarity"] = self._similarity(self._watched("similarity", own[0]), batch)
        sums |= self._auxiliary(own[0], batch)
        if "simcse" in self.weights:
            first, second = (mean_vectors(vectors, mask) for vectors in own)
            sums["simcse"] = contrast(first, second, mask.any(1))
        if "mixup" in self.weights:
            gold = Gold(batch.tags, spans_of(batch), batch.weight, batch.negative)
            sums["mixup"] = mixup_loss(tagger.head, own[0], mask, gold, kept=batch.kept, beta=self.terms.mixup_beta)
        if "vat" in self.weights:
            sums["vat"] = self._vat(batch)
        return sums

    def _watched(self, term: str, vectors: Tensor, copies: int = 1) -> Tensor:
        return vectors if self.balance is None else self.balance.watched(term, vectors, copies)

    def _likelihoods(self, vectors: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The terms of the head. vectors: (passes · samples · batch, words, dim)."""
        assert batch.tags is not None
        head, draws = self.teacher.tagger.head, self.passes * self.terms.dropout_samples
        mask, kept = (words.repeat(draws, 1) for words in (batch.mask, batch.kept))
        labels = Gold(batch.tags, spans_of(batch), batch.weight, batch.negative)
        gold, half = labels.repeat(draws), mask.chunk(2)[0]
        sums = {"entities": head.gold_loss(self._watched("entities", vectors, draws), kept, gold) / draws}
        asked = self.weights.keys() & {"smoothing", "r_drop"}
        if "r_drop" in asked:
            first, second = vectors.chunk(2)
            disagreement = head.disagreement(first, second, half)
            if disagreement is not None:
                sums["r_drop"] = disagreement / self.terms.dropout_samples
                asked -= {"r_drop"}
        if not asked:
            return sums
        log_probs = head.log_probs(vectors, mask)
        if "smoothing" in asked:
            sums["smoothing"] = weighted_sum(uniform_cross_entropy(log_probs).where(kept, 0), gold.weight) / draws
        if "r_drop" in asked:
            sums["r_drop"] = symmetric_kl(*log_probs.chunk(2)).where(half, 0).sum() / self.terms.dropout_samples
        return sums

    def _auxiliary(self, vectors: Tensor, batch: Batch) -> dict[str, Tensor]:
        """The losses of the heads of one type: gold is what the main head's is, of any type or of one."""
        assert batch.tags is not None
        sums, places = {}, spans_of(batch).places
        for name, head in self.teacher.auxiliary.items():
            label = None if name == "boundary" else self.terms.main_label
            of_type = batch.tags > 0 if label is None else (batch.tags + 1) // 2 == label + 1
            tags = (2 - batch.tags % 2) * of_type
            chosen = places if label is None else places[places[:, 3] == label]
            spans = Spans(torch.cat([chosen[:, :3], torch.zeros_like(chosen[:, 3:])], 1).unique(dim=0))
            assert isinstance(head, Head)
            sums[name] = head.gold_loss(vectors, batch.kept, Gold(tags, spans, batch.weight))
        return sums

    def _similarity(self, vectors: Tensor, batch: Batch) -> Tensor:
        assert self.teacher.similarity is not None
        assert batch.pairs is not None
        assert batch.pair_targets is not None
        compared = self.teacher.pair_vectors(batch.inputs, vectors)
        with torch.autocast(vectors.device.type, enabled=False):
            losses = pair_bce(self.teacher.similarity(compared, batch.pairs), batch.pair_targets)
        if batch.weight is not None:  # a pair's target is made of two labels: the less trusted sentence decides
            losses = losses * batch.weight[batch.pairs // batch.mask.shape[1]].amin(1)
        return losses.sum()

    def _vat(self, batch: Batch) -> Tensor:
        assert self.vat is not None
        return self.vat.divergence(lambda: (self.teacher.tagger(batch.inputs), batch.mask))


def spans_of(batch: Batch) -> Spans:
    """The gold entities of a batch; none where it says nothing of them."""
    return Spans(batch.mask.new_zeros(0, 4, dtype=torch.long) if batch.spans is None else batch.spans)
