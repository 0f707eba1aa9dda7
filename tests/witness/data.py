"""The data of all cases: the generated sample, cut short, and what is made of it. The same bytes in every run."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Tagged = tuple[list[str], list[str]]
"""Words and their tags, in IOB2 or BMES."""
Entity = tuple[int, int, str]
"""First word, the word behind the last one, type."""

QUESTIONS = {
    "PER": "Who is it about?",
    "LOC": "Which place is named?",
    "ORG": "Which company or body is it?",
    "MISC": "What other name stands here?",
}


def write(sample: Path, place: Path) -> None:
    """Make the data of all cases from the sample corpora, in `place`."""
    place.mkdir(parents=True, exist_ok=True)
    english = read_conll(sample / "en" / "train.conll")
    chinese = read_conll(sample / "zh" / "train.conll")
    _write_conll(place / "en-train.conll", english[:60])
    _write_conll(place / "en-dev.conll", read_conll(sample / "en" / "dev.conll")[:25])
    _write_conll(place / "en-test.conll", read_conll(sample / "en" / "test.conll")[:30])
    _write_lines(place / "en-raw.txt", (" ".join(words) for words, _ in english[60:120]))
    _write_lines(place / "es-raw.txt", (sample / "es" / "raw.txt").read_text("utf-8").splitlines()[:30])
    _write_conll(place / "zh-train.conll", chinese[:60])
    _write_conll(place / "zh-dev.conll", read_conll(sample / "zh" / "dev.conll")[:25])
    zh_raw = (sample / "zh" / "raw.txt").read_text("utf-8").splitlines()
    _write_lines(place / "zh-raw.txt", zh_raw[:40])
    _write_labelled_otherwise(place, english[:60])
    _write_knowledge(place, english, chinese, zh_raw)


def _write_labelled_otherwise(place: Path, english: Sequence[Tagged]) -> None:
    """Nested entities, words that do not count, documents, labels that lie."""
    dev = read_conll(place / "en-dev.conll")
    for name, sentences in (("train", english), ("dev", dev)):
        _write_json(place / f"nested-{name}.jsonl", (_nested(one, number) for number, one in enumerate(sentences)))
    rng = random.Random(1)
    _write_json(place / "weighted.jsonl", (_weighted(one, rng) for one in english))
    documents = ({"id": f"doc{number // 4}#{number}", **_record(one)} for number, one in enumerate(english))
    _write_json(place / "documents.jsonl", documents)
    _write_conll(place / "en-lies.conll", [_lying(one, rng) for one in english])


def _write_knowledge(place: Path, english: Sequence[Tagged], chinese: Sequence[Tagged], zh_raw: Sequence[str]) -> None:
    """Lexicon, segmented text, vectors, lists of names, questions."""
    texts = ["".join(words) for words, _ in chinese[:200]]
    counts = Counter(
        text[start : start + size] for text in texts for size in (2, 3, 4) for start in range(len(text) - 1)
    )
    names = [name for name, _ in _names(chinese[:200], "") if len(name) < 7]
    words = {form: count for form, count in counts.items() if count > 9 and form.isalpha() and len(form) > 1}
    lexicon = {**words, **dict.fromkeys(names[::2], 3)}
    _write_lines(place / "lexicon.txt", (f"{form}\t{count}" for form, count in lexicon.items()))
    _write_lines(place / "segmented.txt", (" ".join(_segmented(text, lexicon)) for text in zh_raw[40:140]))
    _write_vectors(place / "word-vectors.txt", sorted(lexicon)[::2], 16)
    _write_vectors(place / "zh-char-vectors.txt", sorted({char for text in texts for char in text})[::2], 16)
    bigrams = sorted({text[start : start + 2] for text in texts for start in range(len(text) - 1)})
    _write_vectors(place / "zh-bigram-vectors.txt", bigrams[::3], 8)
    _write_vectors(place / "en-word-vectors.txt", sorted({word for some, _ in english for word in some})[::2], 16)
    for language, sentences, between in (("en", english[:90], " "), ("zh", chinese[:90], "")):
        lists: dict[str, list[str]] = {}
        for name, label in _names(sentences, between):
            lists.setdefault(label, []).append(name)
        for label, own in lists.items():
            _write_lines(place / f"{language}-{label}.txt", dict.fromkeys(own[: len(own) // 2 + 1]))
    # a name under two types, and one in another case
    both = (place / "en-LOC.txt").read_text("utf-8").splitlines()
    _write_lines(place / "en-ORG-too.txt", [*both[:2], both[3].upper()])
    _write_lines(place / "questions.toml", (f"{label} = {json.dumps(text)}" for label, text in QUESTIONS.items()))


# ---- reading


def read_conll(path: Path) -> list[Tagged]:
    """Two columns."""
    blocks = path.read_text("utf-8").strip().split("\n\n")
    rows = [[line.split() for line in block.splitlines()] for block in blocks]
    return [([word for word, _ in row], [tag for _, tag in row]) for row in rows]


def entities(tags: Sequence[str]) -> list[Entity]:
    """Of IOB2 and of BMES."""
    found: list[Entity] = []
    for place, tag in enumerate(tags):
        kind, _, label = tag.partition("-")
        if kind in ("B", "S"):
            found.append((place, place + 1, label))
        elif kind != "O":
            found[-1] = (found[-1][0], place + 1, label)
    return found


def _names(sentences: Iterable[Tagged], between: str) -> list[tuple[str, str]]:
    return [(between.join(words[a:b]), label) for words, tags in sentences for a, b, label in entities(tags)]


# ---- other labels


def _record(sentence: Tagged) -> dict[str, Any]:
    return {"words": sentence[0], "tags": sentence[1]}


def _nested(sentence: Tagged, number: int) -> dict[str, Any]:
    """Text and entities; in a name of several words its first word is a HEAD, and its last one a TAIL."""
    words, tags = sentence
    starts = [sum(len(word) + 1 for word in words[:place]) for place in range(len(words))]
    spans = []
    for first, end, label in entities(tags):
        spans.append((first, end, label))
        if end - first > 1:
            spans += [(first, first + 1, "HEAD"), (end - 1, end, "TAIL")]
    listed = [{"start": starts[a], "end": starts[b - 1] + len(words[b - 1]), "label": label} for a, b, label in spans]
    return {"id": f"n{number}", "text": " ".join(words), "entities": listed}


def _weighted(sentence: Tagged, rng: random.Random) -> dict[str, Any]:
    """Every fifth word counts in no loss, and sentences differ in weight."""
    keep = [rng.random() < 0.8 for _ in sentence[0]]
    return {**_record(sentence), "keep": keep, "weight": rng.choice((0.25, 1, 2)), "lang": "en"}


def _lying(sentence: Tagged, rng: random.Random) -> Tagged:
    """Of ten entities one is left out, and one has another type."""
    words, tags = sentence[0], list(sentence[1])
    for first, end, label in entities(tags):
        draw = rng.random()
        if draw < 0.1:
            tags[first:end] = ["O"] * (end - first)
        elif draw < 0.2:
            other = "LOC" if label != "LOC" else "ORG"
            tags[first:end] = [f"{tag[:2]}{other}" for tag in tags[first:end]]
    return words, tags


def _segmented(text: str, lexicon: Iterable[str]) -> list[str]:
    """Words of the lexicon from the left, the longest first; else single characters."""
    known, words, place = set(lexicon), [], 0
    while place < len(text):
        size = next((size for size in (6, 5, 4, 3, 2) if text[place : place + size] in known), 1)
        words.append(text[place : place + size])
        place += size
    return words


# ---- writing


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def _write_json(path: Path, records: Iterable[dict[str, Any]]) -> None:
    _write_lines(path, (json.dumps(record, ensure_ascii=False) for record in records))


def _write_conll(path: Path, sentences: Iterable[Tagged]) -> None:
    _write_lines(path, ("\n".join(f"{word} {tag}" for word, tag in zip(*one, strict=True)) + "\n" for one in sentences))


def _write_vectors(path: Path, forms: Iterable[str], width: int) -> None:
    rng = random.Random(2)
    _write_lines(path, (f"{form} " + " ".join(f"{rng.gauss(0, 0.3):.4f}" for _ in range(width)) for form in forms))
