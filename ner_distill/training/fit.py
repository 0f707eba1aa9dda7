"""The one training loop.

A pipeline hands it data, an objective and a way to evaluate; everything that every training needs lives
here once: epochs, accumulation, several processes, clipping, the rate's schedule, evaluation, the best
weights, early stopping, weight averaging, checkpoints and resume, progress and metrics.

The model is not wrapped in DistributedDataParallel. Gradients are summed over processes once per step
(`reduction.py`), after all micro-batches and all adversarial passes: every term of the loss is divided by
its count over the whole step, so the sum is exactly the gradient of one big batch, and any method of the
model may be called in a step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ner_distill.config import OptimConfig
from ner_distill.console import Reporter, clock_time
from ner_distill.data.batching import Batch
from ner_distill.errors import RunError, TrainingError, memory_for
from ner_distill.runs.weights import load_weights, save_weights
from ner_distill.training import checkpoint as saved
from ner_distill.training.averaging import new_average
from ner_distill.training.checkpoint import Progress
from ner_distill.training.optim import rate_factor
from ner_distill.training.plans import Plan, StreamedPlan, plan_of
from ner_distill.training.processes import (
    StopSignals,
    any_process,
    make_accelerator,
    numbers_of,
    sum_over_processes,
)
from ner_distill.training.records import Records, figures_of, keep_epochs
from ner_distill.training.reduction import GradientSum
from ner_distill.training.tracking import Tracking

BEST, OWN_BEST = "best.safetensors", "best-parts.safetensors"
KEPT = "What was saved before is kept: go on with the same command and `resume`"

TOLD = {
    "f1": "F1 {1:.2f}",
    "agreement": "agreement {0:.3f}",
    "teacher_f1": "F1 {1:.2f} by the teacher",
    "accuracy": "accuracy {1:.1f} %",
    "perplexity": "perplexity {0:,.1f}",
}
"""Which figures of an epoch are said on its line, and how: {0} is the figure, {1} a hundred times it."""


def _shown(figures: Mapping[str, float]) -> list[str]:
    """Those of the figures of an epoch that are said, as they are said."""
    return [how.format(figures[name], 100 * figures[name]) for name, how in TOLD.items() if name in figures]


class Objective(Protocol):
    """A loss of several terms. `counts` must be known from the batch alone, before any forward pass."""

    weights: dict[str, float]

    def counts(self, batch: Batch) -> dict[str, float]:
        """What each term's sum runs over in this batch (words, pairs).

        A term that is not named is not of this batch's kind; one of 0 is, and has nothing to say.
        """

    def sums(self, batch: Batch) -> dict[str, Tensor]:
        """Each term summed over the batch: scalars with gradient."""


class TrainingData(Protocol):
    """Batches that are a function of the epoch alone."""

    def plan(self, epoch: int) -> Sequence[Any] | StreamedPlan:
        """The micro-batches, in their order."""

    def load(self, micro_batch: Any, epoch: int) -> Batch: ...

    def ids_of(self, micro_batch: Any) -> Sequence[str]:
        """Their ids, for messages."""


class Adversary(Protocol):
    """Runs the passes of one micro-batch and leaves their gradients added up.

    passes: how often `backward` calls the function that it is given.
    """

    @property
    def passes(self) -> int: ...

    def backward(self, loss: Callable[[], Tensor], backward: Callable[[Tensor], None]) -> Tensor:
        """The plain loss, detached, after all passes."""


class PlainPass:
    """No adversary: one pass."""

    passes = 1

    def backward(self, loss: Callable[[], Tensor], backward: Callable[[Tensor], None]) -> Tensor:
        value = loss()
        backward(value)
        return value.detach()


class Weighting(Protocol):
    """Weights of the terms that change as training goes."""

    running: dict[str, float]  # all that it remembers; saved, and put back on resume

    def weights(self, given: dict[str, float]) -> dict[str, float]:
        """The objective's weights → those of the coming step."""

    def measured(self) -> dict[str, float]:
        """What it measured itself in the passes of a step, in this process: numbers that are added over processes."""

    def after_step(self, means: dict[str, float], measured: dict[str, float]) -> None:
        """Take in the mean of each term that occurred in a step, over all its micro-batches and processes."""


@dataclass(frozen=True)
class OwnBest:
    """Parts of a model that are kept from the epoch in which a figure of their own was best, whatever the score.

    figure: its name in what `evaluate` returns. parts: what the names of their weights begin with.
    """

    figure: str
    parts: tuple[str, ...]

    def of(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weights of these parts."""
        return {name: tensor for name, tensor in weights.items() if name.startswith(self.parts)}


@dataclass(frozen=True)
class TrainingTask:
    """What a loop trains, on what, and how.

    groups:    AdamW parameter groups, each with `params`, `lr` and maybe `weight_decay`.
    evaluate:  called with a model after each epoch, in the precision of the training; its "score" decides which weights
               are the best. None: the last.
    frozen:    parameters that nothing changes in the first `freeze_epochs` epochs, weight decay neither.
    weighting: None leaves the objective's weights as they are.
    own_best:  parts that share nothing with the rest of the model; None where all are kept from one epoch.
    """

    model: nn.Module
    objective: Objective
    data: TrainingData
    groups: Sequence[dict[str, Any]]
    evaluate: Callable[[Any], dict[str, float]] | None
    frozen: Sequence[nn.Parameter] = ()
    adversary: Adversary | None = None
    weighting: Weighting | None = None
    own_best: OwnBest | None = None


class Fit:
    """One training. `run` does it all; the rest is public for reading, not for calling."""

    def __init__(
        self,
        task: TrainingTask,
        optim: OptimConfig,
        directory: Path,
        *,
        seed: int,
        reporter: Reporter,
        accelerator: Accelerator | None = None,
        tracking: Tracking | None = None,
    ) -> None:
        """tracking: which experiment trackers follow the training; None is TensorBoard."""
        self.tracking = tracking or Tracking()
        self.accelerator = accelerator or make_accelerator(optim.precision)
        self.model = task.model.to(self.accelerator.device)
        self.parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.objective, self.data, self.evaluate = task.objective, task.data, task.evaluate
        self.settings, self.seed, self.reporter = optim, seed, reporter
        self.directory, self.checkpoints = directory, directory / "checkpoints"
        self.adversary = task.adversary or PlainPass()
        self.reduction = GradientSum(self.accelerator, self.parameters)
        self.frozen = [parameter for parameter in task.frozen if parameter.requires_grad]
        self.weighting, self.own_best = task.weighting, task.own_best
        self.optimizer = torch.optim.AdamW(task.groups, fused=True)
        self.base_rates = [group["lr"] for group in self.optimizer.param_groups]
        # weights are averaged where the rate does not fall to 0, or they are nearly the same
        self.schedule = {"end": optim.swa_start, "last": optim.average_lr} if optim.average_lr else {}
        self.average = new_average(self.model, optim)
        self.progress = Progress()
        self._ticked = time.monotonic()

    # ---- the loop

    def run(self, *, resume: bool = False) -> Progress:
        """Train to the end and leave the best weights in the model; returns where it stands then.

        Raises TrainingError where the loss is no longer a number, where the disk is full, where a tracker does not
        start, or on Ctrl-C or SIGTERM (after saving); RunError where what `resume` should go on from is damaged or
        does not fit.
        """
        torch.manual_seed(self.seed + 7919 * self.accelerator.process_index)
        if resume:
            self._restore()
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        self._ticked = time.monotonic()
        # of an earlier attempt only what the checkpoint knows stays on the curves
        first = self.progress.step + (self.progress.batch == 0)
        records = Records(
            self.directory,
            wanted=self.accelerator.is_main_process,
            first_step=first,
            tracking=self.tracking,
            warn=self.reporter.warn,
        )
        with StopSignals() as signals, records, ThreadPoolExecutor(1) as loader:
            while self.progress.epoch < self.settings.epochs and not self._out_of_patience():
                self._epoch(loader, signals)
                self._after_epoch(records)
        if self.accelerator.is_main_process:
            self.reporter.info(self._kept())
        self.accelerator.wait_for_everyone()
        self.model.load_state_dict(self._best_weights())
        self.model.eval()
        self._freeze(False)
        return self.progress

    def _epoch(self, loader: ThreadPoolExecutor, signals: StopSignals) -> None:
        progress, accelerator = self.progress, self.accelerator
        self.model.train()
        # without a gradient AdamW leaves a parameter and its moments alone
        self._freeze(progress.epoch < self.settings.freeze_epochs)
        plan, accumulate = plan_of(self.data.plan(progress.epoch)), self.settings.accumulate
        steps = plan.steps(accumulate, accelerator.num_processes)
        coming = plan.taken(accumulate, accelerator.process_index, accelerator.num_processes, first=progress.batch)
        last_saved = self._tick()
        name = f"epoch {progress.epoch + 1}/{self.settings.epochs}"
        # what an epoch came to is said after it, once
        with self.reporter.progress(name, total=steps, unit="steps", done=progress.batch, told_after=True) as bar:
            mine = next(coming, None)
            pending = loader.submit(self._load, mine or [])
            while self._goes_on(mine, plan):
                with memory_for(self._sentences(mine or []), KEPT):
                    batches, mine = pending.result(), next(coming, None)
                    pending = loader.submit(self._load, mine or [])
                    done = min(progress.batch / steps, 1.0)
                    self._step(batches, (progress.epoch + done) / self.settings.epochs)
                now = self._tick()
                bar.advance(1, **{name: f"{value:.3f}" for name, value in self._means().items()})
                if any_process(self.accelerator, signals.received):
                    self._save()
                    raise TrainingError(
                        f"stopped by signal after step {progress.step}; everything is saved in {self.checkpoints}. "
                        "Go on with the same command and `resume`"
                    )
                # a clock decides when to save, so only one process may ask it
                due = 60 * self.settings.checkpoint_minutes
                if due and any_process(self.accelerator, now - last_saved > due):
                    self._save()
                    last_saved = time.monotonic()

    def _goes_on(self, mine: list[Any] | None, plan: Plan) -> bool:
        """Whether there is one more step: as long as any process has micro-batches for it."""
        return mine is not None if plan.exact else any_process(self.accelerator, mine is not None)

    def _freeze(self, frozen: bool) -> None:
        for parameter in self.frozen:
            parameter.requires_grad_(not frozen)

    def _tick(self) -> float:
        """Count the time since the last tick; now, in seconds of the monotonic clock."""
        before, self._ticked = self._ticked, time.monotonic()
        self.progress.seconds += self._ticked - before
        return self._ticked

    def _sentences(self, micro_batches: Sequence[Any]) -> Iterator[str]:
        """Their ids, made one by one: of a store they have to be read, and only a message asks for them."""
        return (name for batch in micro_batches for name in self.data.ids_of(batch))

    def _load(self, micro_batches: Sequence[Any]) -> list[Batch]:
        batches = [self.data.load(micro_batch, self.progress.epoch) for micro_batch in micro_batches]
        return [batch.pinned() for batch in batches] if self.accelerator.device.type == "cuda" else batches

    def _step(self, batches: list[Batch], done: float) -> None:
        counts = [self.objective.counts(batch) for batch in batches]
        names = sorted(self.objective.weights)
        totals = self._sums({name: sum(count.get(name, 0.0) for count in counts) for name in names})
        shares = self._shares(counts, names)
        weights = self.objective.weights if self.weighting is None else self.weighting.weights(self.objective.weights)
        weights = {name: weights[name] * shares[name] for name in names}
        parts: list[tuple[str, Tensor]] = []
        self.optimizer.zero_grad(set_to_none=True)
        # in the others nothing counts
        counting = [batch for batch, count in zip(batches, counts, strict=True) if any(map(count.get, names))]
        for left, batch in zip(reversed(range(len(counting))), counting, strict=True):
            self._passes(batch.to(self.accelerator.device), totals, weights, parts, left == 0)
        gradients = self.reduction.finish()
        norm = nn.utils.get_total_norm(gradients) if gradients else torch.zeros((), device=self.accelerator.device)
        # the one place of a step where the host waits for the device
        length, *values = numbers_of([norm, *(value for _, value in parts)])
        own_sums = dict.fromkeys(names, 0.0)
        for (name, _), value in zip(parts, values, strict=True):
            own_sums[name] += value
        # sums of all processes: where one must stop, all stop
        step_sums = self._sums(own_sums)
        self._require_finite(length, step_sums)
        if 0 < self.settings.clip < length:
            nn.utils.clip_grads_with_norm_(self.parameters, self.settings.clip, norm)
        factor = rate_factor(done, self.settings.warmup, **self.schedule)
        for group, base in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = base * factor
        self.optimizer.step()
        if self.settings.ema:
            self._update_average()
        if self.weighting is not None:
            means = {name: step_sums[name] / totals[name] for name in names if totals[name] > 0}
            measured = self.weighting.measured()
            self.weighting.after_step(means, self._sums(measured) if measured else {})
        self.progress.step += 1
        self.progress.batch += 1
        for name in names:
            self.progress.sums[name] = self.progress.sums.get(name, 0.0) + step_sums[name]
            self.progress.totals[name] = self.progress.totals.get(name, 0.0) + totals[name]

    def _update_average(self) -> None:
        if self.average is not None:
            self.average.update_parameters(self.model)
            self.progress.averaged += 1

    def _shares(self, counts: Sequence[dict[str, float]], names: Sequence[str]) -> dict[str, float]:
        """For each term the share of the step's micro-batches that are of its kind.

        1 where all are. Where kinds take turns (soft and gold batches), it keeps their proportion the same
        however many micro-batches make a step.
        """
        counting = [count for count in counts if any(count.get(name) for name in names)]
        having = {name: sum(name in count for count in counting) for name in names}
        sums = self._sums({**having, "batches": len(counting)})
        return {name: sums[name] / max(sums["batches"], 1.0) for name in names}

    def _sums(self, own: Mapping[str, float]) -> dict[str, float]:
        numbers = torch.tensor(list(own.values()), dtype=torch.float64)
        return dict(zip(own, sum_over_processes(self.accelerator, numbers).tolist(), strict=True))

    def _passes(
        self,
        batch: Batch,
        totals: dict[str, float],
        weights: dict[str, float],
        parts: list[tuple[str, Tensor]],
        last: bool,
    ) -> None:
        """Forward and backward of one micro-batch, the adversary's included; gradients add up.

        parts: the sum of each term is added, on its device. last: the micro-batch is the last one of its step.
        """
        latest: dict[str, Tensor] = {}
        passes_left = self.adversary.passes

        def loss() -> Tensor:
            with self.accelerator.autocast():
                sums = self.objective.sums(batch)
            if not latest:
                latest.update({name: value.detach() for name, value in sums.items()})
            terms = [weights[name] * value / max(totals[name], 1.0) for name, value in sums.items()]
            return torch.stack([term.float() for term in terms]).sum()

        def backward(value: Tensor) -> None:
            nonlocal passes_left
            passes_left -= 1
            if last and passes_left == 0:
                self.reduction.begin_last_pass()
            self.accelerator.backward(value)

        self.adversary.backward(loss, backward)
        parts += latest.items()

    def _require_finite(self, norm: float, step_sums: dict[str, float]) -> None:
        if all(map(math.isfinite, [norm, *step_sums.values()])):
            return
        kept = saved.checkpoints(self.checkpoints)
        where = f"the last good checkpoint is {kept[-1]}" if kept else "no checkpoint was due before that"
        losses = ", ".join(f"{name} {value:g}" for name, value in step_sums.items())
        raise TrainingError(
            f"step {self.progress.step + 1} (epoch {self.progress.epoch + 1}): the loss or its gradient is not a "
            f"number (sums: {losses}; gradient norm {norm:g}); {where}. "
            "Lower optim.lr, or set optim.clip or a longer optim.warmup"
        )

    # ---- between epochs

    def _after_epoch(self, records: Records) -> None:
        progress, settings = self.progress, self.settings
        means = self._means()
        progress.epoch, progress.batch, progress.sums, progress.totals = progress.epoch + 1, 0, {}, {}
        if settings.swa and progress.epoch > settings.swa_start * settings.epochs:
            self._update_average()
        candidate = self.average.module if self.average is not None and progress.averaged else self.model
        with torch.inference_mode(), self.accelerator.autocast():
            candidate.eval()
            scores = self.evaluate(candidate) if self.evaluate is not None else {}
        scores = self._keep_best(candidate, scores)
        self._tick()
        records.add(progress, means, scores)
        self.reporter.info(self._told(means, scores))
        self._save()

    def _told(self, means: Mapping[str, float], scores: Mapping[str, float]) -> str:
        """An epoch in a line: what it scores, whether its weights are kept so far, each loss, the time since the start.

        All figures are in `metrics.jsonl`: here are those that fit beside each other.
        """
        progress = self.progress
        figures = _shown(scores)
        if scores and progress.best_epoch == progress.epoch - 1:
            figures.append("best so far")
        losses = ", ".join(f"{name} {value:.3f}" for name, value in means.items())
        said = "; ".join(filter(None, [", ".join(figures), f"loss {losses}", clock_time(progress.seconds)]))
        return f"epoch {progress.epoch}/{self.settings.epochs}: {said}"

    def _kept(self) -> str:
        """Which epoch's weights are kept, in a line: its figures, or that it is the last one."""
        progress = self.progress
        figures = _shown(figures_of(self.directory, progress.best_epoch + 1)) if self.evaluate else ["the last"]
        said = ", ".join([f"kept: epoch {progress.best_epoch + 1}", *figures])
        if self.own_best is not None and progress.own_best_epoch not in (-1, progress.best_epoch):
            parts = ", ".join(part.rstrip(".") for part in self.own_best.parts)
            said += f"; {parts} of epoch {progress.own_best_epoch + 1}"
        return said

    def _keep_best(self, candidate: nn.Module, scores: dict[str, float]) -> dict[str, float]:
        """Save what is the best so far; returns the figures as all processes have them."""
        progress, own = self.progress, self.own_best
        names = ["score", *([own.figure] if own is not None and own.figure in scores else [])]
        # the first process decides for all: where figures differ in a rounding, all must still do the same
        agreed = self._sums(
            {name: scores.get(name, 0.0) if self.accelerator.is_main_process else 0.0 for name in names}
        )
        gained = agreed["score"] > progress.best_score
        # of equals the later: one that finds nothing yet has learned more, and where nothing is scored it is the last
        if agreed["score"] >= progress.best_score:
            progress.best_score, progress.best_epoch = agreed["score"], progress.epoch - 1
            self._save_best(BEST, candidate.state_dict())
        if own is not None and own.figure in agreed:
            gained = gained or agreed[own.figure] > progress.own_best_score
            if agreed[own.figure] >= progress.own_best_score:
                progress.own_best_score, progress.own_best_epoch = agreed[own.figure], progress.epoch - 1
                self._save_best(OWN_BEST, own.of(candidate.state_dict()))
        progress.epochs_without_gain = 0 if gained else progress.epochs_without_gain + 1
        return scores | agreed if scores else {}

    def _save_best(self, name: str, weights: dict[str, Tensor]) -> None:
        if self.accelerator.is_main_process:
            save_weights(self.checkpoints / name, weights)

    def _best_weights(self) -> dict[str, Tensor]:
        """The weights of the best epoch, those of some parts from their own best."""
        weights = load_weights(self.checkpoints / BEST)
        if self.own_best is not None and self.progress.own_best_epoch >= 0:
            weights |= self.own_best.of(load_weights(self.checkpoints / OWN_BEST))
        return weights

    def _out_of_patience(self) -> bool:
        return 0 < self.settings.patience <= self.progress.epochs_without_gain

    def _means(self) -> dict[str, float]:
        totals = self.progress.totals
        return {name: value / totals[name] for name, value in self.progress.sums.items() if totals[name] > 0}

    # ---- saving and restoring

    def _save(self) -> None:
        tensors = {"model": self.model.state_dict(), "optimizer": saved.optimizer_tensors(self.model, self.optimizer)}
        if self.average is not None:
            tensors["average"] = self.average.state_dict()
        if self.weighting is not None:
            numbers = self.weighting.running.items()
            tensors["weighting"] = {name: torch.tensor(value, dtype=torch.float64) for name, value in numbers}
        saved.save_checkpoint(self.checkpoints, self.progress, tensors, self.accelerator)

    def _restore(self) -> None:
        found = saved.checkpoints(self.checkpoints)
        if not found:
            self.reporter.info("no checkpoint yet: starting from the beginning")
            keep_epochs(self.directory, 0)
            return
        last = found[-1]
        saved.require_processes(last, self.accelerator.num_processes)
        self.progress = saved.read_progress(last)
        try:
            self.model.load_state_dict(load_weights(last / "model.safetensors"))
            if self.average is not None:
                self.average.load_state_dict(load_weights(last / "average.safetensors"))
        except RuntimeError as error:
            raise RunError(f"{last}: not of this model ({error}); resume with what the training began with") from None
        saved.restore_optimizer(self.model, self.optimizer, load_weights(last / "optimizer.safetensors"))
        if self.weighting is not None:
            numbers = load_weights(last / "weighting.safetensors")
            self.weighting.running = {name: value.item() for name, value in numbers.items()}
        saved.restore_random_state(load_weights(last / f"random-{self.accelerator.process_index}.safetensors"))
        if self.accelerator.is_main_process:
            keep_epochs(self.directory, self.progress.epoch)
        self.reporter.info(
            f"going on after epoch {self.progress.epoch}, batch {self.progress.batch} (step {self.progress.step})"
        )
