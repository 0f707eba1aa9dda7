"""Files that nobody wrote: random bytes, and valid files of every format with something changed in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from hypothesis import strategies as st

from ner_distill.data.formats.readers import count_sentences, read_corpus, read_raw
from ner_distill.errors import ConfigError, DataError

_TEXT = "Ann Müller lives in New York . 彭小军 is  not\u00a0here"
_ENTITIES = [{"start": 0, "end": 10, "label": "PER"}, {"start": 20, "end": 28, "label": "LOC"}]
_TRIPLES = [[0, 10, "PER"], [20, 28, "LOC"]]
_WORDS = ["Ann", "Müller", "lives", "in", "New", "York"]
_TAGS = ["B-PER", "I-PER", "O", "O", "B-LOC", "I-LOC"]
_COLUMNS = "".join(f"{word} {tag}\n" for word, tag in zip(_WORDS, _TAGS, strict=True))


def _lines(*records: object) -> bytes:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


VALID: dict[str, bytes] = {
    "a.conll": (_COLUMNS + "\n" + _COLUMNS).encode(),
    "b.conll": (b"-DOCSTART- -X- O O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n# id = 7\n#NATO NNP B-NP B-ORG\n"),
    "c.tsv": b"#\thttp://x [2010]\n1\tAnna\tB-PER\tO\n2\tlebt\tO\tO\n\n1\tUni\tB-ORG\tO\n2\tBonn\tI-ORG\tB-LOC\n",
    "d.conllu": b"# sent_id = a\n1-2\tdu\t_\t_\t_\t_\t_\t_\t_\t_\n1\tde\tde\tADP\t_\t_\t2\tx\t_\tNE=O\n"
    b"2\tle\tle\tDET\t_\t_\t0\tx\t_\tNE=B-X|A=b\n2.1\tx\t_\t_\t_\t_\t_\t_\t_\t_\n",
    "e.bio": b"B-ACTOR\tAnn\nI-ACTOR\tMiller\nO\tfilms\n\nO\tshow\n",
    "f.bmes": "彭 B-PER\n小 M-PER\n军 E-PER\n说 O\n\n中 S-LOC\n".encode(),
    "g.tsv": b"the\tO\nBig\tLEXICON\nBonn\tLOC\n\nAnn\tPER\n",
    "h.jsonl": _lines(
        {"id": "x", "text": _TEXT, "entities": _ENTITIES}, {"words": _WORDS, "tags": _TAGS, "weight": 0.5}
    ),
    "i.jsonl": _lines({"text": _TEXT, "label": _TRIPLES}, {"text": _TEXT, "spans": _ENTITIES, "answer": "reject"}),
    "j.json": json.dumps([{"text": _TEXT, "entities": _ENTITIES}, {"text": "b", "entities": []}], indent=1).encode(),
    "k.json": _lines({"text": "彭小军在北京", "label": {"name": {"彭小军": [[0, 2]]}, "address": {"北京": [[4, 5]]}}}),
    "l.txt": "右肺结核|||0 3 dis|||0 1 bod|||\n无|||\n".encode(),
    "m.txt": f"{_TEXT}\n\nBo left .\n".encode(),
    "n.jsonl": _lines([_TEXT, {"entities": _TRIPLES}], ["b", {"entities": []}]),
}
PIECES = [
    *(b"\n", b"\n\n", b"\r", b"\r\n", b"\t", b" ", b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"\x85", b"\xe9"),
    *(b"\xf0\x9f\x98\x80", b"\xc2\xb2", b"\xd9\xa3", b"\\ud83d", b"9" * 40, b"9" * 5000, b"[" * 50, b"1e999"),
    *(b"#", b"# ", b"O", b"B-", b"-X", b"_", b"|||", b"1-2", b"2.1", b"0 1 x", b"-DOCSTART-"),
    *(b"{", b"}", b"[", b"]", b",", b":", b'"', b"'", b"\\", b"NaN", b"-1", b"1e999", b"0.0", b"null", b"true", b"{}"),
    *(b'"label"', b'"tags"', b'"entities"', b'"words"', b'"tokens"', b'"keep"', b'"offsets"', b'"answer"'),
]  # fmt: skip


@st.composite
def files(draw: st.DrawFn) -> tuple[str, bytes]:
    """(name, content): random bytes under any name, or a valid file after a few changes."""
    name = draw(st.sampled_from([*VALID, "x", "y.parquet"]))
    if name not in VALID or draw(st.integers(0, 9)) == 0:
        return name, draw(st.binary(max_size=200))
    content = bytearray(VALID[name])
    for _ in range(draw(st.integers(1, 4))):
        change(content, draw(st.integers(0, 5)), draw(st.integers(0, 1 << 30)), draw(st.sampled_from(PIECES)))
    return name, bytes(content)


def change(content: bytearray, kind: int, where: int, piece: bytes) -> None:
    """Insert, replace, delete, double or swap something, or cut the content off."""
    at = where % (len(content) + 1)
    end = min(len(content), at + 1 + (where >> 12) % 12)
    match kind:
        case 0:
            content[at:at] = piece
        case 1:
            content[at:end] = piece
        case 2:
            del content[at:end]
        case 3:
            content[at:at] = content[at:end] * 3
        case 4:
            del content[at:]
        case _:
            lines = bytes(content).split(b"\n")
            first, second = at % len(lines), (where >> 8) % len(lines)
            lines[first], lines[second] = lines[second], lines[first]
            content[:] = b"\n".join(lines)


READERS: dict[str, Callable[[Path], object]] = {
    "read_corpus": lambda path: read_corpus([path]),
    "read_raw": lambda path: sum(1 for _ in read_raw([path], unit="word")),
    "count_sentences": lambda path: count_sentences([path]),
}


def outcome(path: Path, reader: str) -> str:
    """ "read" or "refused"; any other exception is raised. Raises AssertionError for an error without a place."""
    try:
        READERS[reader](path)
        return "read"
    except (DataError, ConfigError) as error:
        message = str(error)
    assert str(path) in message, message
    return "refused"
