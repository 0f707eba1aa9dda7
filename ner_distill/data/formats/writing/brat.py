"""brat: a folder with a text (`a.txt`) and its annotations (`a.ann`) for each sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ner_distill.data.formats.listing import UNLABELLED
from ner_distill.data.formats.writing.base import (
    MADE_ID,
    FileWriter,
    Labelled,
    Losses,
    Scored,
    characters,
    in_order,
    placed_for_tools,
    rounded,
)
from ner_distill.data.sentence import Sentence

ANNOTATIONS, TEXT = ".ann", ".txt"
_LONGEST_NAME = 60  # characters of up to 4 bytes; most file systems take 255 bytes
_NOT_IN_NAMES = re.compile(r"[^\w.-]|^\.")
_LINE = re.compile(r"[^\r\n]+")


class Brat(FileWriter):
    """A folder of documents, each named after its sentence; those that nobody labelled have a text alone.

    A score is a note on its entity. An entity over several lines is written in parts, as the tool does it.
    """

    name = "brat"
    suffixes = ("/",)
    holds = frozenset({"text", "ids", "unlabelled", "nested"})
    scores = True
    is_folder = True

    def save(self, records: Iterable[Labelled], path: Path, losses: Losses) -> None:
        taken: set[str] = set()
        unlabelled: list[str] = []
        for sentence, entities in self.kept(records, losses):
            text, offsets = placed_for_tools(sentence, self.about.unit, losses)
            name = _name_of(sentence, taken, losses)
            _write(path / f"{name}{TEXT}", text)
            if entities is None:
                unlabelled.append(f"{name}{TEXT}\n")
            else:
                lines = _annotations(sentence, entities, text, offsets, losses)
                _write(path / f"{name}{ANNOTATIONS}", "".join(lines))
        if unlabelled:
            _write(path / UNLABELLED, "".join(unlabelled))


def not_written(folder: Path) -> str:
    """What in a folder `Brat` did not write there, and why it is none of its files; "" where there is nothing.

    A text belongs to its annotations, or is one of those that were listed as having none.
    """
    paths, listed = sorted(folder.iterdir()), folder / UNLABELLED
    names = {path.name for path in paths}
    alone = {UNLABELLED, *(listed.read_text("utf-8", "replace").split("\n") if listed.is_file() else ())}
    for path in paths:
        other = path.with_suffix(TEXT if path.suffix == ANNOTATIONS else ANNOTATIONS).name
        known = path.suffix in (ANNOTATIONS, TEXT) or path.name == UNLABELLED
        if not known or not path.is_file() or path.is_symlink():
            return f"{path.name}, which is none of brat's files"
        if other not in names and path.name not in alone:
            return f"{path.name} without {other}, which no run lists as its own (earlier versions listed none)"
    return ""


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8"))


def _annotations(
    sentence: Sentence, entities: Sequence[Scored], text: str, offsets: Sequence[tuple[int, int]], losses: Losses
) -> Iterator[str]:
    number = notes = 0
    for span, score in in_order(entities):
        start, end = characters(offsets, span)
        if not text[start:end].strip():
            losses.add("blank_entities", sentence.id)  # the tool has no place for it: a part of it is no line
            continue
        number += 1
        label = re.sub(r"\s", "_", span.label)
        if label != span.label:
            losses.add("token_types", sentence.id, name=label)
        parts = [match.span() for match in _LINE.finditer(text, start, end)]
        places = ";".join(f"{first} {last}" for first, last in parts)
        yield f"T{number}\t{label} {places}\t{' '.join(text[first:last] for first, last in parts)}\n"
        if score is not None:
            notes += 1
            yield f"#{notes}\tAnnotatorNotes T{number}\tscore {rounded(score):g}\n"


def _name_of(sentence: Sentence, taken: set[str], losses: Losses) -> str:
    """A name for the files of a sentence: its id; of one that names a line of a file so that names sort as lines do."""
    id = sentence.id
    made = MADE_ID.fullmatch(id)
    if made is not None:
        id = f"{made[1]}_{int(made[2]):06d}{made[3]}".replace("#", "-")
    name = _NOT_IN_NAMES.sub("_", id)[:_LONGEST_NAME] or "_"
    number = 1
    unique = name
    while unique.casefold() in taken:  # some file systems do not tell a.txt from A.txt
        number += 1
        unique = f"{name}-{number}"
    taken.add(unique.casefold())
    if made is None:
        losses.add("file_ids", sentence.id, int(unique != sentence.id))
    return unique
