"""A tiny training for the tests of the loop; as a script it is run by several processes, or killed again and again.

torchrun --nproc_per_node=2 -m tests.pipelines.training processes DIRECTORY
python -m tests.pipelines.training kill DIRECTORY
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ner_distill.config import OptimConfig
from ner_distill.console import Reporter
from ner_distill.data.batching import Batch
from ner_distill.nn.heads import TokenHead
from ner_distill.nn.similarity import PairSimilarity
from ner_distill.nn.tagger import Tagger
from ner_distill.teacher.adversarial import Fgm
from ner_distill.teacher.model import Teacher, TeacherObjective, TermWeights
from ner_distill.teacher.perturbations import OnVectors
from ner_distill.training import checkpoint
from ner_distill.training.fit import Fit, TrainingTask
from ner_distill.training.plans import StreamedPlan
from ner_distill.training.reduction import GradientSum

LENGTHS = (2, 5, 3, 1, 4, 6, 2, 3)
UNEQUAL = ((0,), (1, 2), (4, 5, 6, 7), (0, 3), (3,))
TAGS = 3
PLAIN = OptimConfig(epochs=1, clip=0.0)
EVERY_STEP = 1e-9  # minutes between checkpoints


class Encoder(nn.Module):
    """Embedding, dropout and one layer."""

    dim = 6

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.embedding = nn.Embedding(12, 4)
        self.dropout = nn.Dropout(dropout)
        self.layer = nn.Linear(4, self.dim)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.layer(self.dropout(self.embedding(inputs["ids"]))).tanh() * inputs["mask"][..., None]


def new_teacher(dropout: float = 0.0, seed: int = 5) -> Teacher:
    torch.manual_seed(seed)
    head = TokenHead(Encoder.dim, [True] * TAGS, [[True] * TAGS] * TAGS)
    return Teacher(Tagger(Encoder(dropout), head, dropout=dropout), PairSimilarity())


def make_batch(sentences: Sequence[int]) -> Batch:
    """Sentence k has LENGTHS[k] words; neighbours in a sentence of four words or more are pairs."""
    width = max(LENGTHS[sentence] for sentence in sentences)
    mask = torch.tensor([[place < LENGTHS[sentence] for place in range(width)] for sentence in sentences])
    rows = torch.tensor(sentences)[:, None]
    places = torch.arange(width)
    pairs = [
        (row * width + first, row * width + first + 1)
        for row, sentence in enumerate(sentences)
        for first in range(LENGTHS[sentence] - 1)
        if LENGTHS[sentence] >= 4
    ]
    targets = [float((first + second) % 4 == 1) for first, second in ((a % width, b % width) for a, b in pairs)]
    return Batch(
        {"ids": (1 + (3 * rows + 5 * places) % 11) * mask, "mask": mask},
        mask,
        tags=((rows + places) % TAGS) * mask,
        pairs=torch.tensor(pairs) if pairs else None,
        pair_targets=torch.tensor(targets) if pairs else None,
    )


class Data:
    """The same micro-batches in every epoch, beginning with another one."""

    def __init__(self, plan: Sequence[Sequence[int]] = UNEQUAL) -> None:
        self.batches = list(plan)

    def plan(self, epoch: int) -> list[Sequence[int]]:
        return self.batches[epoch:] + self.batches[:epoch]

    def ids_of(self, micro_batch: Sequence[int]) -> list[str]:
        return [f"train.conll:{number}" for number in micro_batch]

    def load(self, micro_batch: Sequence[int], epoch: int) -> Batch:
        return make_batch(micro_batch)


class StreamedData(Data):
    """Each process has micro-batches of its own: the first two, the second one."""

    def plan(self, epoch: int) -> StreamedPlan:  # type: ignore[override]
        own = ([self.batches[0], self.batches[2]], [self.batches[1]])
        return StreamedPlan(lambda process, processes: iter(own[process]), 3)


def score_of(model: nn.Module) -> dict[str, float]:
    """A score that depends on the weights, and draws random numbers as some models do."""
    torch.rand(3)
    return {"score": sum(float(parameter.sum()) for parameter in model.parameters())}


def new_fit(
    directory: Path,
    *,
    plan: Sequence[Sequence[int]] = UNEQUAL,
    lr: float = 0.05,
    evaluate: Callable[[nn.Module], dict[str, float]] = score_of,
    model: Teacher | None = None,
    adversary: Any = None,
    **settings: Any,
) -> Fit:
    teacher = model or new_teacher(dropout=settings.pop("dropout", 0.0))
    task = TrainingTask(
        teacher,
        TeacherObjective(teacher, TermWeights(similarity=0.5)),
        Data(plan),
        [{"params": list(teacher.parameters()), "lr": lr, "weight_decay": 0.01}],
        evaluate,
        adversary=adversary,
    )
    return Fit(task, PLAIN.model_copy(update=settings), directory, seed=13, reporter=Reporter(quiet=True))


# Dropout and weight averaging: the hardest to resume.
RESUMABLE: dict[str, Any] = {"epochs": 4, "dropout": 0.3, "swa": True, "swa_start": 0.3, "clip": 1.0, "accumulate": 2}


def watch_gradients(fit: Fit) -> list[dict[str, Tensor]]:
    """The gradients that each of the coming steps hands to the optimizer."""
    seen: list[dict[str, Tensor]] = []
    step = fit.optimizer.step

    def watched(*args: Any, **kwargs: Any) -> Any:
        named = fit.model.named_parameters()
        seen.append({name: parameter.grad.clone() for name, parameter in named if parameter.grad is not None})
        return step(*args, **kwargs)

    fit.optimizer.step = watched  # type: ignore[method-assign]
    return seen


def sent_early(fit: Fit) -> list[int]:
    """How many buckets were under way in each of the coming steps before its passes were over."""
    early: list[int] = []
    sent = 0
    send, finish = torch.distributed.all_reduce, fit.reduction.finish

    def counted(*args: Any, **kwargs: Any) -> Any:
        nonlocal sent
        sent += bool(kwargs.get("async_op"))
        return send(*args, **kwargs)

    def finished() -> list[Tensor]:
        nonlocal sent
        early.append(sent)
        gradients = finish()
        sent = 0
        return gradients

    torch.distributed.all_reduce = counted
    fit.reduction.finish = finished  # type: ignore[method-assign]
    return early


def run_as_one_of_several(directory: Path) -> None:
    """Each process leaves the gradients of every step, and the weights after a training, under its number."""
    for name, adversarial, bucket in (("gradients", False, 2**20), ("buckets", False, 64), ("fgm", True, 64)):
        model = new_teacher()
        adversary = Fgm(OnVectors([model.tagger.encoder.embedding]), epsilon=0.5) if adversarial else None
        still = new_fit(directory / name, accumulate=2, lr=0.0, model=model, adversary=adversary)
        still.reduction = GradientSum(still.accelerator, still.parameters, bucket_bytes=bucket)
        gradients, early = watch_gradients(still), sent_early(still)
        still.run()
        rank = still.accelerator.process_index
        for number, step in enumerate(gradients):
            save_file(step, directory / f"{name}-{number}-{rank}.safetensors")
        (directory / f"{name}-early-{rank}.json").write_text(json.dumps(early))
    fit = new_fit(directory / "moving", accumulate=2, epochs=2)
    fit.run()
    save_file({name: tensor.clone() for name, tensor in fit.model.state_dict().items()}, directory / f"weights-{rank}")
    streamed = new_fit(directory / "streamed", epochs=2)
    streamed.data = StreamedData()
    gradients = watch_gradients(streamed)
    streamed.run()
    for number, step in enumerate(gradients):
        save_file(step, directory / f"streamed-{number}-{rank}.safetensors")


def _die(*_args: object, **_kwargs: object) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def _before(condition: Callable[[], bool], function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: _die() if condition() else function(*args, **kwargs)


def run_and_die(directory: Path) -> None:
    """Train in processes that are killed: amid a step, before, amid and after the writing of checkpoints."""

    def amid_a_step(fit: Fit) -> None:
        fit.objective.sums = _before(lambda: fit.progress.step == 2, fit.objective.sums)  # type: ignore[method-assign]

    def amid_a_checkpoint(fit: Fit) -> None:
        checkpoint.atomic_write_text = _before(lambda: fit.progress.step == 4, checkpoint.atomic_write_text)  # type: ignore[attr-defined]

    def before_the_old_one_goes(fit: Fit) -> None:
        shutil.rmtree = _before(lambda: fit.progress.step == 5, shutil.rmtree)  # type: ignore[assignment]

    def between_metrics_and_checkpoint(fit: Fit) -> None:
        fit._save = _before(lambda: fit.progress.step == 6 and fit.progress.batch == 0, fit._save)  # type: ignore[method-assign]

    import torch.utils.tensorboard  # noqa: F401 (once, not in every child)

    points = (amid_a_step, amid_a_checkpoint, before_the_old_one_goes, between_metrics_and_checkpoint)
    for number, point in enumerate(points):
        child = os.fork()
        if child == 0:
            fit = new_fit(directory, checkpoint_minutes=EVERY_STEP, **RESUMABLE)
            point(fit)
            fit.run(resume=number > 0)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        assert os.WIFSIGNALED(status), f"{point.__name__}: ended with status {status}"


if __name__ == "__main__":
    torch.set_num_threads(1)
    {"processes": run_as_one_of_several, "kill": run_and_die}[sys.argv[1]](Path(sys.argv[2]))
