"""Labelled sentences as training data and as a development set: what both trainings do with them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ner_distill.config import OptimConfig
from ner_distill.console import Reporter
from ner_distill.data.batching import Batch, pad_rows, plan_batches, sample_pairs
from ner_distill.data.metrics import Scores, score
from ner_distill.data.sentence import Sentence, Span, whole_entities, without_overlap
from ner_distill.data.tagset import TagSet
from ner_distill.errors import ConfigError, DataError
from ner_distill.files import write_json
from ner_distill.nn.tagger import Tagger
from ner_distill.runs.build import AnyFeaturizer, Built, innermost, load_run, save_run
from ner_distill.runtime.inference import best_device, has_bf16, predict_spans
from ner_distill.training.fit import FitResult, FitSettings


class LabelledData:
    """Training batches of labelled sentences, with sampled pairs where a similarity is trained.

    Features and tags are computed once. What a batch holds is a function of the seed and the epoch. Batches have `keep`
    and `weight` where any of the sentences says something of them.

    partly_kept: entities of which a word does not count, and so none of their words.
    """

    def __init__(
        self,
        sentences: Sequence[Sentence],
        featurizer: AnyFeaturizer,
        tagset: TagSet,
        *,
        budget: int,
        seed: int,
        pairs_per_sentence: int = 0,
        pair_target: str = "type",
    ) -> None:
        self.featurizer = cast(Any, featurizer)
        self.features = [self.featurizer.features(sentence.words) for sentence in sentences]
        self.sizes = [self.featurizer.size(features) for features in self.features]
        self.words = sum(len(sentence.words) for sentence in sentences)
        flat = [without_overlap(sentence.spans or ()) for sentence in sentences]
        self.tags = [tagset.encode(one, len(sentence.words)) for one, sentence in zip(flat, sentences, strict=True)]
        self.spans = [tagset.places(sentence.spans or ()) for sentence in sentences]
        self.partly_kept, self.keep = _kept(sentences)
        weights = [sentence.weight for sentence in sentences]
        self.weights = weights if any(weight != 1 for weight in weights) else None
        self.budget, self.seed = budget, seed
        self.pairs_per_sentence, self.pair_target = pairs_per_sentence, pair_target

    def plan(self, epoch: int) -> list[list[int]]:
        """See TrainingData."""
        return plan_batches(self.sizes, budget=self.budget, seed=self.seed, epoch=epoch)

    def load(self, micro_batch: Sequence[int], epoch: int) -> Batch:
        """See TrainingData."""
        inputs = self.featurizer.collate([self.features[index] for index in micro_batch])
        mask = inputs["mask"]
        tags = pad_rows([self.tags[index] for index in micro_batch], mask.shape[1])
        spans = torch.from_numpy(
            np.concatenate([np.insert(self.spans[index], 0, row, 1) for row, index in enumerate(micro_batch)])
        )
        keep, weight = self._carriers(micro_batch, mask.shape[1])
        batch = Batch(inputs, mask, tags=tags, spans=spans, keep=keep, weight=weight)
        if not self.pairs_per_sentence:
            return batch
        # types are 1, 2, ... for the tags (1, 2), (3, 4), ...; outside stays 0
        keys = ((tags + 1) // 2 if self.pair_target == "type" else tags).numpy()
        rng = np.random.default_rng([self.seed, epoch, micro_batch[0], len(micro_batch)])
        pairs = sample_pairs(keys, batch.kept.numpy(), self.pairs_per_sentence * len(micro_batch), rng)
        equal = keys.ravel()[pairs[:, 0]] == keys.ravel()[pairs[:, 1]]
        targets = torch.from_numpy(equal.astype(np.float32))
        return replace(batch, pairs=torch.from_numpy(pairs), pair_targets=targets)

    def _carriers(self, micro_batch: Sequence[int], width: int) -> tuple[Tensor | None, Tensor | None]:
        """`keep` and `weight` of a batch."""
        weight = None if self.weights is None else torch.tensor([self.weights[index] for index in micro_batch])
        if self.keep is None:
            return None, weight
        return pad_rows([self.keep[index] for index in micro_batch], width).bool(), weight


def _kept(sentences: Sequence[Sentence]) -> tuple[int, list[tuple[bool, ...]] | None]:
    """How many entities are only partly kept, and for each sentence the words that count; None where all do."""
    if all(sentence.keep is None or all(sentence.keep) for sentence in sentences):
        return 0, None
    found = [
        whole_entities(sentence.spans or (), sentence.keep or (True,) * len(sentence.words)) for sentence in sentences
    ]
    return sum(cut for _, cut in found), [keep for keep, _ in found]


class DevelopmentSet:
    """Scores a tagger on labelled sentences.

    Words that do not count (`Sentence.keep`) are asked about nothing: a gold entity that has one is left out, and what
    is found there is neither right nor wrong.

    gold: the entities of each sentence that count. left_out: how many others there are.
    """

    def __init__(self, sentences: Sequence[Sentence], featurizer: AnyFeaturizer, tagset: TagSet) -> None:
        self.keep = _kept(sentences)[1]
        self.gold = self._counting([sentence.spans or () for sentence in sentences])
        self.left_out = sum(len(sentence.spans or ()) for sentence in sentences) - sum(map(len, self.gold))
        self.features = [featurizer.features(sentence.words) for sentence in sentences]
        self.featurizer = cast(Any, featurizer)
        self.tagset = tagset

    def scores(self, tagger: Tagger) -> Scores:
        """Exact-span scores over the labels of the tag set and those of the data."""
        found = predict_spans(tagger, self.featurizer, self.tagset, self.features)
        return score(self.gold, self._counting(found), self.tagset.labels)

    def _counting(self, spans: Sequence[Sequence[Span]]) -> list[Sequence[Span]]:
        """Those of which every word counts."""
        if self.keep is None:
            return list(spans)
        return [
            [span for span in own if all(keep[span.start : span.end])]
            for own, keep in zip(spans, self.keep, strict=True)
        ]

    def say_left_out(self, name: str, reporter: Reporter) -> None:
        """Warn of what does not count in the data of `--dev` or `--data`, if there is any."""
        if self.left_out:
            count = self.left_out + sum(map(len, self.gold))
            reporter.warn(
                f"{name}: {self.left_out:,} of {count:,} entities are masked (keep): they do not count, nor does "
                "what is found there"
            )

    def evaluate(self, tagger_of: Callable[[nn.Module], Tagger]) -> Callable[[nn.Module], dict[str, float]]:
        """What `Fit` calls: the figures of a model, `score` among them."""

        def figures(model: nn.Module) -> dict[str, float]:
            micro = self.scores(tagger_of(model)).micro
            return {"score": micro.f1, "precision": micro.precision, "recall": micro.recall, "f1": micro.f1}

        return figures


def check_development_labels(labels: Sequence[str], development: Sequence[str], reporter: Reporter) -> None:
    """Labels of the development set that training never saw: an error where that is all, else a warning."""
    unseen = [label for label in development if label not in labels]
    if unseen and len(unseen) == len(development):
        raise DataError(
            f"--dev: its labels ({', '.join(development)}) are none of those trained on ({', '.join(labels)}); "
            "expected the same names in both files"
        )
    if unseen:
        reporter.warn(
            f"--dev has labels that training never saw: {', '.join(unseen)}; each of these entities counts as missed"
        )


def fit_settings(optim: OptimConfig, seed: int) -> FitSettings:
    """The loop's plain numbers of a resolved `[optim]`."""
    assert isinstance(optim.epochs, int)
    return FitSettings(
        epochs=optim.epochs,
        seed=seed,
        accumulate=optim.accumulate,
        freeze_epochs=optim.freeze_epochs,
        clip=optim.clip,
        warmup=optim.warmup,
        patience=optim.patience,
        swa=optim.swa,
        swa_start=optim.swa_start,
        precision=optim.precision,
        checkpoint_minutes=optim.checkpoint_minutes,
    )


def parameter_groups(
    model: nn.Module, encoders: Sequence[nn.Module], optim: OptimConfig, *, layer_decay: float = 1.0
) -> list[dict[str, Any]]:
    """AdamW groups: encoders at `lr`, a CRF's transitions at `crf_lr`, all else at `head_lr`.

    What stands on a pretrained encoder (lattice layers, features) is new, as the head is.
    layer_decay: the encoder's top layer has `lr`, each one below this times the rate of the one above, the
        embeddings the lowest (Howard and Ruder 2018).

    Weight decay only where a matrix is: not on biases, norms and single numbers.
    """
    assert optim.lr != "auto"
    assert optim.head_lr != "auto"
    inside = {}
    for base in map(base_of, encoders):
        inside.update(dict.fromkeys(map(id, base.parameters()), optim.lr))
        layers = cast(Any, base).layer_groups() if layer_decay != 1 else []
        for depth, layer in enumerate(reversed(layers)):
            inside.update(dict.fromkeys(map(id, layer), optim.lr * layer_decay**depth))
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        transition = (".head." in name or name.startswith("auxiliary.")) and name.rpartition(".")[2] in (
            "start",
            "end",
            "transitions",
        )
        rate = inside.get(id(parameter), optim.crf_lr if transition else optim.head_lr)
        decay = optim.weight_decay if parameter.dim() > 1 and not transition and "bias" not in name else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [{"params": parameters, "lr": rate, "weight_decay": decay} for (rate, decay), parameters in groups.items()]


def base_of(encoder: nn.Module) -> nn.Module:
    """The pretrained encoder below lattice layers and features, or the encoder itself: what `freeze_epochs` freezes."""
    return cast(nn.Module, innermost(encoder))


def require_device(precision: str) -> None:
    """Raises ConfigError where bf16 is asked of a GPU that has none."""
    if precision == "bf16" and torch.cuda.is_available() and not has_bf16(best_device()):
        raise ConfigError('optim.precision: "bf16" is not supported by this GPU; use "fp32"')


@dataclass(frozen=True)
class Trained:
    """A finished training. main: is this the process that speaks for all?"""

    built: Built
    scores: Scores
    main: bool = True


def finished_run(
    directory: Path, development: Sequence[Sentence], accelerator: Accelerator, reporter: Reporter
) -> Trained:
    """What resuming a training gives that has come to its end."""
    reporter.info(f"{directory}: this training is finished; nothing to do")
    built = load_run(directory)
    scores = DevelopmentSet(development, built.featurizer, built.info.tagset).scores(built.tagger)
    return Trained(built, scores, accelerator.is_main_process)


def finish_run(
    built: Built,
    scores: Scores,
    result: FitResult,
    directory: Path,
    dev: Sequence[str | Path],
    accelerator: Accelerator,
    *,
    counts: Mapping[str, int] | None = None,
) -> None:
    """Write the model and then `metrics.json`, the mark of a finished run; checkpoints are of no more use.

    counts: what the featurizer could not take as it was; None: all that it says now.
    """
    counts = getattr(built.featurizer, "counts", {}) if counts is None else counts
    if accelerator.is_main_process:
        save_run(built, directory)
        metrics = {
            "kind": built.info.kind,
            "parameters": sum(parameter.numel() for parameter in built.tagger.parameters()),
            "checkpoint_chosen_on": [str(path) for path in dev],
            "best_epoch": result.epoch + 1,
            "steps": result.steps,
            "seconds": round(result.seconds, 1),
            "counts": dict(counts),
            "dev": scores.to_json(),
        }
        write_json(directory / "metrics.json", metrics)
        shutil.rmtree(directory / "checkpoints", ignore_errors=True)
    accelerator.wait_for_everyone()
