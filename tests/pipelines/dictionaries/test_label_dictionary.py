"""`label-dictionary`: from lists of names and raw text to a file that trains."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from ner_distill.console import Reporter
from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.sentence import Span
from ner_distill.errors import ConfigError, DataError, RunError
from ner_distill.options.labels import LabelDictionaryOptions
from ner_distill.pipelines.dictionaries import label_dictionary as module
from ner_distill.pipelines.dictionaries.label_dictionary import Matched
from tests.commands import ok

TEXT = "Ann Miller lives in Oslo.\nNobody was there.\nParis met Ann Miller in Paris.\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "raw.txt").write_text(TEXT, "utf-8")
    (tmp_path / "people.txt").write_text("Ann Miller\nParis\n", "utf-8")
    (tmp_path / "places.txt").write_text("Oslo\nParis\n", "utf-8")
    return tmp_path


def label_dictionary(dictionary: list[str], text: list[Path], out: Path, **options: Any) -> Matched:
    reporter = options.pop("reporter", Reporter(quiet=True))
    return module.label_dictionary(
        LabelDictionaryOptions(dictionary=dictionary, text=text, out=out, **options), reporter
    )


def label(files: Path, *, said: io.StringIO | None = None, text: str = "raw.txt", **options: Any) -> Matched:
    return label_dictionary(
        [f"PER={files / 'people.txt'}", f"LOC={files / 'places.txt'}"],
        [files / text],
        files / "out.jsonl",
        reporter=Reporter(stream=said or io.StringIO()),
        **options,
    )


def spans(files: Path) -> list[tuple[Span, ...] | None]:
    return [sentence.spans for sentence in read_corpus([files / "out.jsonl"]).sentences]


def test_every_sentence_is_written_with_what_was_found(files: Path) -> None:
    label(files)
    assert spans(files) == [(Span(0, 2, "PER"), Span(4, 5, "LOC")), (), (Span(2, 4, "PER"),)]


def test_the_text_is_kept_with_its_offsets(files: Path) -> None:
    label(files)
    sentence = read_corpus([files / "out.jsonl"]).sentences[0]
    assert sentence.text == "Ann Miller lives in Oslo."
    assert sentence.words == ("Ann", "Miller", "lives", "in", "Oslo", ".")


def test_masked_forms_are_out_of_the_loss(files: Path) -> None:
    label(files, conflicts="mask")
    keep = [sentence.keep for sentence in read_corpus([files / "out.jsonl"]).sentences]
    assert keep[2] == (False, True, True, True, True, False, True)
    assert keep[:2] == [None, None]


def test_counts_are_those_of_the_text(files: Path) -> None:
    matched = label(files)
    assert (matched.sentences, matched.words, matched.labelled, matched.entities) == (3, 17, 5, 3)
    assert matched.forms["PER"] == {"Ann Miller": 2}
    assert matched.dropped == 2


def test_forms_under_two_types_are_named(files: Path) -> None:
    said = io.StringIO()
    label(files, said=said)
    assert "1 forms stand under two types: Paris (PER and LOC)" in said.getvalue()
    assert "2 places of forms under two types left without a label" in said.getvalue()


def test_characters_are_labelled_in_chinese_text(tmp_path: Path) -> None:
    (tmp_path / "raw.txt").write_text("王明在北京大学工作。\n", "utf-8")
    (tmp_path / "orgs.txt").write_text("北京大学\n", "utf-8")
    label_dictionary([f"ORG={tmp_path / 'orgs.txt'}"], [tmp_path / "raw.txt"], tmp_path / "out.jsonl")
    assert spans(tmp_path) == [(Span(3, 7, "ORG"),)]


def test_no_match_at_all_is_an_error_and_writes_nothing(files: Path) -> None:
    (files / "other.txt").write_text("nothing of that here .\n", "utf-8")
    with pytest.raises(DataError, match=r"other\.txt: none of the 4 entries .*'Ann Miller'.*`fold_case`"):
        label(files, text="other.txt")
    assert not (files / "out.jsonl").exists()


def test_a_type_without_any_match_is_a_warning(files: Path) -> None:
    (files / "other.txt").write_text("Oslo is far .\n", "utf-8")
    said = io.StringIO()
    label(files, text="other.txt", said=said)
    assert "`dictionary` PER: none of its entries has labelled anything" in said.getvalue()


def test_names_under_two_types_are_said_to_be_that_where_nothing_is_labelled(files: Path) -> None:
    for name in ("a", "b"):
        (files / f"{name}.txt").write_text("Oslo\n", "utf-8")
    (files / "other.txt").write_text("Oslo is far from Oslo .\n", "utf-8")
    lists = [f"LOC={files / 'a.txt'}", f"ORG={files / 'b.txt'}"]
    with pytest.raises(DataError, match="all 2 places .* are of forms under two types.*`conflicts` first"):
        label_dictionary(lists, [files / "other.txt"], files / "out.jsonl")


@pytest.mark.parametrize("read", ["people.txt", "text.txt", "negative.txt"])
def test_what_is_read_is_not_replaced(files: Path, read: str) -> None:
    (files / "people.txt").write_text("Ann Miller\n", "utf-8")
    (files / "negative.txt").write_text("far\n", "utf-8")
    (files / "text.txt").write_text("Ann Miller is far .\n", "utf-8")
    before = (files / read).read_text("utf-8")
    lists, negative = [f"PER={files / 'people.txt'}"], [files / "negative.txt"]
    with pytest.raises(ConfigError, match="is read and written"):
        label_dictionary(lists, [files / "text.txt"], files / read, negative=negative, overwrite=True)
    assert (files / read).read_text("utf-8") == before


def test_names_with_blanks_are_found_in_text_of_characters_with_and_without_them(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("New  York\n玛丽 居里\n", "utf-8")
    (tmp_path / "text.txt").write_text("他去New York玩。\n我爱NewYork。\n玛丽 居里是科学家。\n", "utf-8")
    matched = label_dictionary([f"X={tmp_path / 'names.txt'}"], [tmp_path / "text.txt"], tmp_path / "out.jsonl")
    assert matched.forms == {"X": {"New York": 1, "NewYork": 1, "玛丽 居里": 1}}


def test_a_file_is_not_overwritten_unasked(files: Path) -> None:
    (files / "out.jsonl").write_text("mine", "utf-8")
    with pytest.raises(RunError, match="exists already"):
        label(files)
    label(files, overwrite=True)
    assert len(spans(files)) == 3


def test_without_a_dictionary_there_is_nothing_to_do(files: Path) -> None:
    with pytest.raises(ConfigError, match="expected TYPE=FILE"):
        label_dictionary([], [files / "raw.txt"], files / "out.jsonl")


def test_the_command_says_what_it_found(files: Path) -> None:
    done = ok(
        "label-dictionary", "--dictionary", f"PER={files / 'people.txt'}", "--text", files / "raw.txt",
        "--out", files / "out.jsonl",
    )  # fmt: skip
    assert "3 sentences, 17 words, of which 6 (35.3%) in 4 entities" in done.out
    assert "most often: Ann Miller (2), Paris (2)" in done.out
    assert len([json.loads(line) for line in (files / "out.jsonl").read_text("utf-8").splitlines()]) == 3


# ---- words that are surely of no entity


def negative(files: Path, *words: str) -> dict[str, Any]:
    (files / "none.txt").write_text("".join(f"{word}\n" for word in words), "utf-8")
    return {"negative": [files / "none.txt"]}


def told(files: Path) -> list[tuple[str, ...]]:
    corpus = read_corpus([files / "out.jsonl"])
    return [
        tuple(word for word, sure in zip(one.words, one.sure_negatives, strict=True) if sure)
        for one in corpus.sentences
    ]


def test_negative_words_are_written_and_counted(files: Path) -> None:
    matched = label(files, **negative(files, "in", "Nobody", "was there"))
    assert told(files) == [("in",), ("Nobody", "was", "there"), ("in",)]
    assert matched.negative == 5
    assert "5 (29.4%) surely of none" in matched.summary()


def test_a_negative_word_inside_a_name_is_part_of_the_name(files: Path) -> None:
    label(files, **negative(files, "Ann", "Miller lives"))
    assert spans(files)[0] == (Span(0, 2, "PER"), Span(4, 5, "LOC"))
    assert told(files) == [(), (), ()]


def test_a_longer_negative_form_wins_over_a_name_in_it(files: Path) -> None:
    label(files, **negative(files, "Oslo ."))
    assert spans(files)[0] == (Span(0, 2, "PER"),)
    assert told(files)[0] == ("Oslo", ".")


def test_without_unlabelled_words_only_names_and_negative_ones_count(files: Path) -> None:
    label(files, **negative(files, "in"), unlabelled="mask")
    first = read_corpus([files / "out.jsonl"]).sentences[0]
    assert [word for word, kept in zip(first.words, first.counted, strict=True) if kept] == [
        "Ann",
        "Miller",
        "in",
        "Oslo",
    ]


def test_negative_words_that_stand_nowhere_are_said(files: Path) -> None:
    said = io.StringIO()
    label(files, said=said, **negative(files, "nowhere"))
    assert "`negative`: none of its words stands in the text" in said.getvalue()


@pytest.mark.parametrize(
    ("words", "options", "said"),
    [
        (
            ["in", "Oslo", "Ann Miller"],
            {},
            r"`negative`: 'Ann Miller' \(PER\), 'Oslo' \(LOC\) stand in a `dictionary` as well",
        ),
        (["oslo"], {"fold_case": True}, "`negative`: 'oslo' \\(LOC\\) stand in"),
        ([], {}, "none.txt: no word of 1 to 100 characters .*`negative`: words that are surely of no entity"),
    ],
)
def test_negative_words_that_cannot_be_are_refused(
    words: list[str], options: dict[str, Any], said: str, files: Path
) -> None:
    with pytest.raises((ConfigError, DataError), match=said):
        label(files, **negative(files, *words), **options)
    assert not (files / "out.jsonl").exists()


def test_to_mask_what_is_not_labelled_needs_negative_words(files: Path) -> None:
    with pytest.raises(ConfigError, match="`unlabelled` mask leaves no word outside of entities to learn from"):
        label(files, unlabelled="mask")
