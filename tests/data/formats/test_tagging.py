"""Tags of files ⇄ spans."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ner_distill.data.formats.tagging import SCHEMES, Scheme, TagError, detect_scheme, spans_from_tags, tags_from_spans
from ner_distill.data.sentence import Span

# Two LOC that touch, a PER of three words, a LOC of one: written by hand in each scheme.
SPANS = (Span(0, 1, "LOC"), Span(1, 3, "LOC"), Span(3, 6, "PER"), Span(7, 8, "LOC"))
TAGS: dict[Scheme, str] = {
    "iob1": "I-LOC B-LOC I-LOC I-PER I-PER I-PER O I-LOC",
    "iob2": "B-LOC B-LOC I-LOC B-PER I-PER I-PER O B-LOC",
    "bioes": "S-LOC B-LOC E-LOC B-PER I-PER E-PER O S-LOC",
    "bmes": "S-LOC B-LOC E-LOC B-PER M-PER E-PER O S-LOC",
    "bilou": "U-LOC B-LOC L-LOC B-PER I-PER L-PER O U-LOC",
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_spans_of_each_scheme_equal_hand_written_ones(scheme: Scheme) -> None:
    assert spans_from_tags(TAGS[scheme].split(), scheme) == (SPANS, [])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_tags_of_each_scheme_equal_hand_written_ones(scheme: Scheme) -> None:
    assert tags_from_spans(SPANS, 8, scheme) == TAGS[scheme].split()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_detection_finds_each_scheme(scheme: Scheme) -> None:
    assert detect_scheme([TAGS[scheme].split()]) == scheme


@st.composite
def flat_spans(draw: st.DrawFn) -> tuple[int, tuple[Span, ...]]:
    borders = sorted(draw(st.sets(st.integers(0, 12), min_size=2)))
    labels = st.sampled_from(["PER", "LOC", "B-1", "O"])
    spans = tuple(Span(start, end, draw(labels)) for start, end in pairwise(borders) if draw(st.booleans()))
    return borders[-1] + draw(st.integers(0, 2)), spans


@pytest.mark.parametrize("scheme", SCHEMES)
@given(flat_spans())
def test_spans_survive_the_way_through_tags(scheme: Scheme, case: tuple[int, tuple[Span, ...]]) -> None:
    words, spans = case
    assert spans_from_tags(tags_from_spans(spans, words, scheme), scheme) == (spans, [])


@pytest.mark.parametrize(
    ("scheme", "tags", "spans", "repairs"),
    [
        ("iob2", "O I-PER I-PER", [(1, 3, "PER")], [(1, "invalid_starts")]),
        ("iob2", "B-PER I-ORG", [(0, 1, "PER"), (1, 2, "ORG")], [(1, "invalid_starts")]),
        ("iob1", "I-PER I-ORG", [(0, 1, "PER"), (1, 2, "ORG")], []),
        ("bioes", "E-PER O", [(0, 1, "PER")], [(0, "invalid_starts")]),
        ("bioes", "S-PER I-PER E-PER", [(0, 1, "PER"), (1, 3, "PER")], [(1, "invalid_starts")]),
        ("bmes", "B-PER M-PER", [(0, 2, "PER")], [(1, "unfinished")]),
        ("bmes", "B-PER S-PER", [(0, 1, "PER"), (1, 2, "PER")], [(0, "unfinished")]),
        ("bmes", "B-PER E-ORG", [(0, 1, "PER"), (1, 2, "ORG")], [(0, "unfinished"), (1, "invalid_starts")]),
    ],
)
def test_what_a_scheme_forbids_is_read_and_reported(
    scheme: Scheme, tags: str, spans: list[tuple[int, int, str]], repairs: list[tuple[int, str]]
) -> None:
    found, reported = spans_from_tags(tags.split(), scheme)
    assert found == tuple(Span(*span) for span in spans)
    assert [(repair.position, repair.finding) for repair in reported] == repairs


@pytest.mark.parametrize("tag", ["X-PER", "B", "B-", "PER", "o", "b-PER", "", "BPER"])
def test_tag_of_no_scheme_is_an_error_at_its_position(tag: str) -> None:
    with pytest.raises(TagError, match="of no scheme") as error:
        spans_from_tags(["O", tag], "iob2")
    assert error.value.position == 1


def test_tag_of_another_scheme_names_the_scheme_to_try() -> None:
    with pytest.raises(TagError, match=r"'M-PER' is not of scheme iob2.*`scheme` bmes"):
        spans_from_tags(["B-PER", "M-PER"], "iob2")


def test_overlapping_spans_cannot_become_tags() -> None:
    with pytest.raises(ValueError, match="overlaps"):
        tags_from_spans([Span(0, 2, "A"), Span(1, 3, "A")], 3)


def test_detection_of_iob2_with_a_few_invalid_starts_is_iob2() -> None:
    assert detect_scheme([["B-PER", "O", "B-ORG"], ["I-PER", "O"]]) == "iob2"


def test_detection_of_iob1_with_a_b_between_two_of_a_type_is_iob1() -> None:
    assert detect_scheme([["I-PER", "B-PER"], ["O", "I-LOC", "I-ORG"]]) == "iob1"


@pytest.mark.parametrize("sentences", [[], [["O", "O"]], [["B-PER", "O"], ["I-PER", "O"]]])
def test_detection_of_ambiguous_tags_is_iob2(sentences: list[list[str]]) -> None:
    assert detect_scheme(sentences) == "iob2"


def test_detection_refuses_bmes_mixed_with_iob_at_its_first_place() -> None:
    with pytest.raises(TagError, match=r"'I-PER', but before it 'M-PER': a mixture") as error:
        detect_scheme([["O"], ["B-PER", "M-PER", "E-PER"], ["B-PER", "I-PER"]])
    assert (error.value.sentence, error.value.position) == (2, 1)


def test_detection_refuses_iob2_with_a_few_bioes_sentences() -> None:
    with pytest.raises(TagError, match="a mixture of schemes") as error:
        detect_scheme([["B-PER", "I-PER"], ["B-PER", "O"], ["B-LOC"], ["B-PER", "E-PER"]])
    assert (error.value.sentence, error.value.position) == (3, 1)


def test_detection_names_the_sentence_of_a_tag_of_no_scheme() -> None:
    with pytest.raises(TagError) as error:
        detect_scheme([["O"], ["O", "X-PER"]])
    assert (error.value.sentence, error.value.position) == (1, 1)
