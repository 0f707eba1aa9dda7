"""The objects of a JSON file, one by one: an object a line, an array of objects, or objects over several lines each."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from itertools import chain, islice
from typing import Any, NoReturn

from ner_distill.data.formats.lines import Beginning, Position, lines_of
from ner_distill.data.formats.report import ReadReport
from ner_distill.errors import DataError

_SPACE = re.compile(r"[ \t\r\n]*")
_PAIR = re.compile(r'\[[ \t\r\n]*"')  # the beginning of `["text", {...}]`
_SHOWN = 60  # characters of a line
_FIRST = 200  # records by which a format is told


class _NoNumberError(ValueError):
    """NaN or Infinity: JavaScript's and Python's words, which JSON does not have."""


def _refuse(name: str) -> NoReturn:
    raise _NoNumberError(name)


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def json_records(
    path: str, report: ReadReport | None = None, position: Position | None = None
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """(line, object) for each object of a file; the line is the one where it begins.

    Where the first line is a whole object (or no JSON at all), the file has an object a line and is read as a stream.
    Else it is read as a whole: of arrays the objects are the items. `["text", {...}]`, as spaCy has it, is the object
    with that text. Raises DataError with its place where something is no JSON, or is no object.

    position: as of `lines_of`; inside a file that has an object a line.
    """
    inside = position is not None and position.inside
    lines = lines_of(path, bare_cr=False, report=report, position=position)
    if inside:
        yield from _by_lines(path, ((number, line) for number, line in lines if line.strip()))
    else:
        yield from records_in(path, lines)


@lru_cache(1)
def first_records(beginning: Beginning) -> tuple[Mapping[str, Any], ...]:
    """The first objects of a file, 200 at most, up to something that is none; () where there is none.

    The first one, if it is longer than the lines that are looked at, is read out of the whole file.
    """
    found: list[Mapping[str, Any]] = []
    with suppress(DataError):
        for _, record in islice(records_in(beginning.source, enumerate(beginning.lines)), _FIRST):
            found.append(record)  # what came before an error stays
    if not found and not beginning.is_stdin and len(beginning.lines) >= _FIRST:
        with suppress(DataError):
            found += [record for _, record in islice(json_records(beginning.source), 1)]
    return tuple(found)


def records_in(path: str, lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """As `json_records`, of numbered lines."""
    full = ((number, line) for number, line in lines if line.strip())
    first = next(full, None)
    if first is not None:
        read = _by_lines if is_whole(first[1]) else _by_values
        yield from read(path, chain([first], full))


def is_whole(line: str) -> bool:
    """Is a line a JSON object, or none that further lines could make one?"""
    start = line.strip()
    if start.startswith("["):
        return False
    try:
        _DECODER.decode(start)
        return True
    except json.JSONDecodeError as error:
        return error.pos < len(start) or not start.startswith("{")  # at the end nothing is wrong yet
    except (ValueError, RecursionError):
        return True


def _by_lines(path: str, lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in lines:
        try:
            value = _DECODER.decode(line)
        except (ValueError, RecursionError) as error:
            column = error.pos if isinstance(error, json.JSONDecodeError) else None
            raise _no_json(path, number, line, column, error) from None
        yield number, _record(path, number, value)


class _Values:
    """The values of a text of JSON, one behind the other or in arrays.

    numbers, starts: the number of each line, and where it begins in the text.
    """

    def __init__(self, path: str, lines: Iterable[tuple[int, str]]) -> None:
        self.path, self.position = path, 0
        self.numbers: list[int] = []
        self.starts: list[int] = []
        parts, size = [], 0
        for number, line in lines:
            self.numbers.append(number)
            self.starts.append(size)
            parts.append(line)
            size += len(line) + 1
        self.text = "\n".join(parts)

    def next_character(self) -> str:
        """The next one that is no white space, "" at the end; it is not passed."""
        if match := _SPACE.match(self.text, self.position):
            self.position = match.end()
        return self.text[self.position : self.position + 1]

    def line(self) -> int:
        return self.numbers[bisect_right(self.starts, self.position) - 1]

    def value(self) -> Any:
        """The value that begins here; passes it."""
        try:
            value, self.position = _DECODER.raw_decode(self.text, self.position)
        except (ValueError, RecursionError) as error:
            at = error.pos if isinstance(error, json.JSONDecodeError) else self.position
            index = bisect_right(self.starts, at) - 1
            line = self.text[self.starts[index] :].partition("\n")[0]
            column = at - self.starts[index] if isinstance(error, json.JSONDecodeError) else None
            raise _no_json(self.path, self.numbers[index], line, column, error) from None
        return value

    def expect(self, expected: str, found: str) -> None:
        if found not in expected or not found:
            what = repr(found) if found else "the end of the file"
            raise DataError.at(self.path, self.line(), f"is no JSON: expected {' or '.join(expected)}, found {what}")
        self.position += 1


def _by_values(path: str, lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    values = _Values(path, lines)
    while character := values.next_character():
        if character == "[" and not _PAIR.match(values.text, values.position):
            values.position += 1
            yield from _items(values)
        else:
            number = values.line()
            yield number, _record(path, number, values.value())


def _items(values: _Values) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The items of an array whose [ was passed."""
    character = values.next_character()
    while character != "]":
        number = values.line()
        yield number, _record(values.path, number, values.value())
        values.expect(",]", character := values.next_character())
        if character == "]":
            return
        if values.next_character() == "]":
            raise DataError.at(values.path, values.line(), "is no JSON: take out the comma before the closing ]")
    values.position += 1


def _record(path: str, number: int, value: Any) -> Mapping[str, Any]:
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict):
        return {"text": value[0], **value[1]}
    if not isinstance(value, dict):
        what = "a list" if isinstance(value, list) else repr(value)[:_SHOWN]
        raise DataError.at(path, number, f"expected a JSON object a line or an array of objects, found {what}")
    return value


def _no_json(path: str, number: int, line: str, column: int | None, error: Exception) -> DataError:
    """column: of what is wrong in the line, from 0; None where that is not known."""
    what = error.msg if isinstance(error, json.JSONDecodeError) else ""
    if isinstance(error, _NoNumberError):
        advice = f"{error} is no number of JSON; leave the key out, or write a number or null"
    elif isinstance(error, RecursionError):
        advice = "it is nested too deeply"
    elif column is None:  # a number of thousands of digits
        advice = "a number is too long"
    else:
        advice = f"{what}; {_advice(line, column, what)}"
    where = "" if column is None else f" at column {column + 1}"
    return DataError.at(path, number, f"is no JSON{where}: {advice}; found {line[:_SHOWN]!r}")


def _advice(line: str, column: int, what: str) -> str:
    before, here = line[:column].rstrip(), line[column : column + 1]
    if here in ("}", "]") and before.endswith(","):
        return f"take out the comma before {here}"
    if before.endswith(",") and what.startswith("Illegal trailing comma"):
        return "take out the comma before the closing bracket"
    if here == "'":
        return "JSON has double quotes, as Python's json.dumps writes them"
    if what.startswith("Extra data"):
        return "write one object a line, `jq -c .` does it"
    if not line[column:].strip():
        return "expected an object, whole on its line or closed on a later one: was the file cut off?"
    return "expected an object a line, as Python's json.dumps writes it"
