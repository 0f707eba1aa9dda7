from __future__ import annotations

import io
from pathlib import Path

import pytest

from ner_distill.console import Reporter
from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.sentence import Sentence, Span
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.errors import ConfigError, DataError, RunError
from ner_distill.options.labels import VaryOptions
from ner_distill.pipelines.vary_entities import Varied, vary_entities
from tests import corpora
from tests.commands import ok
from tests.world import World


def varied(train: Path, out: Path, said: io.StringIO | None = None, **options: object) -> Varied:
    return vary_entities(VaryOptions(train=[train], out=out, **options), Reporter(stream=said or io.StringIO()))


@pytest.fixture
def train(tmp_path: Path) -> Path:
    corpora.write_conll(tmp_path / "train.conll", corpora.sentences(30, seed=1))
    return tmp_path / "train.conll"


def test_labelled_sentences_are_written_that_a_teacher_answers(world: World, train: Path, tmp_path: Path) -> None:
    out = tmp_path / "varied.jsonl"
    said = ok("vary-entities", "--train", train, "--soft", world.soft, "--sentences", 20, "--out", out).out
    assert said.startswith(f"{out}: 20 sentences, ")
    sentences = read_corpus([out]).sentences
    assert len(sentences) == 20
    assert all(sentence.spans for sentence in sentences)
    ok("label-unlabeled", "--teacher", world.teacher, "--text", out, "--out", tmp_path / "soft")
    labelled = {row.words for row in SoftLabelStore.open(tmp_path / "soft").iter_rows()}
    assert labelled == {sentence.words for sentence in sentences}


def test_what_a_teacher_found_is_put_in_their_places(world: World, tmp_path: Path) -> None:
    corpora.write_conll(tmp_path / "one.conll", [Sentence("1", ("Zoe", "sings"), (Span(0, 1, "PER"),))])
    alone = tmp_path / "alone.jsonl"
    with pytest.raises(DataError, match="too few forms of its types .*give `soft`"):
        varied(tmp_path / "one.conll", alone)
    assert not alone.exists()
    found = varied(tmp_path / "one.conll", tmp_path / "out.jsonl", soft=world.soft, sentences=5)
    assert found.forms["PER"] > 5
    assert found.sentences == 5


def test_that_there_are_no_more_is_said(tmp_path: Path) -> None:
    two = [Sentence(str(number), (name, "sings"), (Span(0, 1, "PER"),)) for number, name in enumerate(("Zoe", "Ann"))]
    said = io.StringIO()
    two[1] = Sentence("1", ("Ann", "walks"), (Span(0, 1, "PER"),))
    corpora.write_conll(tmp_path / "two.conll", two)
    assert varied(tmp_path / "two.conll", tmp_path / "out.jsonl", said).sentences == 2
    assert (
        "2 sentences instead of `sentences` 10,000: 1,000 draws in a row gave none that is new; `soft` would"
        in said.getvalue()
    )


def test_a_store_of_other_units_is_refused(world: World, tmp_path: Path) -> None:
    words = tuple("他在北京工作。她住在上海。")
    corpora.write_conll(tmp_path / "zh.conll", [Sentence("1", words, (Span(2, 4, "LOC"),))])
    with pytest.raises(ConfigError, match="its texts are cut by word, the sentences of `train` by character"):
        varied(tmp_path / "zh.conll", tmp_path / "out.jsonl", soft=world.soft)


def test_a_file_that_is_there_is_left_alone(train: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("mine")
    with pytest.raises(RunError, match=r"out\.jsonl"):
        varied(train, out)
    assert out.read_text() == "mine"


def test_what_is_read_is_not_replaced(world: World, train: Path, tmp_path: Path) -> None:
    before = train.read_bytes()
    with pytest.raises(ConfigError, match="is read and written"):
        varied(train, train, overwrite=True)
    assert train.read_bytes() == before
    manifest = world.soft / "manifest.json"
    with pytest.raises(RunError, match="is read for what is to be written"):
        varied(train, manifest, soft=world.soft, overwrite=True)


def test_sentences_without_entities_are_refused(tmp_path: Path) -> None:
    corpora.write_conll(tmp_path / "bare.conll", [Sentence("1", ("Nobody", "sings"), ())])
    with pytest.raises(DataError, match=r"bare\.conll: none of 1 sentences can be varied; expected some with entities"):
        varied(tmp_path / "bare.conll", tmp_path / "out.jsonl")
