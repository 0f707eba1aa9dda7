"""What a trained model's scores are worth, found out on its development set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ner_distill.console import Reporter
from ner_distill.data.calibration import (
    BINS,
    FOLDS,
    LEAST,
    Calibration,
    JudgedEntity,
    Reliability,
    cross_fitted,
    fit,
    fit_temperature,
    loss_of,
    reliability,
    tag_loss,
)
from ner_distill.nn.tagger import Tagger
from ner_distill.runs.calibration import RunCalibration
from ner_distill.runs.record import fingerprints
from ner_distill.runtime.inference import tag_log_probs
from ner_distill.training.development import MOST_WORDS, DevelopmentSet, Reading


class ScoresWorth(NamedTuple):
    """What scores are worth on a development set.

    maps:   that make them probabilities; None where nothing could be fitted, and where maps fitted on the other folds
            of the set make it less likely that just these entities are right than the scores as they are.
    before: reliability of the scores as they are. after: of each entity's score by maps fitted on the other folds of
            the set, not on it; None without maps.
    """

    maps: Calibration | None
    before: Reliability
    after: Reliability | None

    @classmethod
    def of(cls, entities: Sequence[JudgedEntity], *, keeps: bool | None = None) -> ScoresWorth:
        """keeps: of a run that is there, whether it has maps; None decides it."""
        maps, before = fit(entities), reliability(entities)
        if maps is None or keeps is False:
            return cls(None, before, None)
        mapped = cross_fitted(entities)
        if keeps is None and loss_of(mapped) >= loss_of(entities):
            return cls(None, before, None)
        return cls(maps, before, reliability(mapped))


class Calibrated(NamedTuple):
    """What was fitted, its figures for `metrics.json`, the files of the development set (see `fingerprints`), and what
    the scores are worth there.
    """

    fitted: RunCalibration
    figures: dict[str, Any]
    files: Sequence[Mapping[str, Any]]
    worth: ScoresWorth


def calibrate(tagger: Tagger, dev_set: DevelopmentSet, reading: Reading, reporter: Reporter) -> Calibrated:
    """Fit the maps of scores on what a model finds in its development set, and a temperature of its tags there.

    reading: with scores; tags whose probabilities it lacks are read again. The figures: `ece_before` of the scores as
    they are, and `ece` of each entity's score by maps fitted on the other folds, not on it. The development set may
    have chosen the checkpoint as well, which `metrics.json` says under `checkpoint_chosen_on`.
    """
    entities = dev_set.judged(reading.found)
    figures: dict[str, Any] = {"fitted_on": [str(path) for path in dev_set.files], "entities": len(entities)}
    worth = ScoresWorth.of(entities)
    before, scores = worth.before.error, worth.maps
    figures |= {"bins": BINS, "ece_before": before}
    if scores is None or worth.after is None:
        few = f"{len(entities):,} entities found in `dev`, {LEAST} are needed"
        none = f"no map helped the {len(entities):,} entities found in `dev`, fitted on others of them"
        reporter.info(f"scores are not calibrated: {few if len(entities) < LEAST else none}")
    else:
        after = worth.after.error
        figures |= {"ece": after, "folds": FOLDS, "types_of_their_own": sorted(scores.of_types)}
        reporter.info(
            f"scores calibrated on {len(entities):,} entities found in `dev`: expected calibration error {before:.3f}, "
            f"now {after:.3f} (by maps fitted on other folds of it)"
        )
    temperature, of_tags = _temperature(tagger, dev_set, reading.tag_logs)
    fitted = RunCalibration(scores, temperature)
    return Calibrated(fitted, {**figures, "tags": of_tags}, fingerprints(dev_set.files), worth)


def _temperature(
    tagger: Tagger, dev_set: DevelopmentSet, known: Mapping[int, Tensor]
) -> tuple[float | None, dict[str, Any]]:
    """The temperature of tag probabilities, None for fewer than `LEAST` words, and its figures."""
    logs, gold = [], []
    words = 0
    missing = [index for index in range(len(dev_set.features)) if index not in known]
    read = tag_log_probs(tagger, dev_set.featurizer, [dev_set.features[index] for index in missing])
    for index, log_probs in chain(known.items(), ((missing[number], own) for number, own in read)):
        tags = torch.from_numpy(dev_set.tags_of(dev_set.read[index]))
        counted = tags >= 0
        counted[counted.clone()] = log_probs[counted, tags[counted]] > -torch.inf
        logs.append(log_probs[counted].numpy().astype(np.float64))
        gold.append(tags[counted].numpy())
        words += len(gold[-1])
        if words >= MOST_WORDS:
            break
    if words < LEAST:
        return None, {"words": words}
    table, right = np.concatenate(logs), np.concatenate(gold)
    temperature = fit_temperature(table, right)
    return temperature, {
        "words": words,
        "temperature": temperature,
        "nll_before": tag_loss(table, right),
        "nll": tag_loss(table, right, temperature),
    }
