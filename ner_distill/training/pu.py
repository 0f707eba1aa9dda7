"""What PU learning has to know of all the data: class priors, given or estimated."""

from __future__ import annotations

from collections.abc import Sequence

from ner_distill.config import PuConfig
from ner_distill.console import Reporter
from ner_distill.data.noise.class_prior import estimate_priors, labelled_shares, negative_share
from ner_distill.data.sentence import Sentence
from ner_distill.errors import ConfigError, did_you_mean


def pu_rates(
    config: PuConfig,
    labels: Sequence[str],
    sentences: Sequence[Sentence],
    development: Sequence[Sentence],
    reporter: Reporter,
) -> tuple[list[float], list[float]]:
    """Class priors and labelled shares, both in the order of the labels: what `PuHead.set_rates` takes.

    sentences: the training data. development: of which `prior_from = "dev"` says that it is labelled in full.
    Says what the priors are, and warns where one is below the share that is labelled.
    Raises ConfigError where a prior is that of no type, or nothing says what the prior of a type is.
    """
    for label in config.prior:
        if label not in labels:
            raise ConfigError(f"loss.prior: no type {label!r}; {did_you_mean(label, labels)}")
    shares = labelled_shares(sentences)
    if lost := [label for label in labels if not shares.get(label)]:
        raise ConfigError(f"loss.kind: no word that counts is labelled {', '.join(lost)}; there is nothing to learn")
    priors = dict(config.prior)
    if missing := [label for label in labels if label not in priors]:
        found = labelled_shares(development) if config.prior_from == "dev" else estimate_priors(sentences)
        if unknown := [label for label in missing if not found.get(label)]:
            raise ConfigError(
                f'loss.prior_from: the development data has no {", ".join(unknown)}; give loss.prior, or "train"'
            )
        priors |= {label: found[label] for label in missing}
    table = ", ".join(f"{label} {priors[label]:.2%} ({shares[label]:.2%} labelled)" for label in labels)
    reporter.info(f"class priors, as shares of all words: {table}")
    for label in labels:
        if priors[label] < shares[label]:
            reporter.warn(
                f"loss.prior: {priors[label]:.2%} of the words are to be {label}, but {shares[label]:.2%} are labelled "
                "so: some labels are taken for wrong"
            )
    return [priors[label] for label in labels], [shares[label] for label in labels]


def share_of_negatives(config: PuConfig, sentences: Sequence[Sentence], reporter: Reporter) -> float:
    """The share of words that are surely of no entity, which `PuHead.set_rates` takes as well.

    Raises ConfigError where they are to stand for others and there are none.
    """
    share = negative_share(sentences)
    if share:
        reporter.info(f"surely of no entity: {share:.2%} of the words")
    elif config.negatives_stand_for:
        raise ConfigError(
            "loss.negatives_stand_for: no word of the training data is said to be of no entity (the key `negative` of "
            "JSON Lines, which label-dictionary writes); leave it out"
        )
    return share
