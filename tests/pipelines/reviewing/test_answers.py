"""A store on the page as a file, and answers made into labelled sentences; the page itself is in tests/browser."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ner_distill.console import Reporter
from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.sentence import Span
from ner_distill.data.store.columns import SPAN
from ner_distill.errors import ConfigError, DataError, RunError
from ner_distill.options.labels import ApplyReviewOptions, ReviewOptions
from ner_distill.pipelines.reviewing.answers import Labelled, apply_answers
from ner_distill.pipelines.reviewing.sentences import is_raw_review, review_sentences
from ner_distill.pipelines.voting.review import review as review_votes
from ner_distill.pipelines.voting.review_files import hash_of
from ner_distill.views.review import sentences_page
from tests.commands import ok, run
from tests.stores import ANN, BANK, RAIN, make_row, write_store


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return write_store(tmp_path / "soft", [[BANK, RAIN], [ANN]])


def content(store: Path, **options: Any) -> dict[str, Any]:
    return review_sentences(ReviewOptions(votes=store, out=store.with_name("page.html"), **options))


def test_page_has_what_the_teacher_would_label_the_most_useful_first(store: Path) -> None:
    found = content(store)
    assert [one["id"] for one in found["sentences"]] == ["bank", "ann", "rain"]
    bank, ann, rain = found["sentences"]
    (org,) = bank["entities"]
    assert org.pop("prob") == pytest.approx((0.98 + 0.96 + 0.97) / 3, abs=1e-3)
    assert org == {"start_word": 1, "end_word": 4, "label": "ORG", "kept": True}
    assert bank["doubt"][4] == 1  # dropped
    assert [one["label"] for one in ann["entities"]] == ["PER"]
    assert rain["entities"] == []
    assert rain["hash"] == hashlib.sha256(b"It\x1frains").hexdigest()
    assert found["labels"] == ["ORG", "PER"]


def test_limit_says_how_many_are_left_out(store: Path) -> None:
    found = content(store, limit=1)
    assert (len(found["sentences"]), found["left_out"]) == (1, 2)


def test_entities_of_spans_are_those_more_probable_than_not(tmp_path: Path) -> None:
    spans = np.array([(0, 2, 1, 0.9), (0, 1, 0, 0.7), (1, 2, 0, 0.2)], SPAN)
    path = write_store(tmp_path / "nested", [[replace(ANN, spans=spans)]], floor=0.05)
    found = content(path)
    assert found["nested"] is True
    assert [(one["end_word"], one["label"]) for one in found["sentences"][0]["entities"]] == [(2, "PER"), (1, "ORG")]


def test_text_that_looks_like_markup_ends_no_script(tmp_path: Path) -> None:
    words = ["</script>", "<script>alert(1)</script>", "<!--", "{{script}}", "\u2028"]
    path = write_store(tmp_path / "soft", [[make_row("<b>", *((word, "O", 0.5) for word in words))]])
    page = sentences_page(content(path))
    assert page.count("</script>") == 2
    data = page.split('id="data">')[1].split("</script>")[0]
    assert json.loads(data)["sentences"][0]["words"] == words


@pytest.mark.parametrize("option", [{"min_suspicion": 0.5}, {"data": ["x"]}])
def test_options_of_votes_are_refused_for_a_store(store: Path, option: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"is a store of soft labels; `{next(iter(option))}` is for votes"):
        content(store, **option)


def test_order_is_refused_for_votes(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`order` is of the sentences of a store"):
        review_votes(ReviewOptions(votes=tmp_path, out=tmp_path / "page.html", order="useful"))


def test_unfinished_store_is_refused(tmp_path: Path) -> None:
    path = write_store(tmp_path / "soft", [[BANK]], finish=False)
    assert is_raw_review(ReviewOptions(votes=path, out=tmp_path / "page.html"))
    with pytest.raises(RunError, match="the labelling was not finished"):
        content(path)


def test_store_without_sentences_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing to review: the store has no sentence with words"):
        content(write_store(tmp_path / "soft", [[replace(make_row("empty"), keep=np.ones(0, np.bool_))]]))


# ---- answers


def answer(id: str, words: tuple[str, ...], *spans: tuple[int, int, str]) -> dict[str, Any]:
    entities = [{"start_word": start, "end_word": end, "label": label} for start, end, label in spans]
    return {"id": id, "hash": hash_of(words), "entities": entities}


def written(store: Path, *answers: dict[str, Any], name: str = "d.jsonl") -> Path:
    path = store.with_name(name)
    path.write_text("".join(json.dumps(one) + "\n" for one in answers) or "\n", "utf-8")
    return path


def applied(store: Path, *answers: dict[str, Any], **options: Any) -> Labelled:
    out = store.with_name("labelled.jsonl")
    given = [written(store, *answers)]
    return apply_answers(ApplyReviewOptions(decisions=given, store=store, out=out, **options))


AS_IT_IS = answer("bank", BANK.words, (1, 4, "ORG"))
CORRECTED = answer("ann", ANN.words, (0, 2, "PER"))
EMPTY = answer("rain", RAIN.words)


def test_only_answered_sentences_are_written_empty_ones_as_well(store: Path) -> None:
    done = applied(store, EMPTY, AS_IT_IS)
    assert (done.sentences, done.corrected, done.empty, done.entities, done.undecided) == (2, 0, 1, 1, 1)
    sentences = read_corpus([store.with_name("labelled.jsonl")]).sentences
    assert [(one.id, one.words, one.spans, one.keep) for one in sentences] == [
        ("bank", BANK.words, (Span(1, 4, "ORG"),), None),
        ("rain", RAIN.words, (), None),
    ]


def test_nothing_of_a_store_is_replaced_by_a_page_or_by_its_answers(store: Path) -> None:
    before = {path.name: path.read_bytes() for path in store.iterdir()}
    for name in before:
        options = {"out": store / name, "overwrite": True}
        with pytest.raises(RunError, match="is read for what is to be written"):
            review_sentences(ReviewOptions(votes=store, **options))
        with pytest.raises(RunError, match="is read for what is to be written"):
            apply_answers(ApplyReviewOptions(decisions=[written(store, EMPTY)], store=store, **options))
    assert {path.name: path.read_bytes() for path in store.iterdir()} == before


def test_answers_whose_entities_overlap_are_warned_of(store: Path) -> None:
    said = io.StringIO()
    overlapping = answer("ann", ANN.words, (0, 2, "PER"), (1, 2, "ORG"))
    given = [written(store, overlapping)]
    apply_answers(
        ApplyReviewOptions(decisions=given, store=store, out=store.with_name("out.jsonl")), Reporter(stream=said)
    )
    assert "entities overlap in 1 sentence (ann)" in said.getvalue()


def test_corrected_sentences_are_counted(store: Path) -> None:
    done = applied(store, CORRECTED, EMPTY)
    assert (done.sentences, done.corrected) == (2, 1)
    assert "1 as the teacher has them, 1 corrected, 1 without an entity; 1 of the store not answered" in done.summary()
    assert read_corpus([store.with_name("labelled.jsonl")]).sentences[1].spans == (Span(0, 2, "PER"),)


def test_answer_on_other_words_is_refused_and_nothing_is_written(store: Path) -> None:
    with pytest.raises(DataError, match=r"1 answer on sentences .*\(ann: other words\); nothing was written"):
        applied(store, answer("ann", ("Ann", "Lee")), EMPTY)
    assert not store.with_name("labelled.jsonl").exists()
    done = applied(store, answer("ann", ("Ann", "Lee")), EMPTY, skip_changed=True)
    assert (done.sentences, done.skipped) == (1, 1)


def test_answers_on_another_store_are_refused_even_where_changes_may_be_skipped(store: Path) -> None:
    with pytest.raises(DataError, match=r"a review of another store: all 1 answer .*\(elsewhere: not there\)"):
        applied(store, answer("elsewhere", ("x",)), skip_changed=True)


def test_answers_that_disagree_are_both_named(store: Path) -> None:
    one, two = written(store, CORRECTED), written(store, answer("ann", ANN.words), name="e.jsonl")
    options = ApplyReviewOptions(decisions=[one, two], store=store, out=store.with_name("labelled.jsonl"))
    with pytest.raises(DataError, match=r"e\.jsonl:1: sentence ann: no entity, but .*d\.jsonl:1 says PER 0-2: agree"):
        apply_answers(options)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ({"id": "ann", "hash": "0" * 64, "decisions": []}, "entities"),
        ({**CORRECTED, "hash": "abc"}, "hash"),
        (answer("ann", ANN.words, (2, 2, "PER")), "must be below end_word"),
    ],
)
def test_line_that_is_no_answer_is_named(store: Path, line: dict[str, Any], problem: str) -> None:
    with pytest.raises(DataError, match=rf"d\.jsonl:1: expected an answer, as the page of a store.*{problem}"):
        applied(store, line)


def test_entity_beyond_the_sentence_is_refused(store: Path) -> None:
    with pytest.raises(DataError, match="sentence ann: an entity reaches word 9, expected at most 2"):
        applied(store, answer("ann", ANN.words, (1, 9, "PER")))


def test_file_without_an_answer_is_refused(store: Path) -> None:
    with pytest.raises(DataError, match="no answer in it"):
        applied(store)


def test_options_of_files_are_refused_for_a_store(store: Path) -> None:
    with pytest.raises(ConfigError, match="`scheme` says how labelled files are read"):
        applied(store, EMPTY, scheme="iob1")


def test_commands_lead_from_a_store_to_labelled_sentences(store: Path) -> None:
    page, out = store.with_name("page.html"), store.with_name("labelled.jsonl")
    said = ok("review", store, "--out", page, "--limit", "2").out
    assert "2 sentences, 1 less useful ones left out" in said
    assert "--store" in said
    decisions = written(store, AS_IT_IS)
    assert "1 sentence with 1 entity in 5 words" in ok("apply-review", decisions, "--store", store, "--out", out).out
    assert run("apply-review", decisions, "--out", out, "--overwrite").code == 2
    assert run("apply-review", decisions, "--store", store, "--data", out, "--out", out, "--overwrite").code == 2
