"""Parquet files and data sets → sentences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ner_distill.data.formats.readers import count_sentences, input_files, read_corpus, read_raw
from ner_distill.data.sentence import Sentence, Span
from ner_distill.errors import DataError

Write = Callable[[str, str | bytes], Path]


def test_parquet_words_tags_and_texts(tmp_path: Path) -> None:
    rows = [
        {"id": "p1", "words": ["Ana"], "tags": ["B-PER"], "text": None},
        {"id": "p2", "words": None, "tags": None, "text": "Ana lives"},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    found = read_corpus([tmp_path / "a.parquet"]).sentences
    assert [(one.id, one.words, one.spans) for one in found] == [
        ("p1", ("Ana",), (Span(0, 1, "PER"),)),
        ("p2", ("Ana", "lives"), None),
    ]


def test_parquet_tag_numbers_without_names_are_an_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"tokens": [["Ana"]], "ner_tags": [[1]]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet:1: 'ner_tags' holds numbers of which the file gives no names"):
        read_corpus([tmp_path / "a.parquet"])


def test_parquet_without_words_or_text_names_its_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"sentence": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"expected a column 'words', 'tokens' or 'text', found sentence"):
        read_corpus([tmp_path / "a.parquet"])


def test_parquet_that_is_none_is_an_error(write: Write) -> None:
    with pytest.raises(DataError, match=r"a\.parquet: cannot be read as Parquet"):
        read_corpus([write("a.parquet", "no")])


@pytest.fixture
def labelled_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A local data set whose tags are numbers with names, as those of the hub are."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    tags = datasets.List(datasets.ClassLabel(names=["O", "B-PER", "I-PER"]))
    features = datasets.Features({"tokens": datasets.List(datasets.Value("string")), "ner_tags": tags})
    rows = {"tokens": [["Ana", "López", "runs"]], "ner_tags": [[1, 2, 0]]}
    (tmp_path / "set").mkdir()
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "set" / "train.parquet")
    return tmp_path / "set"


def test_hf_class_labels_become_names(labelled_data_set: Path) -> None:
    name = f"hf:{labelled_data_set}/default/train"
    corpus = read_corpus([name])
    assert corpus.sentences == (Sentence(f"{name}:1", ("Ana", "López", "runs"), (Span(0, 2, "PER"),)),)


def test_parquet_of_datasets_has_the_names_of_its_tags(labelled_data_set: Path) -> None:
    assert read_corpus([labelled_data_set / "train.parquet"]).sentences[0].spans == (Span(0, 2, "PER"),)


def test_hf_that_cannot_be_loaded_is_an_error(labelled_data_set: Path) -> None:
    with pytest.raises(DataError, match=r"hf:.*/default/nosplit: `datasets` cannot load it"):
        read_corpus([f"hf:{labelled_data_set}/default/nosplit"])


def test_hf_of_too_few_parts_is_an_error() -> None:
    with pytest.raises(DataError, match=r"hf:conll2003: expected hf:NAME/CONFIG/SPLIT"):
        read_corpus(["hf:conll2003"])


@pytest.mark.parametrize("column", ["labels", "ner", "ner_labels"])
def test_class_labels_under_other_names_become_names(
    column: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    tags = datasets.List(datasets.ClassLabel(names=["O", "B-PER", "I-PER"]))
    features = datasets.Features({"tokens": datasets.List(datasets.Value("string")), column: tags})
    rows = {"tokens": [["Ana", "López", "runs"]], column: [[1, 2, 0]]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "a.parquet")
    assert read_corpus([tmp_path / "a.parquet"]).sentences[0].spans == (Span(0, 2, "PER"),)


@pytest.mark.parametrize("column", ["label", "annotations", "tags"])
def test_parquet_column_that_looks_like_labels_is_named(column: str, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["Ana lives"], column: ["PER"]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=rf"a\.parquet:1: '{column}' looks like labels and cannot be read"):
        read_corpus([tmp_path / "a.parquet"])


def test_parquet_with_text_that_is_not_utf8_is_an_error(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["Ana lives"]}), tmp_path / "a.parquet", compression="none", use_dictionary=False)
    content = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(content.replace(b"Ana lives", b"An\xff lives"))
    with pytest.raises(DataError, match=r"a\.parquet: cannot be read as Parquet"):
        read_corpus([tmp_path / "a.parquet"])


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of `save_to_disk` with the splits train (3 sentences) and test (1)."""
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    features = datasets.Features(
        {
            "tokens": datasets.List(datasets.Value("string")),
            "ner_tags": datasets.List(datasets.ClassLabel(names=["O", "B-PER", "I-PER"])),
            "other": datasets.Value("int64"),
        }
    )
    rows = {"tokens": [["Ana", "López"], ["Bo"], ["runs"]], "ner_tags": [[1, 2], [1], [0]], "other": [1, 2, 3]}
    train = datasets.Dataset.from_dict(rows, features=features).with_format("numpy", columns=["other"])
    test = datasets.Dataset.from_dict({"text": ["Ana runs"]})
    datasets.DatasetDict(train=train, test=test).save_to_disk(tmp_path / "saved")
    return tmp_path / "saved"


def test_saved_data_set_has_the_names_of_its_tags(saved: Path) -> None:
    corpus = read_corpus([saved / "train"])
    assert [(one.id, one.words, one.spans) for one in corpus.sentences] == [
        ("train:1", ("Ana", "López"), (Span(0, 2, "PER"),)),
        ("train:2", ("Bo",), (Span(0, 1, "PER"),)),
        ("train:3", ("runs",), ()),
    ]
    assert corpus.report.files[0].format == "datasets"


def test_saved_data_set_is_read_as_raw_text_counted_and_hashed(saved: Path) -> None:
    paths = [saved / "train", saved / "test"]
    assert [one.words for one in read_raw(paths, unit="word")] == [
        ("Ana", "López"),
        ("Bo",),
        ("runs",),
        ("Ana", "runs"),
    ]
    assert count_sentences(paths) == 4
    names = ["data-00000-of-00001.arrow", "state.json", "dataset_info.json"]
    assert input_files([saved / "train"]) == [saved / "train" / name for name in names]


@pytest.mark.parametrize("reading", [read_corpus, input_files, count_sentences])
def test_data_sets_of_several_splits_name_them(reading: Callable[[list[Path]], object], saved: Path) -> None:
    with pytest.raises(
        DataError, match=r"saved: is a DatasetDict of the splits train, test; .* give one as .*saved/train"
    ):
        reading([saved])


def test_types_of_entities_that_are_numbers_get_their_names(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    kind = datasets.ClassLabel(names=["LOC", "PER"])
    number = datasets.Value("int64")
    features = datasets.Features(
        {
            "text": datasets.Value("string"),
            "entities": datasets.List({"start": number, "end": number, "label": kind}),
        }
    )
    rows = {"text": ["Ana runs"], "entities": [[{"start": 0, "end": 3, "label": "PER"}]]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "saved")
    assert read_corpus([tmp_path / "saved"]).sentences[0].spans == (Span(0, 1, "PER"),)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("state.json", "{}", "expected a list '_data_files'"),
        ("state.json", "no", "expected a list '_data_files'"),
        ("state.json", '{"_data_files": [{"filename": "../x.arrow"}]}', "names Arrow files that are not beside it"),
        ("data-00000-of-00001.arrow", "no", "`datasets` cannot load it"),
    ],
)
def test_damaged_saved_data_set_is_named(name: str, content: str, message: str, saved: Path, write: Write) -> None:
    write(f"saved/train/{name}", content)
    with pytest.raises(DataError, match=rf"saved/train.*: {message}"):
        read_corpus([saved / "train"])


def test_arrow_file_of_a_saved_data_set_names_the_way(saved: Path) -> None:
    with pytest.raises(DataError, match="Arrow stream: expected text, or the directory that `save_to_disk`"):
        read_corpus([saved / "train" / "data-00000-of-00001.arrow"])
