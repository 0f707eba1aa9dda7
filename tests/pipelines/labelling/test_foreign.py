"""Somebody else's models as teachers, from the command line to the store."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ner_distill.data.formats.answers import Answer, Said
from ner_distill.data.sentence import Sentence, Span
from ner_distill.data.store.columns import SoftRow
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.options.models import LabelOptions
from ner_distill.pipelines.labelling.known import FEWER, UNANSWERED, KnownLabeller
from ner_distill.pipelines.labelling.labeller import Labeller
from ner_distill.pipelines.labelling.panel import Panel, Weights
from ner_distill.pipelines.labelling.voices import ForeignVoice, RunVoice
from ner_distill.runs.build import load_teacher
from ner_distill.teacher.foreign.answers import AnswersTeacher
from ner_distill.teacher.foreign.base import DROPPED, ForeignTeacher, MappedTeacher, TypeMap
from ner_distill.teacher.foreign.base import Said as SaidOfWords
from ner_distill.teacher.foreign.gliner import GlinerTeacher
from ner_distill.teacher.foreign.hf import HuggingFaceTeacher
from tests import corpora
from tests.commands import ok, run, settings, snapshot
from tests.foreign import classifier, generated
from tests.world import World

Probs = dict[str, npt.NDArray[np.float32]]


@pytest.fixture(scope="module")
def hf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its types are PER, LOC and MISC."""
    tags = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-MISC", "I-MISC")
    return classifier(tmp_path_factory.mktemp("hf") / "model", tags)


def rows(store: Path) -> dict[str, SoftRow]:
    return {row.id: row for row in SoftLabelStore.open(store, verify=True).iter_rows()}


def probs(store: Path) -> Probs:
    return {id: row.probs.astype(np.float32) for id, row in rows(store).items()}


def label(out: Path, *options: str | Path) -> str:
    return ok("label-unlabeled", "--out", out, "--shard-size", "200", "--store-precision", "exact", *options).err


def written(path: Path, sentences: list[Sentence]) -> Path:
    path.write_text("".join(" ".join(one.words) + "\n" for one in sentences), "utf-8")
    return path


def answers_file(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


def test_the_store_is_what_the_model_says_on_500_sentences(hf: Path, tmp_path: Path) -> None:
    text = written(tmp_path / "t.txt", generated(500, seed=5))
    said = label(tmp_path / "soft", "--teacher", f"hf:{hf}", "--text", text, "--unit", "blank", "--batch-words", "300")
    teacher = HuggingFaceTeacher.load(str(hf), {})
    stored, store = rows(tmp_path / "soft"), SoftLabelStore.open(tmp_path / "soft")
    assert store.manifest.labels == ("LOC", "MISC", "PER")
    assert store.manifest.teachers[0].name == f"hf:{hf}"
    assert "no teacher compares words: the store has no pairs" in said
    own = [0, 3, 4, 5, 6, 1, 2]  # its types sorted by name
    said_itself = teacher.answers([Sentence(id, row.words) for id, row in stored.items()])
    for row, expected in zip(stored.values(), said_itself, strict=True):
        np.testing.assert_allclose(row.probs, expected.probs[:, own], atol=6e-4)  # 16 bits
    assert len(stored) == 500


def test_types_are_mapped_and_dropped_ones_counted_and_named(hf: Path, tmp_path: Path) -> None:
    text = written(tmp_path / "t.txt", generated(60, seed=6))
    plain = ("--teacher", f"hf:{hf}", "--text", text, "--unit", "blank")
    label(tmp_path / "plain", *plain)
    said = label(tmp_path / "mapped", *plain, "--map", "PER=PERSON", "--map", "LOC=PERSON", "--map", "MISC=")
    assert SoftLabelStore.open(tmp_path / "mapped").manifest.labels == ("PERSON",)
    dropped = sum(int((own.argmax(1) == 3).sum()) for own in probs(tmp_path / "plain").values())
    assert f"{DROPPED.format('MISC')}: {dropped}" in said.replace(",", "")
    assert "go to O" not in said  # the user said so
    for id, own in probs(tmp_path / "mapped").items():
        before = probs(tmp_path / "plain")[id]
        np.testing.assert_allclose(own[:, 1], before[:, 1] + before[:, 5], atol=2e-3)
        np.testing.assert_allclose(own[:, 0], before[:, [0, 3, 4]].sum(1), atol=2e-3)
    said = label(tmp_path / "unsaid", *plain, "--map", "PER=PERSON")
    assert "LOC, MISC are none of the types here (PERSON) and go to O" in said


def test_beside_a_run_the_types_are_those_of_the_run_and_probabilities_are_averaged(
    world: World, hf: Path, tmp_path: Path
) -> None:
    both = label(tmp_path / "both", "--teacher", world.teacher, "--teacher", f"hf:{hf}=3", "--text", world.raw)
    assert "MISC are none of the types here (LOC, ORG, PER)" in both
    assert f"hf:{hf} knows no ORG" in both
    label(tmp_path / "alone", "--teacher", f"hf:{hf}", "--text", world.raw, "--map", "PER=PER", "--map", "LOC=LOC")
    label(tmp_path / "ours", "--teacher", world.teacher, "--text", world.raw)
    run_probs, foreign = probs(tmp_path / "ours"), probs(tmp_path / "alone")
    for id, own in probs(tmp_path / "both").items():
        wide = np.insert(foreign[id], [3, 3], 0, axis=1)  # LOC, ORG, PER
        np.testing.assert_allclose(own, (run_probs[id] + 3 * wide) / 4, atol=2e-3)
    assert SoftLabelStore.open(tmp_path / "both").manifest.settings["teacher_weights"] == (0.25, 0.75)


def test_pairs_are_compared_by_an_evaluator_that_is_a_run(world: World, hf: Path, tmp_path: Path) -> None:
    label(tmp_path / "soft", "--teacher", f"hf:{hf}", "--evaluator", world.teacher, "--text", world.raw)
    manifest = SoftLabelStore.open(tmp_path / "soft").manifest
    assert sum(shard.pairs for shard in manifest.shards) > 0
    assert manifest.labels == corpora.LABELS
    done = run("label-unlabeled", "--teacher", world.teacher, "--evaluator", f"hf:{hf}", "--text", world.raw,
               "--out", tmp_path / "no")  # fmt: skip
    assert "somebody else's model compares no words" in done.err


def test_votes_of_a_foreign_teacher_count(world: World, tmp_path: Path) -> None:
    lines = world.raw.read_text("utf-8").splitlines()
    file = answers_file(tmp_path / "a.jsonl", *({"text": line, "entities": []} for line in lines[1:]),
                        {"text": lines[0], "entities": [{"text": lines[0].split()[0], "label": "ORG"}]})  # fmt: skip
    label(tmp_path / "soft", "--teacher", world.teacher, "--teacher", f"answers:{file}", "--min-votes", "2",
          "--text", world.raw)  # fmt: skip
    for id, row in rows(tmp_path / "soft").items():
        found = probs(world.soft)[id].argmax(1) > 0
        assert not row.keep[found & (np.arange(len(found)) > 0)].any()
    done = run("label-unlabeled", "--teacher", f"answers:{file}", "--min-votes", "2", "--text", world.raw,
               "--out", tmp_path / "no")  # fmt: skip
    assert "is one model with one vote" in done.err


def test_sentences_without_an_answer_are_left_to_others_or_out(world: World, tmp_path: Path) -> None:
    lines = world.raw.read_text("utf-8").splitlines()
    known = [{"text": line, "entities": [{"text": line.split()[0], "label": "PER"}]} for line in lines[:30]]
    file = answers_file(tmp_path / "a.jsonl", *known)
    texts = {" ".join(line.split()) for line in lines[:30]}
    said = label(tmp_path / "alone", "--teacher", f"answers:{file}", "--text", world.raw)
    alone, store = rows(tmp_path / "alone"), SoftLabelStore.open(tmp_path / "alone")
    assert {" ".join(row.words) for row in alone.values()} == texts
    assert store.manifest.counters()[UNANSWERED] == 80 - len(alone)
    assert f"{80 - len(alone)} sentences that no teacher has an answer to are not in the store" in said
    label(tmp_path / "both", "--teacher", f"answers:{file}", "--teacher", world.teacher, "--text", world.raw)
    label(tmp_path / "ours", "--teacher", world.teacher, "--text", world.raw)
    both, ours = probs(tmp_path / "both"), probs(tmp_path / "ours")
    assert len(both) == 80
    assert SoftLabelStore.open(tmp_path / "both").manifest.counters()[FEWER] == 80 - len(alone)
    for id, own in both.items():
        if id not in alone:
            np.testing.assert_allclose(own, ours[id], atol=2e-3)
        else:
            assert own[0, 5] > 0.4  # B-PER


def test_answers_to_ids_are_no_answers_to_texts_that_are_asked_about_without(tmp_path: Path) -> None:
    by_id = answers_file(tmp_path / "a.jsonl", {"id": "0", "entities": {"PER": ["Ann"]}})
    done = run("predict", "--model", f"answers:{by_id}", "Ann lives", "Nobody")
    assert "names sentences by id alone, and here it is asked about texts; give their texts" in done.err.replace(
        "`", ""
    )
    both = answers_file(
        tmp_path / "b.jsonl",
        {"id": "0", "entities": {"PER": ["Ann"]}},
        {"id": "x", "text": "Bo lives", "entities": {"PER": ["Bo"]}},
    )
    assert ok("predict", "--model", f"answers:{both}", "Ann lives", "Bo lives").out == "Ann lives\n[PER Bo] lives\n"


def test_answers_are_trusted_as_labelled_sentences_say(world: World, tmp_path: Path) -> None:
    sentences = corpora.sentences(60, seed=9)
    text = written(tmp_path / "t.txt", sentences)
    wrong = {"PER": "LOC", "LOC": "PER", "ORG": "ORG"}
    file = answers_file(tmp_path / "a.jsonl", *({"words": list(one.words), "entities": [
        {"start_word": span.start, "end_word": span.end, "label": wrong[span.label]} for span in one.exact
    ]} for one in sentences))  # fmt: skip
    gold = answers_file(tmp_path / "gold.jsonl", *({"words": list(one.words), "entities": [
        {"start_word": span.start, "end_word": span.end, "label": span.label} for span in one.exact
    ]} for one in sentences))  # fmt: skip
    label(tmp_path / "soft", "--teacher", f"answers:{file}", "--text", text, "--unit", "blank", "--labelled", gold)
    found = rows(tmp_path / "soft")
    tagset = SoftLabelStore.open(tmp_path / "soft").tagset
    by_words = {row.words: tagset.decode(row.probs.argmax(1).tolist()) for row in found.values()}
    assert all(set(by_words[one.words]) == set(one.exact) for one in sentences)
    assert "confidence_by" in SoftLabelStore.open(tmp_path / "soft").manifest.settings


def test_resuming_a_store_with_other_answers_is_refused_and_with_the_same_changes_nothing(
    world: World, tmp_path: Path
) -> None:
    lines = world.raw.read_text("utf-8").splitlines()
    file = answers_file(
        tmp_path / "a.jsonl", *({"text": line, "entities": {"PER": [line.split()[0]]}} for line in lines)
    )
    command = ("label-unlabeled", "--teacher", f"answers:{file}", "--text", world.raw, "--out", tmp_path / "soft")
    ok(*command)
    before = snapshot(tmp_path / "soft")
    ok(*command, "--resume")
    assert snapshot(tmp_path / "soft") == before
    assert "settings.map" in run(*command, "--resume", "--map", "PER=PERSON").err
    answers_file(file, *({"text": line, "entities": {"PER": [line.split()[-1]]}} for line in lines))
    assert "teacher fingerprints" in run(*command, "--resume").err


def test_a_student_learns_from_such_a_store_and_show_shows_it(world: World, tmp_path: Path) -> None:
    lines = world.raw.read_text("utf-8").splitlines()
    file = answers_file(
        tmp_path / "a.jsonl", *({"text": line, "entities": {"PER": [line.split()[0]]}} for line in lines)
    )
    label(tmp_path / "soft", "--teacher", f"answers:{file}", "--text", world.raw)
    assert "teacher    answers:" in ok("show", tmp_path / "soft").out
    ok("train-student", "--soft", tmp_path / "soft", "--out", tmp_path / "student",
       *settings(*corpora.SMALL, "optim.epochs=1"))  # fmt: skip
    assert (tmp_path / "student" / "model.safetensors").is_file()


def test_others_models_predict_and_are_scored(hf: Path, world: World, tmp_path: Path) -> None:
    found = ok("evaluate", "--model", f"hf:{hf}", "--data", world.dev, "--json", tmp_path / "scores.json")
    assert "does not know ORG" in found.err
    assert "f1" in (tmp_path / "scores.json").read_text().lower()
    done = ok("predict", "--model", f"hf:{hf}", "--map", "PER=PERSON", "--text", world.raw, "--format", "jsonl")
    records = [json.loads(line) for line in done.out.splitlines()]
    assert {one["label"] for record in records for one in record["entities"]} == {"PERSON"}
    assert len(records) == 80


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--teacher", "hf:no/such/model/here"), "no such directory"),
        (("--teacher", "spacy:"), "expected a directory, a name or a file behind spacy:"),
        (("--teacher", "answers:nowhere.jsonl"), "no such file"),
        (("--teacher", "gliner:x"), "finds any types; say which: --types"),
        (("--teacher", "HF", "--map", "PERSON=PER"), "--map PERSON: no such type of hf:"),
        (("--teacher", "HF", "--map", "PER"), "expected THEIRS=OURS"),
        (("--teacher", "HF", "--map", "PER=A", "--map", "PER=B"), "PER is mapped to A before"),
        (("--teacher", "RUN", "--map", "PER=PER"), "no --teacher is one: leave it out"),
        (
            ("--teacher", "RUN", "--teacher", "HF", "--map", "PER=HUMAN"),
            "no such type here: HUMAN; expected one of LOC",
        ),
        (("--teacher", "HF", "--types", "person"), "--types is for --teacher gliner:"),
        (("--teacher", "HF", "--confidence", "0.8"), "--confidence is for --teacher answers:"),
        (("--teacher", "HF", "--teacher", "RUN", "--teacher-weights", "auto"), "the training text of hf:"),
    ],
)
def test_what_is_wrong_is_said(world: World, hf: Path, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    named = {"HF": f"hf:{hf}", "RUN": str(world.teacher)}
    done = run(
        "label-unlabeled", *(named.get(one, one) for one in options), "--text", world.raw, "--out", tmp_path / "o"
    )
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "o").exists()


class _Spans:
    """A model of GLiNER that finds the first word, and the first two."""

    def inference(self, texts: list[str], labels: list[str], **_: Any) -> list[list[dict[str, Any]]]:
        found = []
        for text in texts:
            ends = [index for index, char in enumerate(f"{text} ") if char == " "][:2]
            found.append([{"start": 0, "end": end, "label": "ORG", "score": 0.9 / n} for n, end in enumerate(ends, 1)])
        return found


def test_a_span_model_gives_a_store_with_nested_spans(world: World) -> None:
    teacher = GlinerTeacher("gliner:x", _Spans(), ("ORG",), longest=100)
    voice = ForeignVoice(MappedTeacher(teacher, TypeMap({}), corpora.LABELS))
    sentences = corpora.sentences(20, seed=8)
    blocks = Labeller(Panel.of([voice]), LabelOptions()).blocks(sentences, 0, lambda rows, words: None)
    for row in (row for block in blocks for row in block.rows):
        assert row.spans is not None
        assert [(s, e, k) for s, e, k, _ in row.spans.tolist()] == [(0, 1, 1), (0, 2, 1)]
        np.testing.assert_allclose(row.spans["score"].astype(float), [0.9, 0.45], atol=1e-3)
    both = Labeller(Panel.of([voice, RunVoice(load_teacher(world.teacher))]), LabelOptions(min_votes=2))
    assert any(
        row.spans is not None and len(row.spans) for b in both.blocks(sentences, 0, lambda r, w: None) for row in b.rows
    )


def test_a_foreign_teacher_is_asked_once_about_a_sentence_that_others_read_in_windows() -> None:
    class Counting(AnswersTeacher):
        asked = 0

        def answers(self, sentences):  # type: ignore[no-untyped-def]
            Counting.asked += len(sentences)
            return super().answers(sentences)

    from ner_distill.data.features.windows import Window
    from ner_distill.data.formats.answers import Answer, Said

    words = ("a", "b", "c", "d")
    teacher = Counting("answers:x", [Answer("s", "abcd", (Said(1, 3, "X", None),))])
    voice = ForeignVoice(MappedTeacher(teacher, TypeMap({}), ("X",)))
    (whole,) = voice.features_of([Sentence("s", words)])
    parts = [voice.cut(whole, Window(0, 3, 0, 2)), voice.cut(whole, Window(2, 4, 2, 4))]
    answering = voice.ask(voice.collate(parts))
    assert Counting.asked == 1
    assert answering.mask.tolist() == [[True, True, True], [True, True, False]]
    assert answering.tag_probs().argmax(-1).tolist() == [[0, 1, 2], [2, 0, 0]]
    assert answering.entities()[0] == {Span(1, 3, "X")}


def answering(*entities: tuple[int, int, str]) -> ForeignVoice:
    """Who finds these entities in the sentence "s" of seven words, and nothing in others."""
    said = tuple(Said(start, end, label, None) for start, end, label in entities)
    teacher = AnswersTeacher("answers:x", [Answer("s", "abcdefg", said)])
    return ForeignVoice(MappedTeacher(teacher, TypeMap({}), ("ORG", "PER")))


@pytest.mark.parametrize(
    ("third", "dropped"), [((2, 5, "PER"), {2}), ((3, 5, "ORG"), set()), ((3, 4, "PER"), set()), ((0, 1, "ORG"), {0})]
)
def test_a_reading_without_enough_votes_takes_nothing_from_one_that_has_them(
    third: tuple[int, int, str], dropped: set[int]
) -> None:
    panel = Panel.of([answering((3, 5, "PER")), answering((3, 5, "PER")), answering(third)])
    labeller = Labeller(panel, LabelOptions(min_votes=2))
    (block,) = labeller.blocks([Sentence("s", tuple("abcdefg"))], 0, lambda rows, words: None)
    (row,) = block.rows
    assert {word for word, kept in enumerate(row.keep.tolist()) if not kept} == dropped


def test_who_alone_has_an_answer_is_not_weighed_by_type() -> None:
    everywhere = Always("run", (0.3, 0.0, 0.0, 0.7, 0.0))
    here = Always("answers", (0.3, 0.0, 0.0, 0.7, 0.0), knows="a")
    voices = [ForeignVoice(MappedTeacher(one, TypeMap({}), ("ORG", "PER"))) for one in (everywhere, here)]
    panel = Panel.of(voices, Weights.of([0.9, 0.1], {"PER": [0.3, 0.7], "ORG": [0.0, 1.0]}))
    labeller = KnownLabeller(Labeller(panel, LabelOptions()), panel)
    blocks = labeller.blocks([Sentence("a", ("x",)), Sentence("b", ("x",))], 0, lambda rows, words: None)
    for row in (row for block in blocks for row in block.rows):
        np.testing.assert_allclose(row.probs[0], [0.3, 0, 0, 0.7, 0], atol=1e-3)


class Always(ForeignTeacher):
    """Who says the same of every word, and knows all sentences or the one of an id."""

    def __init__(self, name: str, probs: tuple[float, ...], knows: str = "") -> None:
        super().__init__(name, ["ORG", "PER"])
        self.probs, self.known, self.knows_some = np.array([probs], np.float32), knows, bool(knows)

    def answers(self, sentences: Sequence[Sentence]) -> list[SaidOfWords]:
        return [SaidOfWords(self.probs.repeat(len(one.words), 0)) for one in sentences]

    def fingerprint(self) -> str:
        return self.name

    def knows(self, sentence: Sentence) -> bool:
        return self.known in ("", sentence.id)
