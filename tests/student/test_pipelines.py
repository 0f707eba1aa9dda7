"""What docs/pretrained.md says of transformers' pipelines, against our tags, for each kind of tokenizer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import pipeline

from ner_distill.config import StudentConfig
from ner_distill.data.formats.segment import segment
from ner_distill.data.sentence import Sentence
from ner_distill.nn.encoders.huggingface import load_tokenizer, quiet
from ner_distill.runs.build import AnyBuilt, load_run, new_student, save_run
from ner_distill.runs.info import RunInfo
from ner_distill.runs.record import RunRecord
from ner_distill.runtime.inference import predict_sentences
from tests import checkpoints

DOCS = Path(__file__).parent.parent.parent / "docs" / "pretrained.md"
TEXTS = (
    "Ann Miller left San Juan, Puerto Rico, today.",
    "Peter Lindqvist (Brussels) met Angela Merkel in Berlin.",
    "NATO invites Danish firms; Oslo wrote on Friday.",
    "In Montevideo, Buenos Aires and Rio: ports, plans.",
)
INNER_MARKS = ("Mr O'Neil of Saint-Denis paid 3.5 million.",)
PLAIN = [" ".join(segment(text, "word")[0]) for text in TEXTS]
MARKED = [" ".join(segment(text, "word")[0]) for text in INNER_MARKS]
# Every word a piece, as nearly every word is in the vocabulary of a real checkpoint.
CORPUS = [f" {text}" for text in (*PLAIN, *MARKED)] * 30
WORDS = sorted({word for text in CORPUS for word in text.split()})
# Unigram pieces are those that other endings are found with as well.
APART = [" ".join(word + ending for word in WORDS) for ending in ("", "s", "ly", "ish", "ade", "", "", "")]
BUILDERS: dict[str, Callable[[Path], Path]] = {
    "WordPiece": lambda path: checkpoints.bert(path, CORPUS, vocabulary=2000),
    "byte-level": lambda path: checkpoints.roberta(path, CORPUS, vocabulary=2000),
    "SentencePiece": lambda path: checkpoints.xlm_roberta(path, APART, vocabulary=150),
}
Entities = list[tuple[int, int, str]]


@pytest.fixture(scope="module", params=BUILDERS)
def student(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A student whose every weight is random, so that the tags of neighbouring words differ."""
    root = tmp_path_factory.mktemp("student")
    checkpoint = BUILDERS[request.param](root / "checkpoint")
    config = StudentConfig.model_validate({"encoder": {"name": str(checkpoint)}, "head": {"greedy": True}})
    built = new_student(config, RunInfo("student", "word", ("LOC", "ORG", "PER")), [])
    assert built.classifier is not None
    with torch.no_grad():
        for parameter in built.classifier.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.5)
    (root / "run").mkdir()
    RunRecord(built.config, built.info, {}).write(root / "run")
    save_run(built, root / "run")
    return request.param, root / "run"


def ours(built: AnyBuilt, text: str) -> Entities:
    words, places = segment(text, "word")
    ((_, found),) = predict_sentences(built.tagger, built.featurizer, built.info.tagset, [Sentence("1", words)])
    return [(places[span.start][0], places[span.end - 1][1], span.label) for span, _ in found]


@cache
def asking(directory: Path) -> Any:
    with quiet():
        return pipeline("token-classification", str(directory), aggregation_strategy="first", device="cpu")


def theirs(directory: Path, text: str) -> Entities:
    entities = []
    for found in asking(directory)(text):
        # pieces of SentencePiece begin with the blank before the word
        start = found["start"] + (text[found["start"] : found["end"]][:1] == " ")
        entities.append((start, found["end"], found["entity_group"]))
    return entities


def agreeing(directory: Path, texts: Sequence[str]) -> int:
    built = load_run(directory)
    return sum(ours(built, text) == theirs(directory, text) for text in texts)


@pytest.mark.filterwarnings("ignore:Tokenizer does not support real words")
def test_first_agrees_on_text_as_it_comes_for_word_pieces_alone(student: tuple[str, Path]) -> None:
    kind, directory = student
    assert agreeing(directory, TEXTS) == (len(TEXTS) if kind == "WordPiece" else 0)


@pytest.mark.filterwarnings("ignore:Tokenizer does not support real words")
def test_first_agrees_for_every_tokenizer_where_blanks_stand_around_marks(student: tuple[str, Path]) -> None:
    _, directory = student
    assert agreeing(directory, PLAIN) == len(PLAIN)


@pytest.mark.filterwarnings("ignore:Tokenizer does not support real words")
def test_a_mark_inside_a_word_parts_it_for_word_pieces_alone(student: tuple[str, Path]) -> None:
    kind, directory = student
    if kind == "WordPiece":  # a pipeline takes what has no ## for the beginning of a word
        assert not load_tokenizer(directory).tokenize("O'Neil")[1].startswith("##")
    else:
        assert agreeing(directory, MARKED) == len(MARKED)


def test_the_lines_of_the_documentation_give_our_tags_for_every_tokenizer(student: tuple[str, Path]) -> None:
    _, directory = student
    (code,) = [
        block for block in re.findall(r"```python\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL) if "def tags" in block
    ]
    space: dict[str, Any] = {}
    exec(code.replace("runs/student-es", str(directory)), space)
    built = load_run(directory)
    for text in (*TEXTS, *INNER_MARKS, "Xyzzy qwert-ÿ Ωmega"):
        words = segment(text, "word")[0]
        ((_, found),) = predict_sentences(built.tagger, built.featurizer, built.info.tagset, [Sentence("1", words)])
        tags = built.info.tagset
        assert tags.decode([tags.tags.index(tag) for tag in space["tags"](list(words))]) == tags.decode(
            tags.encode([span for span, _ in found], len(words))
        )
