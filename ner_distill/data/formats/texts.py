"""Texts as somebody else's files have them: in lines, paragraphs or whole files, or under another key than `text`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ner_distill.data.formats.lines import lines_of
from ner_distill.data.formats.rows import Row, RowOptions, plain_id
from ner_distill.errors import DataError

_SHOWN_KEYS = 20


def text_rows(path: str, options: RowOptions) -> Iterator[Row]:
    """A row for each line of a text file, paragraph (blank lines end one) or for the whole file, as `documents` says.

    The lines of one text are joined by LF, whatever ended them in the file.
    """
    lines = lines_of(path, report=options.report, position=options.position)
    if options.documents == "line":
        return (Row(path, number, text=line) for number, line in lines if options.blank_lines or line.strip())
    if options.documents == "paragraph":
        return _paragraphs(path, lines)
    return _whole(path, lines)


def _paragraphs(path: str, lines: Iterator[tuple[int, str]]) -> Iterator[Row]:
    first, paragraph = 0, list[str]()
    for number, line in lines:
        if line.strip():
            first = first if paragraph else number
            paragraph.append(line)
        elif paragraph:
            yield Row(path, first, text="\n".join(paragraph))
            paragraph = []
    if paragraph:
        yield Row(path, first, text="\n".join(paragraph))


def _whole(path: str, lines: Iterator[tuple[int, str]]) -> Iterator[Row]:
    text = "\n".join(line for _, line in lines)
    if text.strip():
        yield Row(path, 1, text=text)


def keyed_row(record: Mapping[str, Any], path: str, line: int, options: RowOptions) -> Row:
    """The row of a record whose text stands under `text_key`, with its `id` and `lang` where these are any.

    Raises DataError that names the keys which are there, or what else than a text is found.
    """
    key = options.text_key or ""
    value: Any = record
    for part in [key] if key in record else key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise DataError.at(path, line, no_such_key(key, record))
        value = value[part]
    if value is None:
        options.report.note("null_texts", path, line, f"'{key}' is null")
        value = ""
    if not isinstance(value, str):
        raise DataError.at(path, line, f"'{key}' (`text_key`) must be a text, found {value!r:.60}")
    lang = record.get("lang")
    return Row(path, line, id=plain_id(record.get("id")), text=value, lang=lang if isinstance(lang, str) else None)


def keyed_columns(names: Sequence[str], path: str, key: str) -> list[str]:
    """The columns of a table that `keyed_row` looks at. Raises DataError where the one of the text is not there."""
    column = key if key in names else key.partition(".")[0]
    if column not in names:
        raise DataError(f"{path}: {no_such_key(key, dict.fromkeys(names))}")
    return [name for name in names if name in {column, "id", "lang"}]


def no_such_key(key: str, record: Mapping[str, Any]) -> str:
    """The message for a key that is not there; of objects in the record it names the keys inside as well."""
    names: list[str] = []
    for name, value in record.items():
        inner = [f"{name}.{one}" for one in value] if isinstance(value, Mapping) else []
        names += inner or [str(name)]
    found = ", ".join(names[:_SHOWN_KEYS]) + (", ..." if len(names) > _SHOWN_KEYS else "")
    return f"expected the key '{key}' (`text_key`), found {found or 'no key'}"
