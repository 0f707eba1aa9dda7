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
    "HEAD": "What does a name begin with?",
    "TAIL": "What does it end with?",
    "PER": "Who is it about?",
    "LOC": "Which place is named?",
    "ORG": "Which company or body is it?",
    "MISC": "What other name stands here?",
}


NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "PER": ("Ann Miller", "Peter", "Ann Mary Novak", "Maria Garcia", "Ivan", "Tom Baker"),
        "LOC": ("Madrid", "New York", "Oslo", "Buenos Aires", "Vienna"),
        "ORG": ("Acme", "Orion Bank", "Bank of Oslo", "Delta Steel Works"),
    },
    "zh": {
        "NAME": ("王明", "李小红", "张伟", "陈大文"),
        "LOC": ("北京", "上海", "南京市", "乌鲁木齐"),
        "ORG": ("东方银行", "长城公司", "华光大学"),
    },
}
TEMPLATES = {
    "en": (
        "{PER} lives in {LOC} .", "{PER} works for {ORG} in {LOC} .", "It rains in {LOC} today .",
        "{ORG} opened an office in {LOC} and hired {PER} .", "{PER} and {PER} met at {ORG} .",
        "Nobody was there yesterday .",
    ),
    "zh": ("{NAME}住在{LOC}。", "{NAME}在{ORG}工作。", "{ORG}位于{LOC}，{NAME}去过。", "今天下雨了。"),
}  # fmt: skip
"""Sentences that a small model learns in seconds, so that there is something to find."""


def write(sample: Path, place: Path) -> None:
    """Make the data of all cases in `place`: easy sentences, and some of the sample corpora."""
    place.mkdir(parents=True, exist_ok=True)
    english, chinese = (read_conll(sample / language / "train.conll") for language in ("en", "zh"))
    for language, sampled, between in (("en", english, " "), ("zh", chinese, "")):
        dev = read_conll(sample / language / "dev.conll")
        _write_conll(place / f"{language}-train.conll", [*_easy(language, 45, 1), *sampled[:20]])
        _write_conll(place / f"{language}-easy.conll", _easy(language, 40, 5))
        _write_conll(place / f"{language}-dev.conll", [*_easy(language, 15, 2), *dev[:8]])
        _write_conll(place / f"{language}-test.conll", [*_easy(language, 20, 3), *dev[8:20]])
        raw = [*_easy(language, 40, 4), *sampled[100:115]]
        _write_lines(place / f"{language}-raw.txt", (between.join(words) for words, _ in raw))
    _write_lines(place / "es-raw.txt", (sample / "es" / "raw.txt").read_text("utf-8").splitlines()[:30])
    _write_labelled_otherwise(place)
    _write_formats(place)
    _write_knowledge(place, english, chinese)


def _easy(language: str, count: int, seed: int) -> list[Tagged]:
    """Templates with names in them, IOB2 (in Chinese BMES, as the sample has it)."""
    rng = random.Random(f"{language} {seed}")
    return [_filled(rng.choice(TEMPLATES[language]), NAMES[language], rng, language == "zh") for _ in range(count)]


def _filled(template: str, names: dict[str, tuple[str, ...]], rng: random.Random, characters: bool) -> Tagged:
    words: list[str] = []
    tags: list[str] = []
    for part in template.replace("{", "\n{").replace("}", "\n").split("\n"):
        label = part[1:] if part.startswith("{") else ""
        text = rng.choice(names[label]) if label else part
        more = list(text) if characters else text.split()
        words += more
        if not label:
            tags += ["O"] * len(more)
        elif characters:
            inner = [f"M-{label}"] * (len(more) - 2)
            tags += [f"B-{label}", *inner, f"E-{label}"] if len(more) > 1 else [f"S-{label}"]
        else:
            tags += [f"B-{label}", *[f"I-{label}"] * (len(more) - 1)]
    return words, tags


def _write_labelled_otherwise(place: Path) -> None:
    """Nested entities, words that do not count, documents, labels that lie."""
    english, dev, easy = (read_conll(place / f"en-{name}.conll") for name in ("train", "dev", "easy"))
    for name, sentences in (("train", english), ("dev", dev), ("easy", easy)):
        _write_json(place / f"nested-{name}.jsonl", (_nested(one, number) for number, one in enumerate(sentences)))
    rng = random.Random(1)
    _write_json(place / "weighted.jsonl", (_weighted(one, rng) for one in english))
    documents = ({"id": f"doc{number // 4}#{number}", **_record(one)} for number, one in enumerate(english))
    _write_json(place / "documents.jsonl", documents)
    _write_conll(place / "en-lies.conll", [_lying(one, rng) for one in [*easy, *english[:50]]])


def _write_formats(place: Path) -> None:
    """The same few sentences in other formats and schemes, and tags that are not valid."""
    chinese = [("".join(words), entities(tags)) for words, tags in read_conll(place / "zh-easy.conll")]
    cluener = []
    for text, spans in chinese:
        label: dict[str, dict[str, list[list[int]]]] = {}
        for first, end, kind in spans:
            label.setdefault(kind, {}).setdefault(text[first:end], []).append([first, end - 1])
        cluener.append({"text": text, "label": label})
    _write_json(place / "cluener.json", cluener)
    parts = ("|||".join([text, *(f"{a}    {b - 1}    {kind}" for a, b, kind in spans), ""]) for text, spans in chinese)
    _write_lines(place / "cmeee.txt", parts)
    for kind in ("data", "label"):
        (place / "ccf2020" / kind).mkdir(parents=True)
    for number, (text, spans) in enumerate(chinese[:10]):
        (place / "ccf2020" / "data" / f"{number}.txt").write_text(text, "utf-8")
        rows = [f"{number},{kind},{a},{b - 1},{text[a:b]}" for a, b, kind in spans]
        _write_lines(place / "ccf2020" / "label" / f"{number}.csv", ["ID,Category,Pos_b,Pos_e,Privacy", *rows])
    english = read_conll(place / "en-easy.conll")
    columns = ((zip(words, _bioes(tags), ["x"] * len(words), strict=True)) for words, tags in english)
    _write_lines(place / "bioes.conll", ("\n".join(" ".join(row) for row in rows) + "\n" for rows in columns))
    _write_conll(place / "broken.conll", [(words, ["O", *tags[1:-1], "I-PER"]) for words, tags in english[:20]])


def _bioes(tags: Sequence[str]) -> list[str]:
    changed = ["O"] * len(tags)
    for first, end, label in entities(tags):
        inner = [f"I-{label}"] * (end - first - 2)
        changed[first:end] = [f"B-{label}", *inner, f"E-{label}"] if end - first > 1 else [f"S-{label}"]
    return changed


def _write_knowledge(place: Path, english: Sequence[Tagged], chinese: Sequence[Tagged]) -> None:
    """Lexicon, segmented text, vectors, lists of names, questions."""
    english = [*_easy("en", 45, 1), *english[:90]]
    chinese = [*_easy("zh", 45, 1), *chinese[:200]]
    texts = ["".join(words) for words, _ in chinese]
    counts = Counter(
        text[start : start + size] for text in texts for size in (2, 3, 4) for start in range(len(text) - 1)
    )
    names = [name for name, _ in _names(chinese, "") if len(name) < 7]
    words = {form: count for form, count in counts.items() if count > 9 and form.isalpha() and len(form) > 1}
    lexicon = {**words, **dict.fromkeys(names[::2], 3)}
    _write_lines(place / "lexicon.txt", (f"{form}\t{count}" for form, count in lexicon.items()))
    _write_lines(place / "segmented.txt", (" ".join(_segmented(text, lexicon)) for text in texts[:140]))
    _write_vectors(place / "word-vectors.txt", sorted(lexicon)[::2], 16)
    _write_vectors(place / "zh-char-vectors.txt", sorted({char for text in texts for char in text})[::2], 16)
    bigrams = sorted({text[start : start + 2] for text in texts for start in range(len(text) - 1)})
    _write_vectors(place / "zh-bigram-vectors.txt", bigrams[::3], 8)
    _write_vectors(place / "en-word-vectors.txt", sorted({word for some, _ in english for word in some})[::2], 16)
    for language, sentences, between in (("en", english, " "), ("zh", chinese[:130], "")):
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
