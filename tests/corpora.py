"""Tiny corpora that a small model learns in seconds: a few templates times a few names."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from ner_distill.data.sentence import Sentence, Span

LABELS = ("LOC", "ORG", "PER")

# Fast, and strong enough for these corpora: what the tests hand to `--set`.
SMALL = (
    "encoder.hidden=32",
    "encoder.heads=4",
    "encoder.word_dim=16",
    "encoder.char_filters=8",
    "encoder.unknown=0.05",
    "encoder.dropout=0.1",
    "encoder.embedding_dropout=0.1",
    "optim.lr=1e-2",
    "optim.batch_words=128",
)

PLAIN = (*SMALL, "adversarial.kind=none", "optim.ema=0")
"""Of teachers: in half the time."""

_NAMES = {
    "PER": ("Ann Miller", "Peter", "Ann Mary Novak", "Maria Garcia", "Ivan", "Tom Baker"),
    "LOC": ("Madrid", "New York", "Oslo", "Buenos Aires", "Vienna"),
    "ORG": ("Acme", "Orion Bank", "Bank of Oslo", "Delta Steel Works"),
}
_TEMPLATES = (
    "{PER} lives in {LOC} .",
    "{PER} works for {ORG} in {LOC} .",
    "{ORG} opened an office in {LOC} and hired {PER} .",
    "It rains in {LOC} today .",
    "{PER} and {PER} met at {ORG} .",
    "Nobody was there yesterday .",
)
_CHINESE_NAMES = {
    "PER": ("王明", "李小红", "张伟", "陈大文"),
    "LOC": ("北京", "上海", "南京市", "乌鲁木齐"),
    "ORG": ("东方银行", "长城公司", "华光大学"),
}
_CHINESE_TEMPLATES = ("{PER}住在{LOC}。", "{PER}在{ORG}工作。", "{ORG}位于{LOC}，{PER}去过。", "今天下雨了。")


def sentences(count: int, *, seed: int = 0, chinese: bool = False) -> list[Sentence]:
    """Labelled sentences; in Chinese every character is a word."""
    rng = random.Random(f"{seed} {chinese}")
    names, templates = (_CHINESE_NAMES, _CHINESE_TEMPLATES) if chinese else (_NAMES, _TEMPLATES)
    return [_filled(f"s{number}", rng.choice(templates), names, rng, chinese) for number in range(count)]


def _filled(id: str, template: str, names: dict[str, tuple[str, ...]], rng: random.Random, chinese: bool) -> Sentence:
    words: list[str] = []
    spans: list[Span] = []
    for part in template.replace("{", "\n{").replace("}", "}\n").split("\n"):
        text = rng.choice(names[part[1:-1]]) if part.startswith("{") else part
        more = list(text) if chinese else text.split()
        if part.startswith("{"):
            spans.append(Span(len(words), len(words) + len(more), part[1:-1]))
        words += more
    return Sentence(id, tuple(words), tuple(spans))


def write_conll(path: Path, corpus: Sequence[Sentence]) -> Path:
    """Two columns, IOB2."""
    lines: list[str] = []
    for sentence in corpus:
        tags = ["O"] * len(sentence.words)
        for span in sentence.spans or ():
            tags[span.start : span.end] = [f"B-{span.label}"] + [f"I-{span.label}"] * (span.end - span.start - 1)
        lines += [*(f"{word} {tag}" for word, tag in zip(sentence.words, tags, strict=True)), ""]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def write_text(path: Path, corpus: Sequence[Sentence], *, between: str = " ") -> Path:
    """A sentence a line."""
    path.write_text("".join(between.join(sentence.words) + "\n" for sentence in corpus), "utf-8")
    return path


def write_all(directory: Path, *, train: int = 60, dev: int = 20, raw: int = 80, chinese: bool = False) -> Path:
    """`train.conll`, `dev.conll` and `raw.txt`, other sentences in each."""
    directory.mkdir(parents=True, exist_ok=True)
    write_conll(directory / "train.conll", sentences(train, seed=1, chinese=chinese))
    write_conll(directory / "dev.conll", sentences(dev, seed=2, chinese=chinese))
    write_text(directory / "raw.txt", sentences(raw, seed=3, chinese=chinese), between="" if chinese else " ")
    return directory
