"""Folders and patterns stand for their files, in every function that takes paths."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ner_distill.data.formats.folders import expanded
from ner_distill.data.formats.readers import count_sentences, input_files, read_corpus, read_raw
from ner_distill.errors import DataError
from ner_distill.files import sha256_of
from ner_distill.runs.record import fingerprints

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def folder(write: Write, tmp_path: Path) -> Path:
    """Three files of columns, one of them in a folder of its own, and what is beside them."""
    write("data/b.conll", "Bo B-PER\n")
    write("data/a.conll", "Ann B-PER\nlives O\n")
    write("data/more/c.conll", "Cy B-PER\n\nDo O\n")
    write("data/README.md", "# Data\n")
    write("data/LICENSE", "Free\n")
    write("data/_SUCCESS", "")
    write("data/.hidden", "no\n")
    write("data/.git/config", "no\n")
    return tmp_path / "data"


def test_folder_stands_for_its_files_in_sorted_order(folder: Path) -> None:
    corpus = read_corpus([folder])
    assert [one.id for one in corpus.sentences] == ["a.conll:1", "b.conll:1", "c.conll:1", "c.conll:3"]
    assert corpus.report.remarks == [
        f"{folder}: reads 3 files: a.conll, b.conll, more/c.conll; "
        "left out, as no sentences: LICENSE, README.md, _SUCCESS"
    ]


def test_reading_counting_and_hashing_see_the_same_files(folder: Path) -> None:
    files = [folder / "a.conll", folder / "b.conll", folder / "more/c.conll"]
    said: list[str] = []
    assert [one.words[0] for one in read_raw([folder], unit="word", say=said.append)] == ["Ann", "Bo", "Cy", "Do"]
    assert said[0].startswith(f"{folder}: reads 3 files")
    assert count_sentences([folder]) == count_sentences(files)
    assert input_files([folder]) == files
    assert fingerprints([folder]) == fingerprints(files)
    assert [one["sha256"] for one in fingerprints([folder])] == list(map(sha256_of, files))


def test_pattern_stands_for_what_it_matches(folder: Path) -> None:
    assert expanded(folder / "*.conll").sources == (str(folder / "a.conll"), str(folder / "b.conll"))
    assert len(expanded(folder / "**" / "*.conll").sources) == 3
    assert expanded(folder / "[RL]*").sources == (str(folder / "LICENSE"), str(folder / "README.md"))
    assert expanded(folder / "mor?").sources == (str(folder / "more" / "c.conll"),)
    assert [one["name"] for one in fingerprints([folder / "[b]*"])] == [str(folder / "b.conll")]


def test_file_with_the_name_of_a_pattern_is_that_file(write: Write) -> None:
    path = write("a[1].conll", "Ann B-PER\n")
    write("a1.conll", "Bo B-PER\n")
    assert [one.words for one in read_corpus([path]).sentences] == [("Ann",)]


def test_pattern_that_matches_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\*\.conll: no file matches; check the pattern and the directory"):
        read_corpus([tmp_path / "*.conll"])


def test_folder_without_sentences_names_what_is_there(write: Write, tmp_path: Path) -> None:
    write("a/README.md", "text")
    with pytest.raises(DataError, match=r"a: is a directory; expected files with sentences in it, found README\.md"):
        read_corpus([tmp_path / "a"])


def test_what_is_no_text_in_a_folder_is_refused_by_name(folder: Path, write: Write) -> None:
    write("data/z.zip", b"PK\x03\x04")
    with pytest.raises(DataError, match=r"z\.zip: is a zip archive"):
        read_corpus([folder])


def test_raw_text_in_a_folder_of_labelled_files_is_refused_by_name(folder: Path, write: Write) -> None:
    write("data/notes.txt", "Ann lives here.\n")
    with pytest.raises(DataError, match=r"notes\.txt: holds no labels, as other files .* \(raw text in 1 of 4\)"):
        read_corpus([folder])
    assert len(list(read_raw([folder], unit="word"))) == 5


def test_files_to_train_and_to_test_on_are_not_read_as_one(folder: Path, write: Write) -> None:
    write("data/ned.train", "Ann B-PER\n")
    write("data/ned.testa", "Ann B-PER\n")
    with pytest.raises(DataError, match=r"holds ned\.train and ned\.testa; .*give the files, or a pattern in quotes"):
        read_corpus([folder])
    assert len(read_corpus([folder / "ned.*"]).sentences) == 2


def test_directories_that_are_one_source_stay_one(ccf2020: Path, write: Write, tmp_path: Path) -> None:
    write("brat/a.txt", "Ann lives")
    write("brat/a.ann", "T1\tPER 0 3\tAnn\n")
    assert expanded(ccf2020).sources == (str(ccf2020),)
    assert expanded(tmp_path / "brat").sources == (str(tmp_path / "brat"),)


def test_links_that_lead_back_end(folder: Path) -> None:
    (folder / "more" / "back").symlink_to(folder)
    assert len(expanded(folder).sources) == 3


def test_names_that_occur_in_several_folders_are_whole_paths(write: Write, tmp_path: Path) -> None:
    write("x/1/a.conll", "Ann B-PER\n")
    write("x/2/a.conll", "Bo B-PER\n")
    ids = [one.id for one in read_corpus([tmp_path / "x"]).sentences]
    assert ids == [f"{tmp_path}/x/1/a.conll:1", f"{tmp_path}/x/2/a.conll:1"]


# ---- folders that are one source


@pytest.fixture
def mixed(write: Write, tmp_path: Path) -> Path:
    """Two files of columns, and a folder of brat beside them."""
    write("mix/a.conll", "Ann B-PER\n")
    write("mix/b.conll", "Bo B-PER\n")
    write("mix/brat/c.txt", "Cy left")
    write("mix/brat/c.ann", "T1\tPER 0 2\tCy\n")
    return tmp_path / "mix"


def test_a_folder_of_brat_beside_other_files_is_one_of_the_sources(mixed: Path) -> None:
    corpus = read_corpus([mixed])
    assert [(one.id, one.words[0]) for one in corpus.sentences] == [
        ("a.conll:1", "Ann"), ("b.conll:1", "Bo"), ("c", "Cy"),
    ]  # fmt: skip
    assert corpus.report.remarks == [f"{mixed}: reads 3 files: a.conll, b.conll, brat"]
    assert len(list(read_raw([mixed], unit="word"))) == 3
    assert [file.name for file in input_files([mixed])] == ["a.conll", "b.conll", "c.txt", "c.ann"]  # type: ignore[union-attr]


@pytest.mark.parametrize("read", [read_corpus, lambda paths: read_raw(paths, unit="word")])
@pytest.mark.parametrize("pattern", [False, True])
def test_files_beside_annotations_of_brat_are_not_left_out_silently(
    read: Callable[[list[Path]], object], pattern: bool, mixed: Path, write: Write
) -> None:
    write("mix/brat/more/d.conll", "Do B-PER\n")
    write("mix/brat/e.jsonl", "{}\n")
    with pytest.raises(DataError) as error:
        read([mixed / "b*" if pattern else mixed / "brat"])
    names = "e.jsonl, d.conll" if pattern else "e.jsonl, more/d.conll"
    assert str(error.value) == (
        f"{mixed}/brat: is read as brat, without {names}; put files of another format into a folder beside it, or say "
        "`input_format` brat to leave them out"
    )


def test_files_beside_the_folders_of_ccf_are_not_left_out_silently(ccf2020: Path, write: Write) -> None:
    write("ccf/a.conll", "Ann B-PER\n")
    with pytest.raises(DataError, match=r"ccf: is read as ccf2020, without a\.conll; put files"):
        read_corpus([ccf2020])


def test_files_beside_a_data_set_on_disk_are_not_left_out_silently(write: Write, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_dict({"text": ["Ann lives"]}).save_to_disk(tmp_path / "saved")
    write("saved/cache-0123456789abcdef.arrow", "what `datasets` keeps")
    assert [one.text for one in read_raw([tmp_path / "saved"], unit="word")] == ["Ann lives"]
    write("saved/more.jsonl", "{}\n")
    with pytest.raises(DataError, match=r"saved: is read as datasets, without more\.jsonl"):
        list(read_raw([tmp_path / "saved"], unit="word"))


def test_the_format_that_is_asked_for_leaves_the_others_out_and_says_so(mixed: Path, write: Write) -> None:
    write("mix/brat/d.conll", "Do B-PER\n")
    for given, others in [(mixed / "brat", "d.conll"), (mixed, "a.conll, b.conll, brat/d.conll")]:
        corpus = read_corpus([given], format="brat")
        assert [one.id for one in corpus.sentences] == ["c"]
        assert corpus.report.remarks[0].endswith(f"left out, as of another format: {others}")


def test_what_is_beside_sentences_may_be_in_a_folder_of_brat_and_is_said(mixed: Path, write: Write) -> None:
    for name in ("README.txt", "LICENSE", "annotation.conf", ".stats_cache", "._c.ann", "none"):
        write(f"mix/brat/{name}", "" if name == "none" else "about")
    write("mix/brat/notice.txt", "Do left")
    write("mix/brat/notice.ann", "T1\tPER 0 2\tDo\n")
    folder = mixed / "brat"
    corpus = read_corpus([folder])
    assert [one.id for one in corpus.sentences] == ["c", "notice"]
    left_out = "LICENSE, README.txt, annotation.conf, none"
    assert corpus.report.remarks == [f"{folder}: left out, as no sentences: {left_out}"]


@pytest.mark.parametrize(("trained", "tested"), [("train/a", "test/b"), ("train-1", "test-1")])
def test_documents_to_train_and_to_test_on_are_not_read_as_one(
    trained: str, tested: str, write: Write, tmp_path: Path
) -> None:
    for name in (trained, tested):
        write(f"corp/{name}.txt", "Ann left")
        write(f"corp/{name}.ann", "T1\tPER 0 3\tAnn\n")
    first, second = ("train", "test") if "/" in trained else ("train-1.txt, train-1.ann", "test-1.txt, test-1.ann")
    with pytest.raises(DataError, match=f"corp: holds {first} and {second}; whoever reads both"):
        read_corpus([tmp_path / "corp"])
    assert len(list(read_raw([tmp_path / "corp"], unit="word"))) == 2
    assert len(read_corpus([tmp_path / "corp" / "train*"]).sentences) == 1


def test_documents_of_ccf_to_train_and_to_test_on_are_not_read_as_one(ccf2020: Path, write: Write) -> None:
    write("ccf/data/train.txt", "周思平")
    write("ccf/data/dev.txt", "周思平")
    with pytest.raises(DataError, match=r"ccf: holds data/train\.txt and data/dev\.txt; whoever reads both"):
        read_corpus([ccf2020])


def test_a_pattern_that_matches_both_files_of_a_pair_means_it_once(mixed: Path) -> None:
    assert [one.id for one in read_corpus([mixed / "brat" / "*"]).sentences] == ["c"]
