"""A question for each entity type, and the featurizer that puts each of them before the sentence."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ner_distill.config.load import read_toml
from ner_distill.data.features.base import Featurizer
from ner_distill.data.features.windows import Window
from ner_distill.data.formats.segment import segment
from ner_distill.data.sentence import Unit
from ner_distill.errors import ConfigError, did_you_mean

SEPARATOR = "\u0003"  # between question and sentence for an encoder that knows no word for that: no text holds it
CUT = "sentences partly read without their question"

# What the types of well-known data sets mean, in English and Chinese. An exact match of case goes first.
MEANINGS: dict[str, tuple[str, str]] = {
    # CoNLL, OntoNotes
    "per": ("name of a person", "人名"),
    "person": ("name of a person", "人名"),
    "loc": ("name of a place", "地名"),
    "location": ("name of a place", "地名"),
    "org": ("name of an organization", "组织机构名"),
    "organization": ("name of an organization", "组织机构名"),
    "misc": ("other name, of a nationality, an event or a work", "其他专有名词"),
    "gpe": ("name of a country, a state or a city", "国家、省市名"),
    "norp": ("nationality, religious or political group", "民族、宗教或政治团体"),
    "fac": ("name of a building, an airport or a road", "建筑、机场、道路等设施名"),
    "product": ("name of a product", "产品名"),
    "event": ("name of an event", "事件名"),
    "work_of_art": ("title of a work", "作品名"),
    "law": ("title of a law", "法律法规名"),
    "language": ("name of a language", "语言名"),
    "date": ("date", "日期"),
    "time": ("time", "时间"),
    "money": ("sum of money", "金额"),
    "percent": ("percentage", "百分比"),
    "quantity": ("measured quantity", "计量"),
    "ordinal": ("ordinal number", "序数"),
    "cardinal": ("number", "数字"),
    # CLUENER
    "name": ("name of a person", "人名"),
    "position": ("position that a person holds", "职位"),
    "company": ("name of a company", "公司名"),
    "address": ("address or place", "地址"),
    "game": ("title of a game", "游戏名"),
    "government": ("government body", "政府机构"),
    "scene": ("tourist sight", "景点名"),
    "book": ("title of a book", "书名"),
    "movie": ("title of a film", "电影名"),
    # résumés; PRO is a subject, pro (below) a procedure
    "TITLE": ("job title", "职务、职称"),
    "EDU": ("academic degree", "学历"),
    "PRO": ("subject of study", "专业"),
    "CONT": ("nationality", "国籍"),
    "RACE": ("ethnic group", "民族"),
    # CMeEE
    "bod": ("part of the body or substance of it", "身体部位或身体物质"),
    "dis": ("disease or disorder", "疾病"),
    "sym": ("symptom or sign", "症状、临床表现"),
    "pro": ("medical procedure or examination", "医疗程序、检查"),
    "dru": ("drug", "药物"),
    "ite": ("laboratory test or finding that is measured", "医学检验项目"),
    "mic": ("microorganism", "微生物"),
    "equ": ("medical equipment", "医疗设备"),
    "dep": ("hospital department", "医院科室"),
    # CCF 2020
    "mobile": ("mobile phone number", "手机号码"),
    "email": ("e-mail address", "电子邮箱"),
    "qq": ("QQ number", "QQ号"),
    "vx": ("WeChat account", "微信号"),
}


def read_questions(path: Path | str, labels: Sequence[str]) -> dict[str, str]:
    """The questions of a TOML file, `TYPE = "question"` for each type, in the order of the labels.

    Raises ConfigError that names the file and lists everything that is wrong: a type without a question, a name that is
    no type, a question that is no text, and one that two types share, as nothing else would tell them apart.
    """
    given = read_toml(path, 'expected a TOML file with a line TYPE = "question" for each type')
    problems = [problem for name, question in given.items() if (problem := _problem_of(name, question, labels))]
    problems += [
        f'no question for the type {label}; add {_key(label)} = "..."' for label in labels if label not in given
    ]
    questions = {label: given[label].strip() for label in labels if isinstance(given.get(label), str)}
    for question, times in Counter(questions.values()).items():
        if question and times > 1:
            types = ", ".join(label for label, text in questions.items() if text == question)
            problems.append(f"{types} have the same question; each needs its own, as nothing else tells types apart")
    if problems:
        raise ConfigError.of(f"{path}: {problem}" for problem in problems)
    return questions


def default_questions(labels: Sequence[str], unit: Unit) -> dict[str, str]:
    """A question for each type from its name: in Chinese for text read by characters, else in English.

    Names of well-known data sets are known; any other name is split at `_`, `-`, `.` and at capitals, and taken as the
    words that it is made of. Types that would share a question have their name behind it.
    """
    questions = {label: _question(label, unit) for label in labels}
    times = Counter(questions.values())
    return {label: text if times[text] == 1 else f"{text} ({label})" for label, text in questions.items()}


def question_words(question: str, unit: Unit) -> tuple[str, ...]:
    """The words of a question, cut as raw text is."""
    return segment(question, unit)[0]


def _question(label: str, unit: Unit) -> str:
    meaning = MEANINGS.get(label) or MEANINGS.get(label.lower())
    name = " ".join(_words_of(label)) or label
    if unit == "character":
        return f"找出句子中的{meaning[1] if meaning else name}"
    return f"Find every {meaning[0] if meaning else name} in the sentence"


def _words_of(label: str) -> list[str]:
    """`WorkOfArt`, `work_of_art` and `WORK-OF-ART` are the same words; several capitals in a row are one."""
    parts = re.split(r"[\W_]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", label))
    return [part.lower() for part in parts if part]


def _problem_of(name: str, question: object, labels: Sequence[str]) -> str | None:
    if name not in labels:
        return f"{name} is no type of the data; {did_you_mean(name, labels)}"
    if isinstance(question, dict):
        return f"{name}: expected a question in quotes, found a table; a type with a dot in its name is quoted, too"
    if not isinstance(question, str):
        return f"{name}: expected a question in quotes, found {question!r}"
    return None if question.strip() else f"{name}: the question is empty; say in words what to find"


def _key(label: str) -> str:
    return label if re.fullmatch(r"[A-Za-z0-9_-]+", label) else json.dumps(label, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class QuestionFeatures:
    """One sentence: its words, of which `collate` makes the input of the encoder, and its size for all types.

    windows: of the sentence, each of which the encoder can read behind every question.
    """

    words: tuple[str, ...]
    size: int
    windows: tuple[Window, ...]


class QuestionFeaturizer(Featurizer[QuestionFeatures]):
    """The rows that an MRC head reads: each sentence once for each type, as question, separator, sentence.

    base:      the featurizer of the encoder (with what is known of words, if that is so).
    questions: of each type, in the order of the types, its words.
    separator: the word between; for a pretrained encoder its tokenizer's separating piece.
    segments:  tell the encoder question (separator included) and sentence apart, where it has a way (BERT's segments).

    A sentence too long for the encoder is read in windows, each behind the question. Where a question takes more than
    half of what the encoder can read, words of a row's later part are read without it. `counts` says of how many
    sentences that is so; shorter questions or a larger window help.
    """

    def __init__(
        self,
        base: Featurizer[Any],
        questions: Sequence[Sequence[str]],
        *,
        separator: str = SEPARATOR,
        segments: bool = False,
    ) -> None:
        self.base, self.segmented = base, segments
        self.prefixes = tuple((*question, separator) for question in questions)
        self._longest = max(self.prefixes, key=lambda prefix: base.size(base.features(prefix)))
        self._counts: Counter[str] = Counter({CUT: 0})

    @property
    def counts(self) -> Counter[str]:
        return self._counts

    def features(self, words: Sequence[str]) -> QuestionFeatures:
        """What the base makes of the rows is made anew for each batch: kept once for each type it would be some 10 KB a
        sentence, and making it takes less than a millisecond.
        """
        before = dict(self.base.counts)
        # the sentence alone: questions have their own oddities, and no one is to count them
        alone = self.base.features(words)
        self._counts.update({key: count - before.get(key, 0) for key, count in self.base.counts.items()})
        windows: Sequence[Window] = (Window(0, len(words), 0, len(words)),)
        if self.base.in_windows(self.base.features((*self._longest, *words))):
            windows = self.base.windows(alone, reserved=self.base.size(self.base.features(self._longest)))
        rows = self._rows(words[windows[0].start : windows[0].end])
        self._counts[CUT] += any(map(self.base.in_windows, rows))
        return QuestionFeatures(tuple(words), len(windows) * sum(map(self.base.size, rows)), tuple(windows))

    def cut(self, features: QuestionFeatures, start: int, end: int) -> QuestionFeatures:
        words = features.words[start:end]
        size = sum(map(self.base.size, self._rows(words)))
        return QuestionFeatures(words, size, (Window(0, len(words), 0, len(words)),))

    def windows(self, features: QuestionFeatures, *, reserved: int = 0) -> Sequence[Window]:
        return features.windows

    def size(self, features: QuestionFeatures) -> int:
        return features.size

    def innermost(self) -> Featurizer[Any]:
        return self.base.innermost()

    def collate(self, batch: Sequence[QuestionFeatures]) -> dict[str, Tensor]:
        """The base's tensors of all rows, row = sentence · types + type, its `mask` as `question_mask` (where
        `segmented` also what its `segments` gives); and

        mask            (batch, words) bool, True = the word exists.
        question_places (batch · types, words) long, where each word of the sentence stands in the row; 0 at padding.
        """
        rows = [row for features in batch for row in self._rows(features.words)]
        inputs = self.base.collate(rows)
        inputs["question_mask"] = inputs["mask"]
        if self.segmented:
            inputs |= self.base.segments(rows, [len(prefix) for prefix in self.prefixes] * len(batch))
        lengths = torch.tensor([len(features.words) for features in batch], dtype=torch.long)
        steps = torch.arange(int(lengths.max()) if batch else 0)
        mask = steps < lengths[:, None]
        before = torch.tensor([len(prefix) for prefix in self.prefixes], dtype=torch.long)
        places = (before[:, None] + steps).masked_fill(~mask[:, None], 0)
        return {**inputs, "mask": mask, "question_places": places.flatten(0, 1)}

    def _rows(self, words: Sequence[str]) -> list[Any]:
        return [self.base.features((*prefix, *words)) for prefix in self.prefixes]
