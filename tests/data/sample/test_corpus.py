"""The generated sample corpus. Files are parsed by hand here: the project's readers are not what is tested."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from ner_distill.console import Reporter
from ner_distill.data.formats.segment import segment
from ner_distill.data.sample.corpus import SampleSizes, write_sample
from ner_distill.data.sample.en import ENGLISH
from ner_distill.data.sample.es import SPANISH
from ner_distill.data.sample.grammar import Rules, expand, lines
from ner_distill.data.sample.grammar import words as word_rules
from ner_distill.data.sample.lists import cut
from ner_distill.data.sample.text import as_text, english, spanish
from ner_distill.data.sample.zh import CHINESE
from ner_distill.data.sentence import Sentence, Span, Unit
from ner_distill.errors import RunError
from ner_distill.options.labels import ApplyReviewOptions
from ner_distill.pipelines.voting.apply_review import apply_review

Entity = tuple[tuple[str, ...], str]
LABELLED = [f"{language}/{part}.conll" for language in ("en", "zh") for part in ("train", "dev", "test")]
LABELLED += ["es/dev.conll", "es/test.conll"]
SMALL = SampleSizes(**dict.fromkeys(SampleSizes.__dataclass_fields__, 20))


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("sample")
    write_sample(directory)
    return directory


def rows_of(path: Path) -> list[list[tuple[str, str]]]:
    """The sentences of a CoNLL file: (word, tag) of each line."""
    blocks = path.read_text(encoding="utf-8").removesuffix("\n\n").split("\n\n")
    return [[(row.split(" ")[0], row.split(" ")[1]) for row in block.split("\n")] for block in blocks]


def words_of(path: Path) -> list[tuple[str, ...]]:
    return [tuple(word for word, _ in sentence) for sentence in rows_of(path)]


def entities_of(path: Path) -> list[Entity]:
    """Every entity of a file, read in the plainest way: B or S starts one, I, M and E go on with it."""
    found: list[tuple[list[str], str]] = []
    for sentence in rows_of(path):
        for word, tag in sentence:
            if tag[0] in "BS":
                found.append(([word], tag[2:]))
            elif tag != "O":
                found[-1][0].append(word)
    return [(tuple(words), label) for words, label in found]


def read(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def objects_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in read(path)]


def bytes_of(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    write_sample(tmp_path / "a", sizes=SMALL)
    write_sample(tmp_path / "b", sizes=SMALL)
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")


def test_another_seed_writes_other_sentences(tmp_path: Path) -> None:
    write_sample(tmp_path / "a", seed=1, sizes=SMALL)
    write_sample(tmp_path / "b", seed=2, sizes=SMALL)
    one, other = bytes_of(tmp_path / "a"), bytes_of(tmp_path / "b")
    assert one.keys() == other.keys()
    assert all(one[name] != other[name] for name in one)


def test_more_raw_text_leaves_the_labelled_spanish_as_it_was(tmp_path: Path) -> None:
    write_sample(tmp_path / "a", sizes=SMALL)
    write_sample(tmp_path / "b", sizes=SampleSizes(**{**vars(SMALL), "es_raw": 60}))
    one, other = bytes_of(tmp_path / "a"), bytes_of(tmp_path / "b")
    assert sorted(name for name in one if one[name] != other[name]) == ["README.txt", "es/raw.txt"]


def test_files_hold_as_many_as_is_said_and_asked_for(tmp_path: Path) -> None:
    sizes = SampleSizes(**{name: 5 + place for place, name in enumerate(SampleSizes.__dataclass_fields__)})
    files = {file.path.relative_to(tmp_path).as_posix(): file for file in write_sample(tmp_path, sizes=sizes)}
    for file in files.values():
        lines = file.path.suffix != ".conll"
        held = len(file.path.read_text(encoding="utf-8").splitlines()) if lines else len(rows_of(file.path))
        assert held == file.count
    asked = {name: getattr(sizes, name.partition(".")[0].replace("/", "_"), None) for name in files}
    assert all(files[name].count == count for name, count in asked.items() if count is not None)
    assert {files[f"en/{name}.txt"].count for name in ("persons", "places", "organisations")} == {sizes.names}
    assert files["en/stopwords.txt"].count == sizes.stopwords


def test_readme_names_every_file(tmp_path: Path) -> None:
    files = write_sample(tmp_path, sizes=SMALL)
    readme = (tmp_path / "README.txt").read_text(encoding="utf-8")
    assert all(str(file.path.relative_to(tmp_path)) in readme for file in files)


@pytest.mark.parametrize("name", [name for name in LABELLED if not name.startswith("zh")])
def test_word_files_are_valid_iob2(sample: Path, name: str) -> None:
    for sentence in rows_of(sample / name):
        previous = "O"
        for _, tag in sentence:
            assert re.fullmatch(r"O|[BI]-(PER|LOC|ORG|MISC)", tag)
            assert tag[0] != "I" or previous in (f"B-{tag[2:]}", tag)
            previous = tag


@pytest.mark.parametrize("name", [name for name in LABELLED if name.startswith("zh")])
def test_chinese_files_are_characters_in_valid_bmes(sample: Path, name: str) -> None:
    entity = r"(?:S-(?:{0})|(?:B-{1})(?: M-{1})* E-{1})"
    valid = "|".join(entity.format(label, label) for label in ("NAME", "ORG", "LOC", "TITLE"))
    for sentence in rows_of(sample / name):
        assert all(len(word) == 1 for word, _ in sentence)
        assert re.fullmatch(f"(?:(?:O|{valid}) ?)+", " ".join(tag for _, tag in sentence))


@pytest.mark.parametrize("name", LABELLED)
def test_every_type_is_a_fair_share_of_every_labelled_file(sample: Path, name: str) -> None:
    labels = [label for _, label in entities_of(sample / name)]
    expected = {"NAME", "ORG", "LOC", "TITLE"} if name.startswith("zh") else {"PER", "ORG", "LOC", "MISC"}
    assert set(labels) == expected
    assert min(labels.count(label) for label in expected) > 0.04 * len(labels)


@pytest.mark.parametrize("language", ["en", "es", "zh"])
def test_no_sentence_occurs_twice_in_a_language(sample: Path, language: str) -> None:
    sentences = [words for path in sorted((sample / language).glob("[!n]*.conll")) for words in words_of(path)]
    unit: Unit = "character" if language == "zh" else "word"
    sentences += [segment(line, unit)[0] for line in read(sample / language / "raw.txt")]
    if language == "zh":
        sentences += [tuple(line.replace(" ", "")) for line in read(sample / "zh" / "segmented.txt")]
    assert len(set(sentences)) == len(sentences)


@pytest.mark.parametrize(
    ("train", "test"), [("en", "en"), ("en", "es"), ("zh", "zh")], ids=["English", "English to Spanish", "Chinese"]
)
def test_most_entities_to_test_on_are_unseen_and_many_are_seen(sample: Path, train: str, test: str) -> None:
    seen = set(entities_of(sample / train / "train.conll"))
    found = entities_of(sample / test / "test.conll")
    unseen = sum(entity not in seen for entity in found) / len(found)
    assert 0.5 < unseen < 0.85


def test_spanish_and_english_share_names_but_few_other_words(sample: Path) -> None:
    inside: dict[str, set[str]] = {}
    outside: dict[str, set[str]] = {}
    for name in ("en/train.conll", "es/test.conll"):
        pairs = [pair for sentence in rows_of(sample / name) for pair in sentence if pair[0].isalpha()]
        inside[name[:2]] = {word for word, tag in pairs if tag != "O"}
        outside[name[:2]] = {word for word, tag in pairs if tag == "O"}
    assert len(inside["es"] & inside["en"]) > 0.3 * len(inside["es"])
    assert len(outside["es"] & outside["en"]) < 0.2 * len(outside["es"])


@pytest.mark.parametrize("name", ["en/train.conll", "es/dev.conll", "es/test.conll"])
def test_segmenter_finds_the_labelled_words_in_the_printed_sentence(sample: Path, name: str) -> None:
    # Raw Spanish is printed by the same function: its words are of the shape that models were trained on.
    for sentence in words_of(sample / name):
        assert segment(as_text(sentence), "word")[0] == sentence


def test_raw_spanish_is_printed_as_people_print_it(sample: Path) -> None:
    text = (sample / "es" / "raw.txt").read_text(encoding="utf-8")
    assert not re.search(r" [,.:;?!)]|[(¿] |  |\b(de|a) el [a-zA-ZÁÉÍÓÚ]|^ | $", text, re.MULTILINE)
    assert all(line.count('"') in (0, 2, 4) for line in text.splitlines())


def test_as_text_closes_quotes_and_brackets_up() -> None:
    words = ("¿", "Vino", "Ana", "(", "Perú", ")", "?", '"', "Sí", '"', ",", "dijo", ".")
    assert as_text(words) == '¿Vino Ana (Perú)? "Sí", dijo.'


@pytest.mark.parametrize(
    ("words", "tags", "expected"),
    [
        ("vino de el Banco Sol .", "O O O B-ORG I-ORG O", "Vino del Banco Sol ."),
        ("vino el jefe de el Club de el Sol", "O O O O O B-ORG I-ORG I-ORG I-ORG", "Vino el jefe del Club del Sol"),
        ("vino de El Salvador .", "O O B-LOC I-LOC O", "Vino de El Salvador ."),
        ("pidió ayuda a el ministro", "O O O O O", "Pidió ayuda al ministro"),
        ("Francia y Italia", "B-LOC O B-LOC", "Francia e Italia"),
        ("Francia y Hierro", "B-LOC O B-LOC", "Francia y Hierro"),
        ("criticó a Nova S.A. .", "O O B-ORG I-ORG O", "Criticó a Nova S.A."),
        ("habló con Ana , jueza , .", "O O B-PER O O O O", "Habló con Ana , jueza ."),
        ('" no vino "', "O O O O", '" No vino "'),
    ],
)
def test_spanish_words_are_fitted_to_their_neighbours(words: str, tags: str, expected: str) -> None:
    fitted = spanish(list(zip(words.split(), tags.split(), strict=True)))
    assert " ".join(word for word, _ in fitted) == expected


@pytest.mark.parametrize(("words", "expected"), [("a oil port", "An oil port"), ("a university", "A university")])
def test_english_article_depends_on_the_next_sound(words: str, expected: str) -> None:
    assert " ".join(word for word, _ in english([(word, "O") for word in words.split()])) == expected


@pytest.mark.parametrize("rules", [ENGLISH, SPANISH, CHINESE], ids=["English", "Spanish", "Chinese"])
def test_every_symbol_is_defined_and_reached(rules: Rules) -> None:
    used = {
        symbol.replace("~", gender)
        for productions in rules.values()
        for production in productions
        for symbol in re.findall(r"<([^<>]+)>", production)
        for gender in "mf"
    }
    assert used - rules.keys() == set()
    assert rules.keys() - used == {"sentence"}


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"s": ("<PER> va",), "PER": ("Ana <x>",), "x": ("Gil",)}, [("Ana", "B-PER"), ("Gil", "I-PER"), ("va", "O")]),
        ({"s": ("<ORG>",), "ORG": ("Banco <LOC>",), "LOC": ("Sol",)}, [("Banco", "B-ORG"), ("Sol", "I-ORG")]),
        ({"s": ("<PER.m>",), "PER.m": ("<a><b>",), "a": ("Lund",), "b": ("gren",)}, [("Lundgren", "B-PER")]),
        ({"s": ("^go <LOC>",), "LOC": ("Rome",)}, [("GO", "O"), ("ROME", "B-LOC")]),
        ({"s": ("[a b|a b] c",)}, [("a", "O"), ("b", "O"), ("c", "O")]),
    ],
    ids=["entity", "inner entity", "glued", "capitals", "choice"],
)
def test_expand_labels_words(rules: Rules, expected: list[tuple[str, str]]) -> None:
    assert expand(rules, "s", random.Random(0)) == expected


def test_expand_keeps_to_one_gender() -> None:
    articles: Rules = {"the.m": ("el",), "the.f": ("la",)}
    rules = {"s": ("<the.~> <job.~> elegid@",), "job.m": ("juez",), "job.f": ("jueza",), **articles}
    found = {" ".join(word for word, _ in expand(rules, "s", random.Random(seed))) for seed in range(20)}
    assert found == {"el juez elegido", "la jueza elegida"}


def test_lines_repeat_a_production_as_often_as_it_weighs() -> None:
    assert lines("*3 a b\n  c  \n\n") == ("a b", "a b", "a b", "c")


def test_characters_are_the_words_of_chinese() -> None:
    rules = {"s": ("<LOC>下雨",), "LOC": ("北京",)}
    found = expand(rules, "s", random.Random(0), "character")
    assert found == [("北", "B-LOC"), ("京", "I-LOC"), ("下", "O"), ("雨", "O")]


def test_directory_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="is not empty.*`overwrite`"):
        write_sample(tmp_path, sizes=SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_overwrite_replaces_the_sample_and_leaves_other_files(tmp_path: Path) -> None:
    write_sample(tmp_path / "fresh", seed=2, sizes=SMALL)
    write_sample(tmp_path / "used", seed=1, sizes=SMALL)
    (tmp_path / "used" / "notes.txt").write_text("mine")
    write_sample(tmp_path / "used", seed=2, sizes=SMALL, overwrite=True)
    assert bytes_of(tmp_path / "used") == {**bytes_of(tmp_path / "fresh"), "notes.txt": b"mine"}


def test_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is a file"):
        write_sample(tmp_path / "file", sizes=SMALL)


def test_directory_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="file/below/en: cannot be written"):
        write_sample(tmp_path / "file" / "below", sizes=SMALL)


def test_noisy_labels_are_wrong_here_and_there_and_words_are_the_same(sample: Path) -> None:
    noisy, right = rows_of(sample / "en" / "noisy.conll"), rows_of(sample / "en" / "train.conll")
    assert [[word for word, _ in one] for one in noisy] == [[word for word, _ in one] for one in right]
    wrong = sum(one != other for one, other in zip(noisy, right, strict=True))
    assert 0.15 < wrong / len(right) < 0.35
    kept, given = entities_of(sample / "en" / "noisy.conll"), entities_of(sample / "en" / "train.conll")
    assert 0.01 < 1 - len(kept) / len(given) < 0.08  # forgotten


def test_decisions_make_the_right_labels_of_the_noisy_ones(sample: Path, tmp_path: Path) -> None:
    decisions, noisy, out = sample / "en" / "decisions.jsonl", sample / "en" / "noisy.conll", tmp_path / "mended.jsonl"
    apply_review(ApplyReviewOptions(decisions=[decisions], data=[noisy], out=out), Reporter(quiet=True))
    mended = [list(zip(one["words"], one["tags"], strict=True)) for one in objects_of(out)]
    assert mended == rows_of(sample / "en" / "train.conll")


def test_nested_file_has_the_labels_of_train_and_places_inside_longer_names(sample: Path) -> None:
    outer = [len(re.findall(r"\bB-", " ".join(tag for _, tag in one))) for one in rows_of(sample / "en/train.conll")]
    inside = 0
    for one, flat in zip(objects_of(sample / "en" / "nested.jsonl"), outer, strict=True):
        spans = [(span["start_word"], span["end_word"], span["label"]) for span in one.get("entities", [])]
        within = [
            (s, e, label) for s, e, label in spans if any(a <= s and e <= b and b - a > e - s for a, b, _ in spans)
        ]
        assert {label for _, _, label in within} <= {"LOC", "MISC"}
        assert not spans or len(spans) - len(within) == flat
        inside += len(within)
    assert inside > 100


@pytest.mark.parametrize("name", ["persons", "places", "organisations"])
def test_lists_have_names_of_the_raw_text_and_others(sample: Path, name: str) -> None:
    listed = read(sample / "en" / f"{name}.txt")
    text = (sample / "en" / "raw.txt").read_text(encoding="utf-8")
    assert len(set(listed)) == len(listed)
    assert 0.3 < sum(name in text for name in listed) / len(listed) < 0.98


def test_stopwords_stand_in_no_entity(sample: Path) -> None:
    inside = {word for words, _ in entities_of(sample / "en" / "train.conll") for word in words}
    listed = read(sample / "en" / "stopwords.txt")
    names = {line for name in ("persons", "places", "organisations") for line in read(sample / "en" / f"{name}.txt")}
    assert {"the", "in", "said"} <= set(listed)
    assert set(listed) & (inside | names) == set()


def test_chinese_word_list_has_frequencies_and_a_part_of_the_names(sample: Path) -> None:
    rows = [line.split("\t") for line in read(sample / "zh" / "words.txt")]
    counts = [int(count) for _, count in rows]
    words = {word for word, _ in rows}
    assert counts == sorted(counts, reverse=True)
    assert min(counts) > 0
    assert all(2 <= len(word) <= 8 for word in words)
    assert len(words) == len(rows)
    assert {"有限公司", "大学", "记者"} <= words
    names = [("".join(chars), label) for chars, label in entities_of(sample / "zh" / "test.conll")]
    known = [name in words for name, label in names if label == "LOC"]
    assert 0.2 < sum(known) / len(known) < 0.9


def test_chinese_names_are_cut_out_of_segmented_text() -> None:
    words = tuple("王建国去了北京大学第12天")
    sentence = Sentence("1", words, (Span(0, 3, "NAME"), Span(5, 9, "ORG")))
    assert cut(sentence, frozenset({"去了", "大学", "建国"})) == ["王建国", "去了", "北京", "大学", "第", "12", "天"]


def test_words_turns_the_low_line_into_a_space() -> None:
    assert word_rules("a_b c") == ("a b", "c")
