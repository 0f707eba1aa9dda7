"""From `[head]` to modules: options, questions, auxiliary heads, and what a head is told of its data."""

from __future__ import annotations

import io
import json
import re
import shutil
from itertools import combinations
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import nn

from ner_distill.config import HeadConfig, TeacherConfig, load_config
from ner_distill.config.sections import PointerConfig
from ner_distill.console import Reporter
from ner_distill.data.formats.writers import write_jsonl
from ner_distill.data.sentence import Sentence, Span
from ner_distill.data.tagset import TagSet
from ner_distill.errors import ConfigError, DataError, RunError
from ner_distill.nn.heads import HEADS, Head, PointerHead, SpanHead, Spans
from ner_distill.options.training import TeacherOptions
from ner_distill.pipelines.train_teacher import train_teacher
from ner_distill.runs.build import Built, load_run
from ner_distill.runs.heads import auxiliary_heads, check_entities, finds_spans, new_head, with_span_bound
from ner_distill.runs.info import RunInfo, write_config, write_info
from ner_distill.training.session import Trained
from tests import corpora, nested

KINDS = [kind for kind in HEADS if kind != "pu"]  # that is a kind of loss
SPAN_HEADS = [kind for kind in KINDS if issubclass(HEADS[kind], SpanHead)]
POINTERS = [kind for kind in SPAN_HEADS if issubclass(HEADS[kind], PointerHead)]
TAGSET = TagSet(("LOC", "PER"))
VECTORS = torch.linspace(-2, 2, 2 * 5 * 8).reshape(2, 5, 8).sin()
MASK = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
# Two types, of which ORG has entities in each other; one of five words.
NESTED = Sentence(
    "n", ("Bank", "of", "New", "York", "Mellon", "pays"),
    (Span(0, 4, "ORG"), Span(0, 5, "ORG"), Span(2, 4, "LOC"), Span(2, 5, "ORG")),
)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`train.jsonl` and `dev.jsonl`, nested."""
    return nested.write_all(tmp_path_factory.mktemp("nested"), train=12, dev=4)


def train(data: Path, out: Path, *keys: str, flatten: str | None = None) -> tuple[Trained, str]:
    """One epoch, and what was said."""
    said = io.StringIO()
    config = load_config(TeacherConfig, None, [*corpora.SMALL, "optim.epochs=1", "similarity.weight=0.0", *keys])
    options = TeacherOptions(train=[data / "train.jsonl"], dev=[data / "dev.jsonl"], out=out, flatten=flatten)
    done = train_teacher(config, options, Reporter(stream=said))
    return done, said.getvalue()


# ---- the head


def head_config(**options: object) -> HeadConfig:
    return TeacherConfig.model_validate({"head": options}).head


def span_head(**options: object) -> SpanHead:
    torch.manual_seed(3)
    return cast(SpanHead, new_head(head_config(**options), 8, TAGSET))


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_decides_whether_entities_may_nest(kind: str) -> None:
    config = head_config(kind=kind)
    assert finds_spans(config) == isinstance(new_head(config, 8, TAGSET), SpanHead) == (kind not in ("token", "crf"))


@pytest.mark.parametrize("kind", SPAN_HEADS)
def test_a_span_head_has_the_types_of_the_data(kind: str) -> None:
    assert span_head(kind=kind).span_probs(VECTORS, MASK).shape == (2, 2, 5, 5)


@pytest.mark.parametrize("kind", POINTERS)
def test_max_span_leaves_out_longer_entities(kind: str) -> None:
    probs = span_head(kind=kind, max_span=2).span_probs(VECTORS, MASK)
    places = (probs > 0).any(1).nonzero()[:, 1:]
    assert (places[:, 1] - places[:, 0]).unique().tolist() == [0, 1]


def test_start_end_and_match_of_an_mrc_head_have_their_weights() -> None:
    gold = Spans(torch.tensor([[0, 1, 3, 0], [1, 0, 1, 1]]))
    names = ("start_weight", "end_weight", "match_weight")
    whole, *less = (
        span_head(kind="mrc", dropout=0.0, **weights).loss(VECTORS, MASK, gold)
        for weights in ({}, *({name: 0.5} for name in names))
    )
    assert whole > max(less)
    torch.testing.assert_close(sum((whole - one for one in less), torch.zeros(())), whole / 2)


def test_the_match_of_an_mrc_head_has_as_many_hidden_units_as_asked_for() -> None:
    sizes = [parameters(span_head(kind="mrc", match_hidden=hidden)) for hidden in (0, 7)]
    assert sizes == [3 * 4 + 4 + 3, 2 * (4 + 1) + 7 * 4 + 7 + 7 * 4 + 7 + 1]


@pytest.mark.parametrize("kind", POINTERS)
@pytest.mark.parametrize("option", ["label_smoothing", "reading_weight"])
def test_options_of_the_loss_change_the_loss_and_no_probability(kind: str, option: str) -> None:
    gold = Spans(torch.tensor([[0, 1, 3, 0], [1, 0, 1, 1]]))
    plain, other = span_head(kind=kind), span_head(kind=kind, **{option: 0.3})
    torch.testing.assert_close(plain.span_probs(VECTORS, MASK), other.span_probs(VECTORS, MASK))
    assert not torch.isclose(plain.loss(VECTORS, MASK, gold), other.loss(VECTORS, MASK, gold))


@pytest.mark.parametrize("kind", ["global-pointer", "efficient-global-pointer"])
@pytest.mark.parametrize("rotary", [True, False])
def test_rotary_tells_spans_of_equal_words_apart(kind: str, rotary: bool) -> None:
    equal = VECTORS[:1, :1].expand(1, 5, 8)
    probs = span_head(kind=kind, rotary=rotary).span_probs(equal, MASK[:1])[0, 0]
    assert torch.isclose(probs[0, 1], probs[0, 4]).item() is not rotary


def parameters(head: object) -> int:
    return sum(parameter.numel() for parameter in cast(nn.Module, head).parameters())


@pytest.mark.parametrize("kind", POINTERS)
def test_head_dim_is_the_width_inside(kind: str) -> None:
    assert parameters(span_head(kind=kind, head_dim=32)) > parameters(span_head(kind=kind, head_dim=16))


# ---- what the data has and the head cannot learn


def warned(*, sentences: tuple[Sentence, ...] = (NESTED,), **options: object) -> str:
    said = io.StringIO()
    check_entities(head_config(**options), sentences, "--train", Reporter(stream=said))
    return said.getvalue()


def test_entities_longer_than_max_span_are_counted() -> None:
    assert warned(kind="global-pointer", max_span=4) == (
        "warning: --train: 1 of 4 entities are longer than head.max_span = 4: left out, and never found\n"
    )


def bound(longest: int, begun: Path | None = None, **options: object) -> tuple[int, str]:
    said = io.StringIO()
    config = TeacherConfig.model_validate({"head": options})
    head = with_span_bound(config, lambda: longest, begun, Reporter(stream=said)).head
    assert isinstance(head, PointerConfig)
    return head.max_span, said.getvalue()


@pytest.mark.parametrize(("longest", "expected"), [(0, 16), (8, 16), (9, 18)])
def test_a_pointer_without_max_span_gets_a_bound_from_the_data_and_says_it(longest: int, expected: int) -> None:
    words, said = bound(longest, kind="efficient-global-pointer")
    assert words == expected
    assert f"no entity of more than {expected} words will be found: twice the longest to learn ({longest})" in said


def test_max_span_that_was_given_stays() -> None:
    assert bound(100, kind="global-pointer", max_span=5) == (5, "")


@pytest.mark.parametrize(("before", "expected"), [(0, 0), (16, 200)])
def test_a_run_that_began_without_a_bound_goes_on_without(tmp_path: Path, before: int, expected: int) -> None:
    write_info(tmp_path, RunInfo("teacher", "word", ("LOC",)))
    write_config(tmp_path, TeacherConfig.model_validate({"head": {"kind": "global-pointer", "max_span": before}}))
    assert bound(100, tmp_path, kind="global-pointer")[0] == expected


def test_overlaps_of_one_type_are_counted_for_chains_per_type() -> None:
    assert "2 of 4 entities overlap a longer one of the same type" in warned(kind="crf-per-type")


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "global-pointer"},
        {"kind": "global-pointer", "max_span": 5},
        {"kind": "mrc"},
        {"kind": "token"},
    ],
)
def test_nothing_is_said_where_nothing_is_lost(options: dict[str, object]) -> None:
    assert warned(**options) == ""


def test_overlaps_of_different_types_are_no_loss_for_chains_per_type() -> None:
    sentence = Sentence("s", NESTED.words, (Span(0, 4, "ORG"), Span(2, 4, "LOC"), Span(4, 5, "ORG")))
    assert warned(kind="crf-per-type", sentences=(sentence,)) == ""


def test_a_training_warns_of_entities_that_are_too_long(tmp_path: Path) -> None:
    write_jsonl([NESTED], tmp_path / "train.jsonl")
    write_jsonl([NESTED], tmp_path / "dev.jsonl")
    _, said = train(tmp_path, tmp_path / "run", "head.kind=global-pointer", "head.max_span=2")
    assert "warning: `train`: 3 of 4 entities are longer than head.max_span = 2" in said
    assert "3 of 4 entities" in (tmp_path / "run" / "log.txt").read_text()


@pytest.mark.parametrize("kind", ["crf", "token"])
def test_nested_entities_are_refused_for_a_flat_head_with_both_ways_out(data: Path, tmp_path: Path, kind: str) -> None:
    with pytest.raises(DataError, match=r"`train`: sentence s\d+ has entities that overlap") as raised:
        train(data, tmp_path / "run", f"head.kind={kind}")
    assert "`flatten` longest" in str(raised.value)
    assert 'head.kind = "global-pointer"' in str(raised.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("flatten", ["longest", "shortest"])
def test_flatten_says_how_many_entities_it_left_out(data: Path, tmp_path: Path, flatten: str) -> None:
    _, said = train(data, tmp_path / "run", flatten=flatten)
    kept = "shorter" if flatten == "shortest" else "longer"
    assert f"warning: `train`: {overlaps(nested.sentences(12, seed=1))} entities that overlap a {kept} one" in said


@pytest.mark.parametrize("kind", ["crf", "global-pointer"])
def test_every_head_is_scored_on_all_entities_of_the_development_set(data: Path, tmp_path: Path, kind: str) -> None:
    done, _ = train(data, tmp_path / "run", f"head.kind={kind}", flatten="longest")
    assert overlaps(nested.sentences(4, seed=2)) > 0
    assert done.scores.micro.support == sum(len(one.spans or ()) for one in nested.sentences(4, seed=2))
    assert done.built.info.labels == tuple(sorted({s.label for one in nested.sentences(12, seed=1) for s in one.spans}))


def overlaps(sentences: list[Sentence]) -> int:
    """Pairs of entities that share a word; in this corpus no entity is in two of them."""
    return sum(
        one.start < other.end and other.start < one.end
        for sentence in sentences
        for one, other in combinations(sentence.spans or (), 2)
    )


@pytest.mark.parametrize("flatten", [None, "longest"])
def test_a_span_head_learns_from_all_entities_whatever_flatten_says(
    data: Path, tmp_path: Path, flatten: str | None
) -> None:
    _, said = train(data, tmp_path / "run", "head.kind=global-pointer", flatten=flatten)
    assert "left out" not in said


# ---- auxiliary heads


@pytest.mark.parametrize("kind", ["token", "crf", "crf-per-type", "global-pointer", "additive-pointer"])
def test_auxiliary_heads_are_of_the_heads_kind_and_of_one_type(kind: str) -> None:
    config = head_config(kind=kind, boundary_weight=0.5, main_type="PER", main_type_weight=0.1)
    heads = auxiliary_heads(config, 8, TAGSET)
    assert list(heads) == ["boundary", "main_type"]
    for head in heads.values():
        assert type(head) is type(new_head(config, 8, TAGSET))
        assert cast(Head, head).log_probs(VECTORS, MASK).shape == (2, 5, 3)


def test_without_weights_there_are_no_auxiliary_heads() -> None:
    assert auxiliary_heads(head_config(kind="crf"), 8, TAGSET) == {}


@pytest.mark.parametrize(
    ("name", "hint"), [("PERS", "did you mean PER?"), ("zzz", "the data has FIRST, LOC, ORG, PER")]
)
def test_a_main_type_that_is_none_is_refused_with_a_hint(data: Path, tmp_path: Path, name: str, hint: str) -> None:
    keys = ("head.kind=global-pointer", f"head.main_type={name}", "head.main_type_weight=0.1")
    with pytest.raises(ConfigError) as raised:
        train(data, tmp_path / "run", *keys)
    assert str(raised.value) == f"head.main_type: no type {name!r}; {hint}"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", ["crf", "global-pointer"])
def test_auxiliary_heads_are_in_the_run_and_change_nothing_that_it_finds(data: Path, tmp_path: Path, kind: str) -> None:
    keys = (f"head.kind={kind}", "head.boundary_weight=0.5", "head.main_type=PER", "head.main_type_weight=0.1")
    train(data, tmp_path / "run", *keys, flatten="longest")
    trained = load_run(tmp_path / "run")
    auxiliary = cast(nn.ModuleDict, trained.model.auxiliary)
    assert set(auxiliary) == {"boundary", "main_type"}
    before = answers(trained)
    for parameter in auxiliary.parameters():
        nn.init.normal_(parameter)
    torch.testing.assert_close(answers(trained), before, rtol=0, atol=0)


def answers(built: Built) -> torch.Tensor:
    features = [built.featurizer.features(sentence.words) for sentence in nested.sentences(4, seed=2)]
    with torch.no_grad():
        found: torch.Tensor = built.model(built.featurizer.collate(features))[1]
    return found


# ---- questions


@pytest.fixture(scope="module")
def asked(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with an MRC head, whose file of questions is gone."""
    root = tmp_path_factory.mktemp("asked")
    (root / "q.toml").write_text('PER = "who?"\nLOC = "where?"\nORG = "which group?"\nFIRST = "first name?"\n')
    train(data, root / "run", "head.kind=mrc", f'head.questions="{root / "q.toml"}"', "optim.batch_words=512")
    (root / "q.toml").unlink()
    return root / "run"


def test_a_run_keeps_its_questions_in_the_order_of_its_labels(asked: Path) -> None:
    questions = {"FIRST": "first name?", "LOC": "where?", "ORG": "which group?", "PER": "who?"}
    assert json.loads((asked / "questions.json").read_text()) == questions
    assert load_run(asked).questions == questions


def test_the_questions_of_a_run_are_what_its_model_is_asked(asked: Path, tmp_path: Path) -> None:
    other = shutil.copytree(asked, tmp_path / "run")
    questions = json.loads((asked / "questions.json").read_text())
    (other / "questions.json").write_text(json.dumps(questions | {"PER": "where? which group?"}))
    assert not torch.equal(answers(load_run(asked)), answers(load_run(other)))
    assert torch.equal(answers(load_run(asked)), answers(load_run(asked)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "not found; the run is damaged"),
        ("{", "cannot be read as JSON"),
        ("[]", "expected a question for each of FIRST, LOC, ORG, PER, in this order"),
        ('{"PER": "who?"}', "expected a question for each of FIRST, LOC, ORG, PER, in this order"),
        ('{"FIRST": "a", "LOC": "", "ORG": "c", "PER": "d"}', "expected a text for each type"),
        ('{"FIRST": "a", "LOC": 3, "ORG": "c", "PER": "d"}', "expected a text for each type"),
        (b"\xff", "cannot be read as JSON"),
    ],
)
def test_damaged_questions_are_named(asked: Path, tmp_path: Path, text: str | bytes | None, message: str) -> None:
    run = shutil.copytree(asked, tmp_path / "run")
    (run / "questions.json").unlink()
    if text is not None:
        (run / "questions.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(RunError, match=re.escape(f"{run / 'questions.json'}: {message}")):
        load_run(run)


def test_all_that_is_wrong_with_the_questions_is_in_one_message(data: Path, tmp_path: Path) -> None:
    (tmp_path / "q.toml").write_text('PER = "who?"\nLOCC = "where?"\nORG = ""\n')
    with pytest.raises(ConfigError) as raised:
        train(data, tmp_path / "run", "head.kind=mrc", f'head.questions="{tmp_path / "q.toml"}"')
    file = tmp_path / "q.toml"
    assert str(raised.value).split("\n") == [
        "4 problems:",
        f"  - {file}: LOCC is no type of the data; did you mean LOC?",
        f"  - {file}: ORG: the question is empty; say in words what to find",
        f'  - {file}: no question for the type FIRST; add FIRST = "..."',
        f'  - {file}: no question for the type LOC; add LOC = "..."',
    ]
    assert not (tmp_path / "run").exists()


def test_without_a_file_questions_are_made_of_the_names_of_the_types(data: Path, tmp_path: Path) -> None:
    done, _ = train(data, tmp_path / "run", "head.kind=mrc", "optim.batch_words=512")
    assert done.built.questions is not None
    assert done.built.questions["PER"] == "Find every name of a person in the sentence"
    assert load_run(tmp_path / "run").questions == done.built.questions
