"""Cost of an adversarial training step: `python -m benchmarks.adversarial [--threads 2] [--clock cpu] [--text FILE]`.

A step is the passes of one micro-batch, without the optimizer: a scratch encoder with a CRF, as `train-teacher` makes
them, on batches of like sentences. All ways run alternately on the same batches; the ratio to the plain pass is taken
within a round, its median over the rounds is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from torch import Tensor

from benchmarks.common import INFO, alternately, arguments, lines_of, median, report, seconds
from ner_distill.config import TeacherConfig
from ner_distill.data.formats.segment import segment
from ner_distill.data.sentence import Sentence
from ner_distill.runs.adversary import new_adversary, new_vat
from ner_distill.runs.build import new_teacher
from ner_distill.teacher.model import Teacher, TeacherObjective, TermWeights
from ner_distill.training.fit import PlainPass
from ner_distill.training.labelled import LabelledData

KINDS = ("fgm", "pgd", "freelb", "vat")
PLACES = ("vectors", "weights")
EPSILON = 1.0


class Case:
    """A teacher in training, and batches for it."""

    def __init__(self, lines: list[str], *, hidden: int, heads: int, budget: int, batches: int) -> None:
        words = [segment(line, "word")[0] for line in lines]
        config = TeacherConfig.model_validate(
            {"encoder": {"hidden": hidden, "heads": heads, "layers": 2}, "head": {"kind": "crf"}}
        )
        built = new_teacher(config, INFO, words)
        self.teacher = cast(Teacher, built.model).train()
        sentences = [Sentence(str(number), one, ()) for number, one in enumerate(words)]
        data = LabelledData(sentences, built.featurizer, INFO.tagset, budget=budget, seed=13)
        self.batches = [data.load(one, 0) for one in data.plan(0)[:batches]]
        self.objective = TeacherObjective(self.teacher, TermWeights(similarity=0.0))
        self.embeddings = [self.teacher.tagger.encoder.embedding_layer()]

    def passes(self, kind: str, on: str, steps: int) -> None:
        """All passes of every batch."""
        section = {"kind": kind, "on": on, "epsilon": EPSILON}
        section |= {"alpha": 0.3, "steps": steps} if kind in ("pgd", "freelb") else {}
        config = TeacherConfig.model_validate({"adversarial": section}).adversarial
        vat = new_vat(config, self.embeddings)
        adversary = new_adversary(config, self.embeddings) or PlainPass()
        for batch in self.batches:
            self.teacher.zero_grad(set_to_none=True)

            def loss() -> Tensor:
                value = self.objective.sums(batch)["entities"]  # noqa: B023 (called at once)
                if vat is None:
                    return value
                return value + vat.divergence(lambda: (self.teacher.tagger(batch.inputs), batch.mask))  # noqa: B023

            adversary.backward(loss, torch.autograd.backward)


def main() -> None:
    """Print the table."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batches", type=int, default=4)
    parser.add_argument("--batch-words", type=int, default=1024)
    parser.add_argument("--hidden", type=int, default=192)
    parser.add_argument("--heads", type=int, default=6)
    parser.add_argument("--steps", type=int, default=3, help="of pgd and freelb")
    parser.add_argument("--sentences", type=int, default=2000, help="that the vocabulary is counted on")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    case = Case(
        lines_of(options.text, options.sentences),
        hidden=options.hidden,
        heads=options.heads,
        budget=options.batch_words,
        batches=options.batches,
    )
    ways: dict[str, Callable[[], float]] = {
        f"{kind} {on}": partial(seconds, partial(case.passes, kind, on, options.steps), options.clock)
        for kind in KINDS
        for on in PLACES
    }
    plain = partial(seconds, partial(case.passes, "none", "vectors", 1), options.clock)
    times = alternately({"plain": plain, **ways}, options.rounds)
    size = sum(parameter.numel() for embedding in case.embeddings for parameter in embedding.parameters())
    print(f"{options.batch_words} words a batch, {size:,} parameters in the embeddings, {options.steps} steps")
    print(f"{'way':<16} {'ms a batch':>11} {'× plain':>8}")
    for name, measured in times.items():
        milliseconds = 1000 * median(measured) / len(case.batches)
        ratio = median([one / base for one, base in zip(measured, times["plain"], strict=True)])
        print(f"{name:<16} {milliseconds:11.1f} {ratio:8.2f}")
        report(way=name, milliseconds=round(milliseconds, 2), ratio=round(ratio, 3), clock=options.clock)


if __name__ == "__main__":
    main()
