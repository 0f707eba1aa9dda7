"""The component of spaCy's pipelines, with a model that needs no training."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("spacy")

import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.ty import ListenedToComponent

from ner_distill import face, spacy_component
from ner_distill.errors import ConfigError, RunError
from ner_distill.spacy_component import EntityFinder
from ner_distill.tagger import Answering
from tests.answering import BROKEN, Capitals

ROOT = Path(__file__).resolve().parent.parent


class Told(Answering):
    """Finds in words what it is told, whatever the sentence."""

    labels, unit = ("LOC", "ORG"), "word"

    def __init__(self, *found: tuple[int, int, str, float]) -> None:
        self._found = list(found)

    def found(self, sentences: Sequence[Sequence[str]]) -> list[list[tuple[int, int, str, float]]]:
        return [self._found for _ in sentences]


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of a model: where it has its file it is loaded, as `Capitals`."""

    def load(paths: Sequence[Path], *, threads: int = 1) -> face.Model:
        for path in paths:
            if not (path / "deep" / "weights").is_file():
                raise RunError(f"{path}: no such directory")
        return face.Model(Capitals(), list(paths))

    monkeypatch.setattr(face, "load", load)
    model = tmp_path / "model"
    (model / "deep").mkdir(parents=True)
    (model / "deep" / "weights").write_bytes(b"\x00weights")
    return model


def pipeline(model: str | Path | list[str], **config: Any) -> Language:
    nlp = spacy.blank("en")
    nlp.add_pipe("ner_distill", config={"model": model if isinstance(model, list) else str(model), **config})
    return nlp


def telling(*found: tuple[int, int, str, float], **config: Any) -> Language:
    """A pipeline whose model finds these entities: first word, end, label, score."""
    nlp = pipeline("told", **config)
    finder = nlp.get_pipe("ner_distill")
    assert isinstance(finder, EntityFinder)
    finder._model = face.Model(Told(*found), [])
    return nlp


def entities(doc: Doc) -> list[tuple[str, str]]:
    return [(entity.text, entity.label_) for entity in doc.ents]


def test_pyproject_names_the_factory() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    module, _, name = project["entry-points"]["spacy_factories"]["ner_distill"].partition(":")
    assert (module, name) == (spacy_component.__name__, spacy_component.make.__name__)


def test_entities_are_in_the_document_with_their_scores(directory: Path) -> None:
    doc = pipeline(directory)("Ana is in ROME.")
    assert entities(doc) == [("Ana", "PER"), ("ROME", "LOC")]
    assert [span.text for span in doc.spans["ner_distill"]] == ["Ana", "ROME"]
    assert doc.spans["ner_distill"].attrs["scores"] == [0.9, 0.4]
    stored = DocBin(docs=[doc], store_user_data=True).to_bytes()
    (read,) = DocBin().from_bytes(stored).get_docs(doc.vocab)
    assert read.spans["ner_distill"].attrs["scores"] == [0.9, 0.4]


@pytest.mark.parametrize(("config", "key"), [({"spans_key": None}, None), ({"spans_key": "mine"}, "mine")])
def test_all_entities_are_kept_under_the_key_that_is_asked_for(
    directory: Path, config: dict[str, Any], key: str | None
) -> None:
    assert list(pipeline(directory, **config)("Ana").spans) == ([key] if key else [])


@pytest.mark.parametrize(("least", "expected"), [(0.5, ["Ana"]), ({"PER": 0.95}, ["ROME"])])
def test_entities_that_are_not_sure_enough_are_left_out(directory: Path, least: object, expected: list[str]) -> None:
    doc = pipeline(directory, min_score=least)("Ana is in ROME.")
    assert [span.text for span in doc.spans["ner_distill"]] == expected


def test_many_documents_are_answered_as_single_ones(directory: Path) -> None:
    nlp = pipeline(directory)
    texts = ["Ana is in ROME.", "", "nobody", "Bob\nEva", " "]
    model = nlp.get_pipe("ner_distill").loaded()._answering  # type: ignore[attr-defined]
    together = [doc.to_bytes() for doc in nlp.pipe(texts, batch_size=2)]
    assert [len(call) for call in model.calls] == [1, 2, 1]  # an empty document has no sentence
    assert together == [nlp(text).to_bytes() for text in texts]


def test_sentences_that_are_known_are_asked_about_one_by_one(directory: Path) -> None:
    nlp = pipeline(directory)
    nlp.add_pipe("sentencizer", first=True)
    doc = nlp("we met Ana. and Bob!")
    assert nlp.get_pipe("ner_distill").loaded()._answering.calls == [["we met Ana .", "and Bob !"]]  # type: ignore[attr-defined]
    assert [(span.start_char, span.text) for span in doc.ents] == [(7, "Ana"), (16, "Bob")]


def test_an_entity_inside_a_token_is_widened_to_it() -> None:
    nlp = telling((0, 1, "ORG", 0.9))
    doc = Doc(nlp.vocab, words=["Siemens-Werk", "in"], spaces=[True, False])  # our words: Siemens - Werk in
    assert entities(nlp(doc)) == [("Siemens-Werk", "ORG")]


def test_of_entities_that_overlap_the_longest_stays_and_all_are_kept_aside() -> None:
    doc = telling((0, 3, "ORG", 0.6), (2, 3, "LOC", 0.9), (3, 4, "LOC", 0.5))("Bank of Rome Ltd")
    assert entities(doc) == [("Bank of Rome", "ORG"), ("Ltd", "LOC")]
    assert [span.text for span in doc.spans["ner_distill"]] == ["Bank of Rome", "Rome", "Ltd"]
    assert doc.spans["ner_distill"].attrs["scores"] == [0.6, 0.9, 0.5]


@pytest.mark.parametrize(
    ("overwrite", "expected"),
    [(False, [("Rome", "CITY"), ("Ltd", "LOC")]), (True, [("Bank of Rome", "ORG"), ("Ltd", "LOC")])],
)
def test_entities_of_earlier_components_stay_unless_they_are_to_be_replaced(
    overwrite: bool, expected: list[tuple[str, str]]
) -> None:
    nlp = telling((0, 3, "ORG", 0.6), (3, 4, "LOC", 0.5), overwrite_ents=overwrite)
    ruler: Any = nlp.add_pipe("entity_ruler", first=True)
    ruler.add_patterns([{"label": "CITY", "pattern": "Rome"}])
    assert entities(nlp("Bank of Rome Ltd")) == expected


def test_a_saved_pipeline_works_when_the_original_is_gone(directory: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    nlp = pipeline(directory, min_score=0.5)
    nlp.to_disk(saved)
    shutil.rmtree(directory)
    read = spacy.load(saved)
    assert entities(read("Ana is in ROME.")) == [("Ana", "PER")]
    read.to_disk(saved)  # over itself
    assert entities(spacy.load(saved)("Ana is in ROME.")) == [("Ana", "PER")]
    assert read.meta["labels"]["ner_distill"] == ["LOC", "PER"]


def test_what_was_saved_there_before_is_replaced(directory: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    (directory / "old").write_text("", "utf-8")
    pipeline(directory).to_disk(saved)
    (directory / "old").unlink()
    pipeline(directory).to_disk(saved)
    files = {str(file.relative_to(saved / "ner_distill")) for file in (saved / "ner_distill").rglob("*")}
    assert files == {"model-0", "model-0/deep", "model-0/deep/weights"}


def test_a_model_is_not_loaded_where_spacy_looks_for_listeners(directory: Path) -> None:
    finder = pipeline(directory / "comes_later").get_pipe("ner_distill")
    assert not any(hasattr(finder, name) for name in ListenedToComponent.__annotations__)


def test_bytes_hold_the_model(directory: Path) -> None:
    nlp = pipeline([str(directory), str(directory)])
    data = nlp.to_bytes()
    of_component = nlp.get_pipe("ner_distill").to_bytes()
    shutil.rmtree(directory)
    read = spacy.util.load_model_from_config(nlp.config)
    read.from_bytes(data)
    assert entities(read("Ana is in ROME.")) == [("Ana", "PER"), ("ROME", "LOC")]
    assert read.get_pipe("ner_distill").to_bytes() == of_component


def test_another_process_gets_the_component_with_its_model(directory: Path) -> None:
    finder = pipeline(directory, min_score=0.5, overwrite_ents=True).get_pipe("ner_distill")
    data = pickle.dumps(finder)
    shutil.rmtree(directory)
    read: Any = pickle.loads(data)
    assert (read.min_score, read.overwrite_ents, read.name) == (0.5, True, "ner_distill")
    assert entities(read(Doc(read.vocab, words=["Ana", "ROME"]))) == [("Ana", "PER")]


def test_bytes_that_lead_out_of_their_directory_are_refused(directory: Path, tmp_path: Path) -> None:
    import srsly

    finder: Any = pipeline(directory).get_pipe("ner_distill")
    with pytest.raises(RunError, match="leads out"):
        finder.from_bytes(srsly.msgpack_dumps([{"../../out": b"x"}]))


def test_a_missing_model_is_named_when_it_is_first_asked(directory: Path) -> None:
    nlp = pipeline(directory / "none")
    assert nlp.pipe_labels["ner_distill"] == []
    with pytest.raises(RunError, match=r"^ner_distill: .*none: no such directory"):
        nlp("Ana")


def test_no_model_at_all_is_refused() -> None:
    with pytest.raises(ConfigError, match="model: expected the directory of a model, found none"):
        pipeline([])
    with pytest.raises(Exception, match="missing required argument: 'model'"):
        spacy.blank("en").add_pipe("ner_distill")


def test_a_wrong_score_is_refused(directory: Path) -> None:
    with pytest.raises(ValueError, match="min_score: ORG: no such label"):
        pipeline(directory, min_score={"ORG": 0.5})("Ana")


def test_spacys_way_to_handle_errors_is_kept(directory: Path) -> None:
    nlp = pipeline(directory)
    with pytest.raises(RuntimeError, match="the model is broken"):
        list(nlp.pipe(["Ana", BROKEN]))
    failed: list[str] = []
    nlp.set_error_handler(lambda name, finder, docs, error: failed.extend(doc.text for doc in docs))
    done = [doc.text for doc in nlp.pipe(["Ana", BROKEN, "Bob"], batch_size=1)]
    assert (done, failed) == (["Ana", "Bob"], [BROKEN])


def test_spacys_evaluation_scores_the_entities(directory: Path) -> None:
    nlp = pipeline(directory)
    example = Example.from_dict(nlp.make_doc("Ana in ROME"), {"entities": [(0, 3, "PER"), (7, 11, "ORG")]})
    assert nlp.evaluate([example])["ents_f"] == pytest.approx(0.5)


def test_the_package_does_without_spacy() -> None:
    code = "import sys, ner_distill, ner_distill.face; sys.exit('spacy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
