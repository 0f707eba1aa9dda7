"""brat: a text (`a.txt`) with its annotations beside it (`a.ann`), given by either name, or a folder of such pairs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from ner_distill.data.formats.lines import Beginning, read_text
from ner_distill.data.formats.listing import UNLABELLED, files_in, holds_none
from ner_distill.data.formats.rows import Entity, Row, RowOptions
from ner_distill.data.formats.tools.annotators import LeftOut
from ner_distill.errors import DataError

ANNOTATIONS, TEXT = ".ann", ".txt"
_ABOUT = re.compile(r"(readme|licen[cs]e)\.txt", re.IGNORECASE)
_ENTITY = re.compile(r"(T\S+)\t(\S+) (\d{1,18} \d{1,18}(?:;\d{1,18} \d{1,18})*)(?:\t(.*))?")
_KINDS = {  # first character of a line → what it is, one and several
    "R": ("relation", "relations"),
    "*": ("relation", "relations"),
    "E": ("event", "events"),
    "A": ("attribute", "attributes"),
    "M": ("attribute", "attributes"),
    "N": ("link to a knowledge base", "links to a knowledge base"),
    "#": ("note", "notes"),
}


def is_brat(beginning: Beginning) -> bool:
    return not beginning.is_stdin and is_brat_path(beginning.source)


def is_brat_path(path: Path | str) -> bool:
    """A file of annotations, a text that has one beside it, or a folder with such files?

    Where they are all in folders of it, it is so if nothing else in it may hold sentences.
    """
    path = Path(path)
    if not path.is_dir():
        return path.suffix in (ANNOTATIONS, TEXT) and path.with_suffix(ANNOTATIONS).is_file()
    files = list(files_in(path))
    found = [file for file in files if file.suffix == ANNOTATIONS]
    if any(file.parent == path for file in found):
        return True
    return bool(found) and all(file.suffix in (ANNOTATIONS, TEXT) or holds_none(file) for file in files)


def brat_pairs(path: Path | str) -> list[tuple[Path, Path]]:
    """The text and the annotations of each document, sorted by name; the second may be missing in a folder.

    Texts without annotations that tell of a data set (README.txt, LICENSE.txt) are none, unless we wrote them.
    Raises DataError for annotations without a text.
    """
    path = Path(path)
    if not path.is_dir():
        texts, found = [path.with_suffix(TEXT)], [path.with_suffix(ANNOTATIONS)]
    else:
        files = sorted(files_in(path))
        found = [file for file in files if file.suffix == ANNOTATIONS]
        texts = [
            file
            for file in files
            if file.suffix == TEXT and (not _tells_of_data(file) or file.with_suffix(ANNOTATIONS).is_file())
        ]
    for labels in found:
        if not labels.with_suffix(TEXT).is_file():
            raise DataError(f"{labels}: has no text; expected {labels.with_suffix(TEXT)} beside it")
    return [(text, text.with_suffix(ANNOTATIONS)) for text in texts]


def _tells_of_data(text: Path) -> bool:
    if not _ABOUT.fullmatch(text.name):
        return False
    listed = text.with_name(UNLABELLED)
    return not (listed.is_file() and text.name in listed.read_text("utf-8", "replace").split("\n"))


def brat_files(path: Path | str) -> list[Path]:
    return [file for pair in brat_pairs(path) for file in pair if file.is_file()]


def brat_rows(path: str, options: RowOptions) -> Iterator[Row]:
    """A row for each document, whole, named after its file; a text without annotations in a folder is unlabelled.

    Entities of several parts (`0 5;16 23`) are noted, or read as one where only white space lies between the parts;
    relations, events with their triggers, attributes, links and notes are left out and counted.
    Raises DataError for annotations without a text, and for a line of another form.
    """
    left_out = LeftOut(path, options.report)
    for text_path, labels in brat_pairs(path):
        text = read_text(text_path)
        id = text_path.relative_to(path).with_suffix("").as_posix() if Path(path).is_dir() else text_path.stem
        if options.bare_words or not labels.is_file():
            yield Row(str(text_path), 1, id, text=text)
        else:
            yield Row(str(labels), 1, id, text=text, entities=tuple(_entities(labels, text, options, left_out)))
    left_out.say()


def _entities(path: Path, text: str, options: RowOptions, left_out: LeftOut) -> Iterator[Entity]:
    lines = [line.rstrip("\r") for line in read_text(path).split("\n")]
    triggers = {match[1] for line in lines if (match := re.match(r"E\S*\t[^\s:]+:(\S+)", line))}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if (known := _KINDS.get(line[0])) is not None and "\t" in line:
            left_out.add(*known)
            continue
        match = _ENTITY.fullmatch(line)
        if match is None:
            raise DataError.at(
                path,
                number,
                f"expected an annotation of brat, as in 'T1<tab>PER 0 9<tab>Ana López', found {line!r:.60}",
            )
        if match[1] in triggers:
            left_out.add("trigger of an event", "triggers of events")
            continue
        parts = sorted(tuple(map(int, part.split())) for part in match[3].split(";"))
        start, end = parts[0][0], parts[-1][1]
        if any(text[one[1] : other[0]].strip() for one, other in pairwise(parts)):
            options.report.note("discontinuous", path, number, f"{match[2]} {match[4]!r} ({match[3]})")
        else:
            yield Entity(start, end, match[2], match[4], number)
