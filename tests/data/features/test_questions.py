"""Questions from files and from names, and the rows that are made of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ner_distill.data.features.gazetteers import Gazetteers
from ner_distill.data.features.knowledge import KnowledgeFeaturizer
from ner_distill.data.features.pieces import PieceFeaturizer
from ner_distill.data.features.questions import (
    CUT,
    MEANINGS,
    SEPARATOR,
    QuestionFeaturizer,
    default_questions,
    question_words,
    read_questions,
)
from ner_distill.data.features.words import WordFeaturizer
from ner_distill.data.lexicon.lexicon import Lexicon
from ner_distill.errors import ConfigError
from ner_distill.nn.encoders import huggingface as _hf
from tests import checkpoints

LABELS = ("LOC", "PER", "work.art")


def toml(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "questions.toml"
    path.write_text(text, "utf-8")
    return path


# ---- files


def test_questions_are_read_in_the_order_of_the_types(tmp_path: Path) -> None:
    path = toml(tmp_path, 'PER = "谁?"\n"work.art" = " Which work? "\nLOC = "Where?"\n')
    assert list(read_questions(path, LABELS).items()) == [
        ("LOC", "Where?"),
        ("PER", "谁?"),
        ("work.art", "Which work?"),
    ]


def problem(tmp_path: Path, text: str, labels: tuple[str, ...] = ("LOC", "PER")) -> str:
    with pytest.raises(ConfigError) as error:
        read_questions(toml(tmp_path, text), labels)
    return str(error.value).replace(str(tmp_path), "")


def test_a_type_without_a_question_is_named(tmp_path: Path) -> None:
    assert problem(tmp_path, 'PER = "Who?"') == '/questions.toml: no question for the type LOC; add LOC = "..."'


def test_the_line_to_add_is_quoted_where_toml_wants_it(tmp_path: Path) -> None:
    told = problem(tmp_path, "", ("work.art",))
    assert told == '/questions.toml: no question for the type work.art; add "work.art" = "..."'


@pytest.mark.parametrize(("name", "meant"), [("PRE", "PER"), ("loc", "LOC"), ("LOCS", "LOC")])
def test_an_unknown_type_comes_with_the_name_that_was_meant(tmp_path: Path, name: str, meant: str) -> None:
    told = problem(tmp_path, f'LOC = "Where?"\nPER = "Who?"\n{name} = "What?"')
    assert told == f"/questions.toml: {name} is no type of the data; did you mean {meant}?"


def test_an_unknown_type_that_resembles_none_comes_with_all_names(tmp_path: Path) -> None:
    told = problem(tmp_path, 'LOC = "Where?"\nPER = "Who?"\ndisease = "What?"')
    assert told == "/questions.toml: disease is no type of the data; the data has LOC, PER"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('LOC = "  "', "LOC: the question is empty"),
        ("LOC = 3", "LOC: expected a question in quotes, found 3"),
        ('LOC.x = "Where?"', "LOC: expected a question in quotes, found a table"),
    ],
)
def test_a_question_that_is_no_text_is_an_error(tmp_path: Path, line: str, told: str) -> None:
    assert problem(tmp_path, f'PER = "Who?"\n{line}').startswith(f"/questions.toml: {told}")


def test_two_types_with_one_question_are_an_error(tmp_path: Path) -> None:
    told = problem(tmp_path, 'PER = "Which names?"\nLOC = "Which names? "')
    assert told.startswith("/questions.toml: LOC, PER have the same question")


def test_all_problems_are_in_one_message(tmp_path: Path) -> None:
    told = problem(tmp_path, 'PRE = "Who?"\nPER = ""')
    assert told.startswith("3 problems:")
    assert all(
        part in told for part in ("PRE is no type", "PER: the question is empty", "no question for the type LOC")
    )


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'nowhere.toml: not found; expected .* TYPE = "question"'):
        read_questions(tmp_path / "nowhere.toml", LABELS)


@pytest.mark.parametrize(("content", "told"), [(b"PER: who", "not valid TOML"), (b'PER = "\xff"', "as UTF-8")])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "questions.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"questions.toml: .*{told}"):
        read_questions(path, LABELS)


# ---- from names


@pytest.mark.parametrize(
    ("label", "english", "chinese"),
    [
        ("PER", "Find every name of a person in the sentence", "找出句子中的人名"),
        ("sym", "Find every symptom or sign in the sentence", "找出句子中的症状、临床表现"),
        ("pro", "Find every medical procedure or examination in the sentence", "找出句子中的医疗程序、检查"),
        ("PRO", "Find every subject of study in the sentence", "找出句子中的专业"),
        ("car-brand", "Find every car brand in the sentence", "找出句子中的car brand"),
        ("CarBrand", "Find every car brand in the sentence", "找出句子中的car brand"),
        ("DNASite_2", "Find every dna site 2 in the sentence", "找出句子中的dna site 2"),
        ("药品", "Find every 药品 in the sentence", "找出句子中的药品"),
        ("__", "Find every __ in the sentence", "找出句子中的__"),
    ],
)
def test_a_name_becomes_a_question_in_the_language_of_the_text(label: str, english: str, chinese: str) -> None:
    assert default_questions([label], "word") == {label: english}
    assert default_questions([label], "character") == {label: chinese}


@pytest.mark.parametrize("unit", ["word", "character"])
def test_no_two_types_get_the_same_question(unit: str) -> None:
    labels = [*MEANINGS, "CarBrand", "car_brand", *(name.upper() for name in MEANINGS if name.islower())]
    questions = default_questions(labels, unit)  # type: ignore[arg-type]
    assert list(questions) == list(dict.fromkeys(labels))
    assert len(set(questions.values())) == len(questions)


def test_the_words_of_a_question_are_cut_as_the_text_is() -> None:
    assert question_words("Who (by name)?", "word") == ("Who", "(", "by", "name", ")", "?")
    assert question_words("找出 QQ号", "character") == tuple("找出 QQ号")


# ---- rows


QUESTIONS = [("who", "?"), ("where", "is", "it", "?")]
SENTENCES = [("Juan", "vive", "en", "Madrid"), (), ("Madrid", "?")]


def words_featurizer(max_words: int = 512) -> WordFeaturizer:
    texts = [*SENTENCES, *QUESTIONS, (SEPARATOR,)] * 3
    return WordFeaturizer.counted(texts, "word", max_words=max_words)


def test_rows_are_question_separator_and_sentence_type_by_type() -> None:
    base = words_featurizer()
    featurizer = QuestionFeaturizer(base, QUESTIONS, separator="|")
    inputs = featurizer.collate([featurizer.features(words) for words in SENTENCES])
    rows = [(*question, "|", *words) for words in SENTENCES for question in QUESTIONS]
    wanted = base.collate([base.features(row) for row in rows])
    assert inputs.keys() == {*wanted, "question_mask", "question_places"}
    assert torch.equal(inputs.pop("question_mask"), wanted.pop("mask"))
    for key, values in wanted.items():
        assert torch.equal(inputs[key], values), key


def test_the_mask_is_that_of_the_sentences() -> None:
    featurizer = QuestionFeaturizer(words_featurizer(), QUESTIONS)
    mask = featurizer.collate([featurizer.features(words) for words in SENTENCES])["mask"]
    assert mask.tolist() == [[True] * 4, [False] * 4, [True, True, False, False]]


def test_places_lead_to_the_words_of_the_sentence() -> None:
    featurizer = QuestionFeaturizer(words_featurizer(), QUESTIONS)
    places = featurizer.collate([featurizer.features(words) for words in SENTENCES])["question_places"]
    assert places.tolist() == [[3, 4, 5, 6], [5, 6, 7, 8], [0] * 4, [0] * 4, [3, 4, 0, 0], [5, 6, 0, 0]]


def test_size_is_the_sum_over_the_types() -> None:
    featurizer = QuestionFeaturizer(words_featurizer(), QUESTIONS)
    assert featurizer.size(featurizer.features(SENTENCES[0])) == (2 + 1 + 4) + (4 + 1 + 4)


def test_a_batch_of_no_sentences_has_no_rows() -> None:
    inputs = QuestionFeaturizer(words_featurizer(), QUESTIONS).collate([])
    assert inputs["mask"].shape == (0, 0)
    assert inputs["question_places"].shape == (0, 0)


def test_what_is_known_of_words_is_known_of_those_behind_a_question() -> None:
    lists = Gazetteers({"LOC": Lexicon({"Madrid": 0}, separator=" ")})
    featurizer = QuestionFeaturizer(KnowledgeFeaturizer(words_featurizer(), {"gazetteers": lists}), QUESTIONS)
    marks = featurizer.collate([featurizer.features(SENTENCES[0])])["gazetteers_marks"]
    assert marks[..., 0].nonzero().tolist() == [[0, 6], [1, 8]]


def test_sentences_that_a_question_makes_too_long_are_counted_once() -> None:
    featurizer = QuestionFeaturizer(words_featurizer(max_words=8), QUESTIONS)
    for words in SENTENCES:  # the second question and the first sentence are 9 words
        featurizer.features(words)
    assert featurizer.counts == {CUT: 1}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> object:
    return _hf.load_tokenizer(checkpoints.bert(tmp_path_factory.mktemp("bert")))


def test_a_sentence_that_leaves_no_room_for_the_question_is_read_in_windows_behind_it(tokenizer: object) -> None:
    base = PieceFeaturizer(tokenizer, max_pieces=12)  # type: ignore[arg-type]
    featurizer = QuestionFeaturizer(KnowledgeFeaturizer(base, {}), [["a"], ["b", "c"]], separator="[SEP]")
    windows = [len(featurizer.windows(featurizer.features(["d"] * length))) for length in (5, 7, 8, 11)]
    assert windows == [1, 1, 2, 3]
    assert featurizer.counts == {CUT: 0, "words without pieces": 0, "words cut": 0, "sentences in windows": 1}


def test_odd_words_of_a_sentence_are_counted_once_and_those_of_questions_never(tokenizer: object) -> None:
    base = PieceFeaturizer(tokenizer)  # type: ignore[arg-type]
    featurizer = QuestionFeaturizer(base, [["a", "\u200b"], ["b"]], separator="[SEP]")
    features = featurizer.features(["\u200b", "d"])
    featurizer.collate([features])
    assert featurizer.counts["words without pieces"] == 1


def test_the_separating_piece_of_a_tokenizer_stays_one_piece(tokenizer: object) -> None:
    base = PieceFeaturizer(tokenizer)  # type: ignore[arg-type]
    featurizer = QuestionFeaturizer(base, [["a"]], separator="[SEP]")
    pieces = featurizer.collate([featurizer.features(["b"])])["pieces"]
    assert base.tokenizer.convert_ids_to_tokens(pieces[0].tolist()) == ["[CLS]", "a", "[SEP]", "b", "[SEP]"]
