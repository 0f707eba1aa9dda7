"""Parts of raw text: what is read from where one begins is what the stream of all text has there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ner_distill.data.formats.documents import Cut
from ner_distill.data.formats.ranges import Ranges, find_ranges
from ner_distill.data.formats.readers import Start, raw_sources, read_documents
from ner_distill.data.formats.report import ReadReport
from ner_distill.data.formats.splitting import Splitter
from ner_distill.data.sentence import Sentence
from ner_distill.errors import DataError

BLANKS = [" ", "\t", "\u3000", "\xa0", "\u2028", "\x1c", "\ufeff"]
PIECES = st.sampled_from(["Ana", "张三", "Živel v Oslu.", "¡Hola! ¿Qué?", "\u0301", "\u200b", "é", *BLANKS])
ENDS = st.sampled_from(["\n", "\r\n", "\r\r\n"])
LINES = st.lists(st.tuples(st.lists(PIECES, max_size=4).map("".join), ENDS), max_size=12)
FILES = st.lists(LINES, min_size=1, max_size=3)
CUTS = st.sampled_from(
    [
        Cut(),
        Cut(splitter=Splitter()),
        Cut("paragraph"),
        Cut("paragraph", splitter=Splitter("es")),
        Cut("file"),
        Cut("file", splitter=Splitter()),
    ]
)


def in_parts(paths: Sequence[Path], size: int, limit: int, cut: Cut, **how: Any) -> list[Sentence]:
    sources = raw_sources(paths, cut, **how)
    assert sources.begin_anywhere
    ranges = find_ranges(sources, size, limit)
    read = []
    for index, start in reversed(list(enumerate(ranges.starts))):
        part = sources.sentences(start, ranges.count(index), ReadReport())
        assert len(part) == ranges.count(index)
        read[:0] = part
    assert len(read) == ranges.sentences
    return read


def streamed(paths: Sequence[Path], limit: int, cut: Cut, **how: Any) -> list[Sentence]:
    all_of_them = [part.sentence for document in read_documents(paths, cut, **how) for part in document.parts]
    return all_of_them[: limit or None]


def require_same(paths: Sequence[Path], size: int, limit: int, cut: Cut, **how: Any) -> None:
    assert in_parts(paths, size, limit, cut, **how) == streamed(paths, limit, cut, **how)


FOLDER_STAYS = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)


@FOLDER_STAYS
@given(
    files=FILES,
    bom=st.booleans(),
    size=st.integers(1, 5),
    limit=st.integers(0, 9),
    cut=CUTS,
    unit=st.sampled_from(["word", "character", "blank"]),
)
def test_lines_of_text(
    tmp_path: Path, files: list[list[tuple[str, str]]], bom: bool, size: int, limit: int, cut: Cut, unit: str
) -> None:
    paths = [tmp_path / f"{number}.txt" for number in range(len(files))]
    for path, lines in zip(paths, files, strict=True):
        text = "".join(line + end for line, end in [*lines, ("last", "")])
        path.write_bytes(b"\xef\xbb\xbf" * bom + text.encode())
    require_same(paths, size, limit, cut, format="text", unit=unit)


@FOLDER_STAYS
@given(
    files=st.lists(st.lists(st.lists(PIECES, max_size=3).map("".join), max_size=9), min_size=1, max_size=2),
    blanks=st.integers(0, 2),
    size=st.integers(1, 4),
    limit=st.integers(0, 6),
    split=st.booleans(),
)
def test_records(tmp_path: Path, files: list[list[str]], blanks: int, size: int, limit: int, split: bool) -> None:
    records = [
        [{"text": "first one. Second one."}, *({"id": i, "text": text} for i, text in enumerate(file)), {"words": []}]
        for file in files
    ]
    lines, tables = ([tmp_path / f"{number}.{end}" for number in range(len(files))] for end in ("jsonl", "parquet"))
    for one, other, file in zip(lines, tables, records, strict=True):
        one.write_text(("\n" * (blanks + 1)).join(json.dumps(record) for record in file), "utf-8")
        table = arrow.Table.from_pylist([{"id": str(r.get("id")), "text": r.get("text", " ")} for r in file])
        parquet.write_table(table, other, row_group_size=3)
    cut = Cut(splitter=Splitter()) if split else Cut()
    require_same(lines, size, limit, cut, unit="word")
    require_same(tables, size, limit, cut, unit="word")
    require_same([*lines, *tables], size, limit, cut, unit="word")


@FOLDER_STAYS
@given(
    blocks=st.lists(st.integers(0, 4), min_size=1, max_size=8),
    between=st.sampled_from(["\n", "\n\n", "\r\n\n", "\n-DOCSTART- -X- O\n\n", "\n# id = s7\n", "\n# id = s8\n\n"]),
    header=st.booleans(),
    size=st.integers(1, 4),
)
def test_blocks_of_conll(tmp_path: Path, blocks: list[int], between: str, header: bool, size: int) -> None:
    path = tmp_path / "a.conll"
    lines = ["".join(f"w{number}\tO\n" for number in range(block)) for block in [2, *blocks]]
    path.write_text("token\tner\n" * header + between.join(lines), newline="")
    require_same([path], size, 0, Cut(), unit="word")


def test_a_data_set_on_disk_and_a_folder(tmp_path: Path) -> None:
    import datasets

    datasets.Dataset.from_list([{"text": f"row {n}" if n % 3 else " "} for n in range(10)]).save_to_disk(
        tmp_path / "set"
    )
    (tmp_path / "folder").mkdir()
    for name in "ab":
        (tmp_path / "folder" / f"{name}.txt").write_text("one\n\ntwo\nthree\n")
    require_same([tmp_path / "set"], 2, 0, Cut(), unit="word")
    require_same([tmp_path / "folder"], 2, 5, Cut(), unit="word")


@pytest.mark.parametrize("name", ["packed.txt", "array.json", "table.csv"])
def test_what_cannot_be_read_from_anywhere_says_so(tmp_path: Path, name: str) -> None:
    import gzip

    content = {
        "packed.txt": gzip.compress(b"one\ntwo\n"),
        "array.json": b'[{"text": "one"},\n{"text": "two"}]',
        "table.csv": b"text,label\none,O\ntwo,O\n",
    }
    (tmp_path / name).write_bytes(content[name])
    assert not raw_sources([tmp_path / name], Cut(), unit="word").begin_anywhere
    assert not raw_sources(["-"], Cut(), format="text", unit="word").begin_anywhere


def test_an_error_names_the_line_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\ntwo\nthr\xe9e\n")
    sources = raw_sources([tmp_path / "a.txt"], Cut(), format="text", unit="word")
    ranges = find_ranges(sources, 1)
    with pytest.raises(DataError, match=r"a.txt:3: expected UTF-8; byte 0xE9 at offset 11 "):
        sources.sentences(ranges.starts[2], 1, ReadReport())


def test_ranges_are_kept_for_the_same_text(tmp_path: Path) -> None:
    ranges, path = Ranges(2, 3, [Start(0, 0, 0, 0), Start(0, 8, 2, 1)]), tmp_path / "soft.plan"
    ranges.save(path, "key")
    assert Ranges.saved(path, "key") == ranges
    assert Ranges.saved(path, "other") is None
    path.write_text(path.read_text()[:-20])
    assert Ranges.saved(path, "key") is None
    path.write_text("mine")
    ranges.save(path, "key")
    assert path.read_text() == "mine"  # what a user wrote stays
