"""PU learning from the configuration to a run: class priors, settings that do not go with it, and what is learned."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ner_distill.config import PuConfig, TeacherConfig, load_config
from ner_distill.console import Reporter
from ner_distill.data.formats.writers import write_jsonl
from ner_distill.data.sentence import Sentence, Span
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.errors import ConfigError
from ner_distill.nn.heads.pu import PuHead
from ner_distill.options.models import LabelUnlabeledOptions
from ner_distill.options.training import TeacherOptions
from ner_distill.pipelines.labelling.label_unlabeled import label_unlabeled
from ner_distill.pipelines.train_teacher import train_teacher
from ner_distill.runs.build import load_run
from ner_distill.training.pu import pu_rates, share_of_negatives
from tests import corpora

LABELS = ("LOC", "PER")
SENTENCES = [
    Sentence("a", ("Ann", "lives", "in", "Oslo"), (Span(0, 1, "PER"),)),
    Sentence("b", ("Oslo", "is", "far", "."), (Span(0, 1, "LOC"),)),
]
DEVELOPMENT = [Sentence("c", ("Bob", "Lee", "and", "Ann", "in", "Rome"), (Span(0, 2, "PER"), Span(3, 4, "PER")))]


def rates(said: io.StringIO | None = None, **loss: object) -> tuple[list[float], list[float]]:
    config = PuConfig(**loss)  # type: ignore[arg-type]
    return pu_rates(config, LABELS, SENTENCES, DEVELOPMENT, Reporter(stream=said or io.StringIO()))


# ---- class priors


def test_given_priors_and_labelled_shares_come_in_the_order_of_the_labels() -> None:
    assert rates(prior={"PER": 0.3, "LOC": 0.25}) == ([0.25, 0.3], [1 / 8, 1 / 8])


def test_priors_that_are_not_given_are_estimated() -> None:
    assert rates(prior={"PER": 0.3}) == ([1 / 4, 0.3], [1 / 8, 1 / 8])  # of two forms: half is taken for labelled


def test_priors_of_the_development_data_are_its_shares() -> None:
    assert rates(prior={"LOC": 0.2}, prior_from="dev")[0] == [0.2, 3 / 6]


def test_a_type_that_the_development_data_lacks_needs_a_prior() -> None:
    with pytest.raises(ConfigError, match=r"the development data has no LOC; give loss\.prior"):
        rates(prior_from="dev")


def test_a_prior_of_no_type_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(ConfigError, match=r"loss\.prior: no type 'PERS'; did you mean PER\?"):
        rates(prior={"PERS": 0.1})


def test_a_type_of_which_no_word_counts_is_refused() -> None:
    masked = [replace(SENTENCES[0], keep=(False, True, True, True)), SENTENCES[1]]
    with pytest.raises(ConfigError, match="no word that counts is labelled PER"):
        pu_rates(PuConfig(), LABELS, masked, DEVELOPMENT, Reporter(stream=io.StringIO()))


def test_a_prior_below_the_labelled_share_is_a_warning() -> None:
    said = io.StringIO()
    rates(said, prior={"LOC": 0.01, "PER": 0.2})
    assert "1.00% of the words are to be LOC, but 12.50% are labelled so" in said.getvalue()


def test_the_share_of_negatives_is_said_and_asked_for_where_they_are_to_stand_for_others() -> None:
    said = io.StringIO()
    told = [replace(SENTENCES[0], negative=(False, True, True, False)), SENTENCES[1]]
    assert share_of_negatives(PuConfig(negatives_stand_for=0.5), told, Reporter(stream=said)) == 2 / 8
    assert "surely of no entity: 25.00% of the words" in said.getvalue()
    assert share_of_negatives(PuConfig(), SENTENCES, Reporter(stream=said)) == 0
    with pytest.raises(
        ConfigError, match=r"loss\.negatives_stand_for: no word of the training data is said to be of no"
    ):
        share_of_negatives(PuConfig(negatives_stand_for=0.5), SENTENCES, Reporter(stream=said))


# ---- settings


def loaded(*settings: str) -> TeacherConfig:
    return load_config(TeacherConfig, None, settings)


def test_pu_decides_word_by_word() -> None:
    assert loaded("loss.kind=pu").head.kind == "token"


def test_pu_learns_no_similarity_of_words_without_a_label() -> None:
    assert loaded("loss.kind=pu").similarity.weight == 0
    assert loaded().similarity.weight == 0.5


@pytest.mark.parametrize("setting", ["loss.prior={PER = 0.05}", "loss.prior.PER=0.05"])
def test_a_prior_is_set_on_the_command_line(setting: str) -> None:
    assert loaded("loss.kind=pu", setting).loss.prior == {"PER": 0.05}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["loss.prior={PER = 0.05}"], 'only for loss.kind = "pu"'),
        (["loss.gamma=2.0"], 'only for loss.kind = "pu"'),
        (["loss.negatives_stand_for=0.5"], 'only for loss.kind = "pu"'),
        (["loss.kind=pu", "head.kind=crf"], r'found head\.kind = "crf"; leave it out'),
        (["loss.kind=pu", "head.label_smoothing=0.1"], r"head\.label_smoothing takes words without a label"),
        (["loss.kind=pu", "head.boundary_weight=0.1"], r"head\.boundary_weight takes words without a label"),
        (["loss.kind=pu", "similarity.weight=0.3"], r"similarity\.weight takes words without a label"),
        (["loss.kind=pu", "features.train_lists=all"], r"features\.train_lists makes lists of the labels"),
        (["loss.kind=pu", "head.task_weighting=log-sum"], r"with loss\.kind = \"pu\" there is one"),
        (["loss.kind=pu", "loss.prior={PER = 1.5}"], r"loss\.prior=.*: input should be less than 1"),
    ],
)
def test_settings_that_do_not_go_with_the_loss_are_refused(settings: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        loaded(*settings)


# ---- a run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher of sentences in which every other entity lost its label."""
    root = tmp_path_factory.mktemp("pu")
    full = corpora.sentences(60, seed=1)
    half = [replace(one, spans=tuple(one.spans or ())[number % 2 :: 2]) for number, one in enumerate(full)]
    half = [replace(one, negative=tuple(word in (".", "in") for word in one.words)) for one in half]
    write_jsonl(half, root / "train.jsonl")
    corpora.write_all(root, train=1, dev=20, raw=12)
    settings = [*corpora.SMALL, "optim.epochs=8", "loss.kind=pu", "loss.prior_from=dev"]
    options = TeacherOptions(train=[root / "train.jsonl"], dev=[root / "dev.conll"], out=root / "teacher")
    train_teacher(load_config(TeacherConfig, None, settings), options)
    return root


def test_a_run_keeps_its_priors(run: Path) -> None:
    head = load_run(run / "teacher").tagger.head
    assert isinstance(head, PuHead)
    assert (head.priors > head.shares).all()
    assert (head.shares > 0).all()


def test_the_store_of_a_pu_teacher_holds_distributions(run: Path) -> None:
    label_unlabeled(LabelUnlabeledOptions(teacher=[run / "teacher"], text=[run / "raw.txt"], out=run / "soft"))
    for row in SoftLabelStore.open(run / "soft").iter_rows():
        sums = torch.tensor(row.probs).float().sum(-1)
        torch.testing.assert_close(sums, torch.ones_like(sums), atol=2e-2, rtol=0)
