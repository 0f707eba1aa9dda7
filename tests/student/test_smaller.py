"""Students with smaller tables: the same vectors where nothing is lost, and transformers alone loads them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForTokenClassification, AutoTokenizer

from ner_distill.config import StudentConfig, load_config
from ner_distill.console import Reporter
from ner_distill.data.features.vocabularies import Forms
from ner_distill.errors import ConfigError
from ner_distill.runs.build import Built, load_run, new_student, save_run
from ner_distill.runs.info import RunInfo
from ner_distill.runs.record import RunRecord
from ner_distill.student.model import Student
from tests import checkpoints

INFO = RunInfo("student", "word", ("LOC", "PER"))
SENTENCES = [text.split() for text in checkpoints.TEXTS]
BUILDERS: dict[str, Callable[[Path], Path]] = {
    "bert": lambda path: checkpoints.bert(path, vocabulary=300),
    "roberta": lambda path: checkpoints.roberta(path, vocabulary=500),
    "xlm-roberta": lambda path: checkpoints.xlm_roberta(path, vocabulary=200),
}


@pytest.fixture(scope="module", params=BUILDERS)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return BUILDERS[request.param](tmp_path_factory.mktemp("checkpoint") / request.param)


def student(checkpoint: Path, *settings: str, reporter: Reporter | None = None) -> Built[Student]:
    config = load_config(StudentConfig, None, [f"encoder.name={checkpoint}", *settings])
    return new_student(config, INFO, SENTENCES[:4], reporter)


def vectors(built: Built[Student], words: list[str]) -> Tensor:
    built.model.eval()
    with torch.no_grad():
        return built.tagger.encoder(built.featurizer.collate([built.featurizer.features(words)]))


def size(built: Built[Student]) -> int:
    return sum(parameter.numel() for parameter in built.model.parameters())


def test_words_of_the_text_have_the_same_vectors_with_fewer_pieces(checkpoint: Path) -> None:
    whole, cut = student(checkpoint), student(checkpoint, "init.vocabulary=cut")
    assert size(cut) < size(whole)
    for words in SENTENCES[:4]:
        assert torch.equal(vectors(cut, words), vectors(whole, words))


def test_a_table_of_nearly_its_own_rank_gives_nearly_the_same_vectors(checkpoint: Path) -> None:
    whole = vectors(student(checkpoint), SENTENCES[0])
    far = [
        float((vectors(student(checkpoint, f"init.embedding_rank={rank}"), SENTENCES[0]) - whole).abs().mean())
        for rank in (4, 24, 31)
    ]
    assert far[0] > far[1] > far[2]
    assert far[2] < 0.15 * float(whole.abs().mean())


def test_a_factored_table_of_full_rank_changes_nothing(checkpoint: Path) -> None:
    """A MobileBERT without bottlenecks is a BERT: all that a rank loses is the table's smallest directions."""
    from ner_distill.student import smaller

    whole = student(checkpoint)
    assert whole.classifier is not None
    table = whole.tagger.encoder.innermost().embedding_layer().weight
    with torch.no_grad():  # a table of rank 16
        table.copy_(table[:, :16] @ torch.randn(16, table.shape[1]))
    counts = torch.ones(len(table))
    factored = smaller.with_rank(whole.classifier, 16, counts)
    inputs = {"input_ids": torch.tensor([[5, 6, 7, 8, 9], [10, 11, 12, 13, 14]])}
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    with torch.no_grad():
        expected = whole.classifier.eval()(**inputs).logits
        assert torch.allclose(factored(**inputs).logits, expected, atol=1e-3)


@pytest.mark.parametrize("settings", [("init.vocabulary=cut",), ("init.vocabulary=120", "init.embedding_rank=8")])
def test_transformers_loads_it_and_answers_as_ours_does(
    checkpoint: Path, settings: tuple[str, ...], tmp_path: Path
) -> None:
    built = student(checkpoint, *settings)
    assert built.classifier is not None
    with torch.no_grad():
        for parameter in built.classifier.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.5)
    (run := tmp_path / "run").mkdir()
    RunRecord(built.config, built.info, {}).write(run)
    save_run(built, run)
    again = load_run(run)
    assert torch.equal(again.tagger.encoder.innermost().embedding_layer().weight, _table(built))
    tokenizer, model = AutoTokenizer.from_pretrained(run), AutoModelForTokenClassification.from_pretrained(run).eval()
    words = SENTENCES[1]
    encoded = tokenizer(words, is_split_into_words=True, return_tensors="pt")
    with torch.no_grad():
        theirs = model(**encoded).logits[0]
        ours = again.tagger.head.logits(vectors(built, words))[0]
    firsts = [encoded.word_ids().index(number) for number in range(len(words))]
    assert torch.allclose(ours, theirs[firsts], atol=1e-4)


def _table(built: Built[Student]) -> Tensor:
    return built.tagger.encoder.innermost().embedding_layer().weight


def test_what_it_comes_to_is_said(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    built = student(checkpoint, "init.vocabulary=cut", "init.embedding_rank=8", reporter=Reporter())
    said = capsys.readouterr().err
    assert f"{len(built.base.tokenizer):,} of " in said
    assert " parameters instead of " in said


def test_more_text_is_asked_for_where_new_words_fall_apart(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = load_config(StudentConfig, None, [f"encoder.name={checkpoint}", "init.vocabulary=cut"])
    varied = ([*SENTENCES[1], str(number)] for number in count())
    held_out = next(words for words in varied if Forms.of([words]).held_out)
    for known in (True, False):  # its words are in other sentences as well, or in none
        rest = [*SENTENCES[1], *"0123456789"] if known else SENTENCES[0]
        new_student(config, INFO, [rest, held_out], Reporter())
        assert ("init.vocabulary_text" in capsys.readouterr().err) == (not known)


def test_a_rank_as_wide_as_the_encoder_is_refused(checkpoint: Path) -> None:
    with pytest.raises(ConfigError, match="embedding_rank = 32: expected less than the width of the encoder, 32"):
        student(checkpoint, "init.embedding_rank=32")


def test_settings_of_pieces_need_a_pretrained_student() -> None:
    for setting in ("init.vocabulary=cut", "init.embedding_rank=8"):
        with pytest.raises(ConfigError, match="is of a Hugging Face student"):
            load_config(StudentConfig, None, [setting])
