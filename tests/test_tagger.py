"""The runtime of exported models, without a graph: how it cuts text, searches paths and sums over them."""

from __future__ import annotations

import json
import sys
import unicodedata
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_distill import tagger
from ner_distill.data.formats.segment import segment
from ner_distill.data.sentence import UNITS, is_chinese
from ner_distill.tagger import Answering, Entity, ExportError, Part, SpanDecoder, TagDecoder, WordReader, split

ODD = [
    "John Smith's U.S.-led plan (al-Ain, 1,000 km, 10:30) cost $5... see https://a.b/c?d=e, or www.x.org.",
    "O'Brien said: 'We're here'  he's  THEY'LL l'Hospitalet a.m. J. Smith I+D S&P 500 -- == ***",
    "李明在北京大学读书，2024年。Mixed 中文 and English中 3中",
    "e\u0301tude cafe\u0301 नमस्ते می‌خواهم \u200d👩‍👧 ☎\ufe0f ²³ ٣٤ ½ İstanbul ǅ ʰ _a_b_ \u00a0x\u3000y\x85z\x1cq",
    "\t\r\n \x0b",
    "",
    "A.B.C. u.s. a.b a.b.c.d x.y.z.1 é.à.b. 中.文.",
    "\ud800 broken \udfff",
]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("text", ODD)
def test_text_is_cut_as_the_program_cuts_it(text: str, unit: str) -> None:
    assert tuple(split(text, unit)) == segment(text, unit)[1]  # type: ignore[arg-type]


@given(st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=40))
def test_any_text_is_cut_as_the_program_cuts_it(text: str) -> None:
    assert tuple(split(text, "word")) == segment(text, "word")[1]


def test_every_assigned_character_is_cut_alike() -> None:
    """Between letters, where its class decides. Characters that one library's Unicode has and the other's has not are
    few: they are of no class here."""
    known = [chr(code) for code in range(0x30000) if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co")]
    differing = [
        char for char in known if tuple(split(f"a{char}b {char}", "word")) != segment(f"a{char}b {char}", "word")[1]
    ]
    assert len(differing) <= 5, differing[:20]


def test_chinese_characters_are_those_of_the_program() -> None:
    assert all(tagger.is_chinese(chr(code)) == is_chinese(chr(code)) for code in range(sys.maxunicode + 1))


# ---- paths


def chain(labels: int, seed: int) -> TagDecoder:
    rng = np.random.default_rng(seed)
    tags = 1 + 2 * labels
    learned = {
        "start": rng.normal(size=tags),
        "end": rng.normal(size=tags),
        "transitions": rng.normal(size=(tags, tags)),
    }
    return TagDecoder.of(labels, {"head": "crf", **learned})


def paths_of(decoder: TagDecoder, scores: np.ndarray) -> dict[tuple[int, ...], float]:
    """Every path with its score, by enumeration."""
    start, end, steps = decoder._start, decoder._end, decoder._transitions
    found = {}
    for path in product(range(scores.shape[1]), repeat=len(scores)):
        total = start[path[0]] + end[path[-1]] + sum(scores[word, tag] for word, tag in enumerate(path))
        found[path] = total + sum(steps[first, second] for first, second in pairwise(path))
    return found


@pytest.mark.parametrize("lengths", [(4,), (1,), (4, 2, 1), (3, 3)])
def test_the_best_path_and_the_marginals_are_those_of_all_paths(lengths: tuple[int, ...]) -> None:
    decoder = chain(2, seed=sum(lengths))
    scores = np.random.default_rng(7).normal(size=(len(lengths), max(lengths), 5)) * 3
    mask = np.arange(max(lengths)) < np.array(lengths)[:, None]
    best, probs = decoder.best_paths(scores, mask), decoder.marginals(scores, mask)
    for row, length in enumerate(lengths):
        paths = paths_of(decoder, scores[row, :length])
        assert tuple(best[row, :length]) == max(paths, key=paths.__getitem__)
        total = sum(np.exp(score) for score in paths.values())
        for word in range(length):
            for tag in range(5):
                share = sum(np.exp(score) for path, score in paths.items() if path[word] == tag) / total
                assert probs[row, word, tag] == pytest.approx(share, abs=1e-12)


def test_scores_far_apart_and_long_sentences_give_probabilities() -> None:
    decoder = chain(2, seed=1)
    scores = np.random.default_rng(7).normal(size=(2, 300, 5)) * 60
    probs = decoder.marginals(scores, np.ones((2, 300), bool))
    assert np.isfinite(probs).all()
    assert probs.sum(-1) == pytest.approx(1)


def test_tags_of_single_words_that_make_no_path_are_searched_anew() -> None:
    decoder = TagDecoder.of(1, {"head": "token"})
    probs = np.array([[0.45, 0.2, 0.35], [0.1, 0.1, 0.8], [0.9, 0.05, 0.05]])  # best alone: O I O, which is no path
    ((entity,),) = decoder.entities(np.log(probs)[None].astype(np.float32), [3])
    assert entity == (0, 2, 0, pytest.approx((0.2 + 0.8) / 2))  # B I O: 0.2 · 0.8 · 0.9 is the most


def test_a_greedy_decoder_takes_each_words_best_tag_allowed_or_not() -> None:
    decoder = TagDecoder.of(1, {"head": "token", "greedy": True})
    probs = np.array([[0.5, 0.1, 0.4], [0.2, 0.1, 0.7], [0.9, 0.05, 0.05]])
    ((entity,),) = decoder.entities(np.log(probs)[None].astype(np.float32), [3])
    assert entity == (1, 2, 0, pytest.approx(0.7))


def test_spans_above_zero_are_found_nested_ones_too() -> None:
    scores = np.full((1, 2, 3, 3), -9.0, np.float32)
    scores[0, 1, 0, 2], scores[0, 0, 1, 1] = 2.0, 1.0
    assert SpanDecoder().entities(scores, [3]) == [
        [(0, 3, 1, pytest.approx(1 / (1 + np.exp(-2)))), (1, 2, 0, pytest.approx(1 / (1 + np.exp(-1))))]
    ]


# ---- what models of all kinds offer


class Fake(Answering):
    """Finds every word that begins with a capital letter, surer of longer ones."""

    labels, unit = ("X", "Y"), "word"

    def found(self, sentences):  # type: ignore[no-untyped-def]
        return [
            [(at, at + 1, "X", min(1.0, len(word) / 10)) for at, word in enumerate(words) if word[:1].isupper()]
            for words in sentences
        ]


def test_offsets_count_characters_of_the_text_as_given() -> None:
    assert Fake().predict(["😀 in  Oslo.", ""]) == [[Entity(6, 10, "X", "Oslo", 0.4)], []]


def test_one_text_gives_its_entities_alone() -> None:
    assert Fake().predict("Ana") == [Entity(0, 3, "X", "Ana", 0.3)]


def test_words_give_places_in_words() -> None:
    assert Fake().predict_words([["in", "Oslo"], []]) == [[Entity(1, 2, "X", "Oslo", 0.4)], []]


def test_less_sure_entities_are_left_out_also_by_label() -> None:
    assert [one.text for one in Fake().predict("Ana Buenos", min_score=0.5)] == ["Buenos"]
    assert [one.text for one in Fake().predict("Ana Buenos", min_score=np.float32(0.5))] == ["Buenos"]  # type: ignore[call-overload]
    assert [one.text for one in Fake().predict("Ana Buenos", min_score={"Y": 0.9})] == ["Ana", "Buenos"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (1.5, "from 0 to 1"),
        ("stored", "from 0 to 1"),
        ({"Z": 0.5}, "no such label; there are X, Y"),
        (True, "0 to 1"),
        (False, "0 to 1"),
        (b"1", "0 to 1"),
        (float("nan"), "0 to 1"),
    ],
)
def test_a_score_that_is_none_is_refused(asked: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fake().predict("Ana", min_score=asked)  # type: ignore[call-overload]


def test_what_is_no_text_is_refused_with_the_way_out() -> None:
    with pytest.raises(TypeError, match="found list; predict_words takes lists of words"):
        Fake().predict([["Ana"]])  # type: ignore[list-item]


@pytest.mark.parametrize(("ask", "kind"), [("stream", "str"), ("predict_words", "str")])
def test_a_text_where_several_are_expected_is_refused(ask: str, kind: str) -> None:
    with pytest.raises(TypeError, match=f"found.* {kind}; predict takes"):
        getattr(Fake(), ask)(["Ana lives"] if ask == "predict_words" else "Ana lives")


def test_long_texts_are_answered_in_smaller_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tagger, "MUCH", 10)
    given: list[str] = []

    def texts():  # type: ignore[no-untyped-def]
        for text in ["Ana " * 3] * 4:
            given.append(text)
            yield text

    next(Fake().stream(texts()))
    assert len(given) == 1


GOOD = {
    "format": 1,
    "labels": ["X"],
    "unit": "word",
    "model": "model.onnx",
    "features": {"kind": "words", "limit": 512},
    "head": "crf",
    "start": [0.0] * 3,
    "end": [0.0] * 3,
    "transitions": [[0.0] * 3] * 3,
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": "ABCD"}, "labels"),
        ({"labels": [1]}, "labels"),
        ({"labels": ["X"] * 100_000}, "labels: expected 1 to 2000"),
        ({"unit": "sentence"}, "unit: expected one of word, character, blank"),
        ({"head": "xyz"}, "head: expected one of"),
        ({"features": {"kind": "words", "limit": 1}}, "windows of 2"),
        ({"features": {"kind": "words", "limit": "x"}}, "windows of 2"),
        (
            {"features": {"kind": "pieces", "room": -1, "before": [], "after": [], "padding": 0, "unknown": 0}},
            "windows of 2",
        ),
        (
            {"features": {"kind": "pieces", "room": 9, "before": "x", "after": [], "padding": 0, "unknown": 0}},
            "damaged",
        ),
        ({"calibration": {"types": {}}}, "damaged"),
        ({"calibration": {"all": {"scale": 0.0, "shift": 0.0}, "types": {}}}, "calibration"),
        ({"thresholds": {"X": 7}}, "thresholds"),
        ({"transitions": [[0.0] * 3]}, "expected scores of 3 tags"),
        ({"transitions": [[float("nan")] * 3] * 3}, "expected numbers"),
        ({"model": "../../etc/passwd"}, "passwd: not found"),
        ({}, "model.onnx: not found"),
    ],
)
def test_settings_of_a_stranger_are_refused_where_they_are_wrong(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    (tmp_path / "runtime.json").write_text(json.dumps(GOOD | change))
    (tmp_path / "vocabulary.json").write_text('{"words": {"forms": ["a"], "counts": [1]}}')
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ExportError, match=message):
        tagger.load(tmp_path)


@pytest.mark.parametrize("reader", ["bigrams", "lexicon"])
def test_a_window_knows_what_stands_around_it(reader: str) -> None:
    """Features of parts are those parts of the features of the whole sentence."""
    sentence = list("王明住在南京市东方银行工作")
    words = WordReader({"words": sentence, "bigrams": ["在南", "京市", "\u0002王", "作\u0002", "南京"]}, 512)
    forms = {"南京市": (2, 5), "京市": (3, 1), "东方银行": (4, 7), "方银": (5, 2)}
    read = words if reader == "bigrams" else tagger.LexiconReader(forms, words)
    whole = read.inputs([Part(sentence, 0, len(sentence))])
    for start in range(len(sentence)):
        for end in range(start + 1, len(sentence) + 1):
            part = read.inputs([Part(sentence, start, end)])
            assert (part["bigrams"][0] == whole["bigrams"][0, :, start:end]).all()
            if reader == "lexicon":
                assert entries(part, 0) == [one for one in entries(whole, start) if 0 <= one[0] < 4 * (end - start)]


def entries(inputs: dict[str, np.ndarray], start: int) -> list[tuple[int, int, float]]:
    """(slot, id, weight), sorted, of slots counted from a word."""
    names = ("soft_lexicon_slots", "soft_lexicon_ids", "soft_lexicon_weights")
    rows = zip(*(inputs[name].tolist() for name in names), strict=True)
    return sorted((slot - 4 * start, id, round(weight, 5)) for slot, id, weight in rows)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "not found; expected the directory that `ner-distill export` wrote"),
        ("{", "cannot be read"),
        ("[]", "expected format 1, found 'list'"),
        ('{"format": 9}', "expected format 1, found 9"),
        ('{"format": 1}', "damaged"),
    ],
)
def test_a_directory_that_is_no_exported_model_is_refused(text: str | None, message: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "runtime.json").write_text(text)
    with pytest.raises(ExportError, match=message):
        tagger.load(tmp_path)
