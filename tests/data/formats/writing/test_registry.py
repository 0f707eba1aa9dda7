"""Which writer a name asks for, and writing: whole or not at all, and nothing replaced unasked."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.formats.writing.base import LOSSES, Labelled, Losses
from ner_distill.data.formats.writing.registry import format_of_name, write
from ner_distill.data.sentence import Sentence, Span
from ner_distill.errors import ConfigError, DataError, RunError
from ner_distill.options.shared import Written
from ner_distill.views.written import ALL_WRITERS

OSLO = Labelled.of(Sentence("a", ("Oslo",), (Span(0, 1, "LOC"),)))


def test_options_name_all_writers() -> None:
    assert set(get_args(Written)) == set(ALL_WRITERS)
    assert all(writer.name == name for name, writer in ALL_WRITERS.items())


def test_no_two_formats_want_the_same_name() -> None:
    suffixes = [suffix for writer in ALL_WRITERS.values() for suffix in writer.suffixes]
    assert len(suffixes) == len(set(suffixes))


@pytest.mark.parametrize(
    ("name", "format"),
    [("a.JSONL", "jsonl"), ("b/a.conll", "conll"), ("a.json", "label-studio"), ("a.spacy", "docbin"), ("new/", "brat")],
)
def test_a_name_says_the_format_by_its_end(name: str, format: str) -> None:
    assert format_of_name(name, ALL_WRITERS) == format


def test_a_name_of_no_format_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(
        ConfigError, match=r"a\.txt: its name does not say .*`format`, one of jsonl.*\.spacy \(docbin\)"
    ):
        format_of_name("a.txt", ALL_WRITERS)


@pytest.mark.parametrize("name", ALL_WRITERS)
def test_what_is_there_is_kept_and_replaced_only_where_asked(name: str, tmp_path: Path) -> None:
    path, writer = tmp_path / "out", ALL_WRITERS[name]()
    write(writer, [OSLO], path, Losses())
    with pytest.raises(RunError, match="exists already"):
        write(writer, [OSLO, OSLO], path, Losses())
    write(writer, [OSLO, OSLO], path, Losses(), overwrite=True)
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ALL_WRITERS)
def test_an_error_on_the_way_leaves_nothing(name: str, tmp_path: Path) -> None:
    def records() -> Iterator[Labelled]:
        yield OSLO
        raise DataError("broken")

    with pytest.raises(DataError, match="broken"):
        write(ALL_WRITERS[name](), records(), tmp_path / "out", Losses())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_files_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    with pytest.raises(RunError, match=r"holds thesis\.tex, which is none of brat's files"):
        write(ALL_WRITERS["brat"](), [OSLO], tmp_path / "out", Losses(), overwrite=True)
    assert (tmp_path / "out" / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize(("name", "other"), [("diary.txt", "diary.ann"), ("mine.ann", "mine.txt")])
def test_a_folder_with_half_a_pair_is_never_replaced(name: str, other: str, tmp_path: Path) -> None:
    write(ALL_WRITERS["brat"](), [OSLO], tmp_path / "out", Losses())
    (tmp_path / "out" / name).write_text("Dear diary")
    with pytest.raises(RunError, match=rf"holds {name} without {other}, which no run lists as its own"):
        write(ALL_WRITERS["brat"](), [OSLO], tmp_path / "out", Losses(), overwrite=True)
    assert (tmp_path / "out" / name).read_text() == "Dear diary"


def test_texts_without_annotations_are_replaced_where_they_were_written_so(tmp_path: Path) -> None:
    unlabelled = [Labelled.of(Sentence(id, ("Oslo",), None)) for id in ("b", "c")]
    write(ALL_WRITERS["brat"](), [OSLO, *unlabelled], tmp_path / "out", Losses())
    assert [one.id for one in read_corpus([tmp_path / "out"]).sentences] == ["a", "b", "c"]
    write(ALL_WRITERS["brat"](), unlabelled, tmp_path / "out", Losses(), overwrite=True)
    write(ALL_WRITERS["brat"](), [OSLO], tmp_path / "out", Losses(), overwrite=True)
    assert [one.name for one in sorted((tmp_path / "out").iterdir())] == ["a.ann", "a.txt"]


def test_the_folder_that_one_is_in_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    write(ALL_WRITERS["brat"](), [OSLO], Path(), Losses(), overwrite=True)
    assert [one.name for one in sorted((tmp_path / "in").iterdir())] == ["a.ann", "a.txt"]


def test_of_a_link_the_folder_behind_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    write(ALL_WRITERS["brat"](), [OSLO], tmp_path / "link", Losses(), overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert [one.name for one in sorted((tmp_path / "real").iterdir())] == ["a.ann", "a.txt"]


def test_where_a_folder_cannot_take_its_place_the_old_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(ALL_WRITERS["brat"](), [OSLO], tmp_path / "out", Losses())
    rename = Path.rename

    def failing(path: Path, target: Path) -> Path:
        if target == tmp_path / "out" and "before" not in path.name:
            raise OSError(5, "no")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(RunError, match="cannot be written: no"):
        write(ALL_WRITERS["brat"](), [OSLO, OSLO], tmp_path / "out", Losses(), overwrite=True)
    assert [one.name for one in sorted(tmp_path.rglob("*"))] == ["out", "a.ann", "a.txt"]


def test_a_file_is_no_folder_to_replace(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a")
    with pytest.raises(RunError, match="is a file; expected the name of a folder"):
        write(ALL_WRITERS["brat"](), [OSLO], tmp_path / "out", Losses(), overwrite=True)


def test_a_docbin_without_spacy_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy.tokens", None)
    with pytest.raises(DataError, match=r"pip install 'ner-distill\[spacy\]'"):
        write(ALL_WRITERS["docbin"](), [OSLO], tmp_path / "a.spacy", Losses())
    assert list(tmp_path.iterdir()) == []


def test_losses_are_a_line_for_each_kind_with_the_first_place() -> None:
    losses = Losses()
    losses.add("keep", "a", 2)
    losses.add("keep", "b", 1000)
    losses.add("lang", "c")
    losses.add("weight", "d", 0)
    assert list(losses.warnings()) == [
        "1,002 words whose label does not count (`keep`): written as any other; the first in a; "
        "`format` jsonl holds everything",
        "1 sentence with a language: written without it; the first in c; `format` jsonl holds everything",
    ]


@pytest.mark.parametrize("kind", LOSSES)
def test_every_kind_of_loss_can_be_said(kind: str) -> None:
    losses = Losses()
    losses.add(kind, "a", name="X")
    (line,) = losses.warnings()
    assert "{" not in line
