import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from threading import Event

import pytest

from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.sentence import Sentence
from ner_distill.errors import DataError
from ner_distill.options.models import PredictOptions
from ner_distill.pipelines.predict import WINDOW, as_they_come, predict
from tests import corpora
from tests.commands import ok, run, settings
from tests.parsed import Parsed
from tests.world import World

ZERO = "\u200b"
EMOJI = "😀👩‍👧 Ann Miller lives in Oslo .\nIt rains in Vienna today .\n"


def strip_tags(inline: str) -> str:
    return re.sub(r"\[[A-Z]+ ([^]]*)\]", r"\1", inline)


def test_offsets_slice_the_original_text_behind_emoji(world: World) -> None:
    lines = ok("predict", "--model", world.teacher, "--format", "jsonl", stdin=EMOJI).out.splitlines()
    found = [json.loads(line) for line in lines]
    assert [row["text"] for row in found] == EMOJI.splitlines()
    surfaces = [[(row["text"][e["start"] : e["end"]], e["label"]) for e in row["entities"]] for row in found]
    assert surfaces == [[("Ann Miller", "PER"), ("Oslo", "LOC")], [("Vienna", "LOC")]]


def test_lines_longer_than_max_words_are_printed_without_entities_and_said(world: World) -> None:
    done = ok(
        "predict", "--model", world.teacher, "--max-words", "4", stdin="In Oslo .\nIt rains in Oslo .\nIn Oslo .\n"
    )
    assert done.out == "In [LOC Oslo] .\nIt rains in Oslo .\nIn [LOC Oslo] .\n"
    assert "1 sentences of more than --max-words words are not read, the first at stdin:2" in done.err


def test_a_line_of_many_windows_is_answered_as_its_sentences_are(world: World) -> None:
    lines = world.raw.read_text("utf-8").splitlines() * 3
    apart = ok("predict", "--model", world.teacher, stdin="\n".join(lines) + "\n").out.split("\n")
    (whole,) = ok("predict", "--model", world.teacher, stdin=" ".join(lines) + "\n").out.splitlines()
    assert re.sub(r"\[[A-Z]+ ([^]]*)\]", r"\1", whole) == " ".join(lines)
    expected, found = (Counter(re.findall(r"\[[^]]*\]", text)) for text in (" ".join(apart), whole))
    assert (expected & found).total() > 0.95 * expected.total()


def test_inline_without_its_brackets_is_the_text(world: World) -> None:
    out = ok("predict", "--model", world.teacher, stdin=EMOJI).out
    assert "[PER Ann Miller] lives in [LOC Oslo]" in out
    assert strip_tags(out) == EMOJI


def test_conll_output_is_read_again_as_the_same_entities(world: World, tmp_path: Path) -> None:
    out = ok("predict", "--model", world.teacher, "--text", world.raw, "--format", "conll").out
    (tmp_path / "out.conll").write_text(out, "utf-8")
    again = read_corpus([tmp_path / "out.conll"]).sentences
    expected = corpora.sentences(80, seed=3)
    assert [sentence.words for sentence in again] == [sentence.words for sentence in expected]
    agree = sum(a.spans == b.spans for a, b in zip(again, expected, strict=True))
    assert agree > 70


@pytest.mark.parametrize("options", [[], ["--text", "-"]], ids=["by default", "named -"])
def test_text_comes_from_standard_input(world: World, options: list[str]) -> None:
    assert ok("predict", "--model", world.teacher, *options, stdin=", .\n").out == ", .\n"


def test_answers_come_in_the_order_of_the_text(world: World) -> None:
    texts = [sentence.words for sentence in corpora.sentences(40, seed=5)]
    out = ok("predict", "--model", world.student, stdin="".join(" ".join(words) + "\n" for words in texts)).out
    assert [tuple(re.sub(r"\[[A-Z]+ |\]", "", line).split()) for line in out.splitlines()] == texts


def test_a_sentence_is_read_alike_alone_and_among_longer_ones(world: World) -> None:
    line = "Ann Mary Novak works for Orion Bank in New York ."
    alone = ok("predict", "--model", world.student, "--format", "jsonl", stdin=line).out
    among = ok("predict", "--model", world.student, "--format", "jsonl", stdin=f"{line}\n{'the ' * 300}\n").out
    assert json.loads(alone)["entities"] == json.loads(among.splitlines()[0])["entities"]


def test_words_of_labelled_files_are_taken_as_they_are(world: World) -> None:
    rows = ok("predict", "--model", world.teacher, "--text", world.dev, "--format", "jsonl").out.splitlines()
    assert [tuple(json.loads(row)["words"]) for row in rows] == [s.words for s in corpora.sentences(20, seed=2)]


def test_text_is_answered_before_all_of_it_is_read(world: World, tmp_path: Path) -> None:
    text = tmp_path / "raw.txt"
    text.write_bytes(b"It rains in Oslo today .\n" * 4000 + b"\xff\n")
    answers = predict(PredictOptions(model=world.student, text=[text]))
    assert len(list(islice(answers, 1000))) == 1000


BLANK_LINES = "Ann Miller left\n\n \u2003\n\u200b\nTom Baker left"


def test_every_line_is_answered_in_its_place(world: World) -> None:
    assert strip_tags(ok("predict", "--model", world.teacher, stdin=BLANK_LINES).out) == f"{BLANK_LINES}\n"
    rows = ok("predict", "--model", world.teacher, "--format", "jsonl", stdin=BLANK_LINES).out.splitlines()
    assert [json.loads(row)["text"] for row in rows] == BLANK_LINES.splitlines()
    assert [json.loads(row)["id"] for row in rows] == [f"stdin:{number}" for number in range(1, 6)]
    assert [len(json.loads(row)["entities"]) for row in rows] == [1, 0, 0, 0, 1]


def test_standard_input_without_a_line_is_said(world: World) -> None:
    done = ok("predict", "--model", world.teacher, stdin="")
    assert (done.out, done.err) == ("", "warning: --text -: no line in it\n")


def test_columns_have_one_blank_line_for_every_line(world: World, tmp_path: Path) -> None:
    out = ok("predict", "--model", world.teacher, "--format", "conll", stdin=BLANK_LINES).out
    assert out.splitlines().count("") == 5
    (tmp_path / "out.conll").write_text(out, "utf-8")
    assert [sentence.words[0] for sentence in read_corpus([tmp_path / "out.conll"]).sentences] == ["Ann", ZERO, "Tom"]


def test_every_record_is_answered_under_its_id_in_its_place(world: World, tmp_path: Path) -> None:
    records = [
        {"id": "a", "text": ""},
        {"id": "b", "text": "Bo left"},
        {"id": "a", "text": "Ann sings", "meta": {"k": 1}},
        {"id": "c", "words": []},
    ]
    (tmp_path / "in.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    arguments = ["predict", "--model", world.student, "--text", tmp_path / "in.jsonl"]
    rows = [json.loads(row) for row in ok(*arguments, "--format", "jsonl").out.splitlines()]
    assert [row["id"] for row in rows] == ["a", "b", "a", "c"]
    assert [row.get("text") for row in rows] == ["", "Bo left", "Ann sings", None]
    assert rows[3] == {"id": "c", "words": [], "tags": [], "entities": []}
    assert len(ok(*arguments).out.splitlines()) == 4


@pytest.mark.parametrize("text", ["Bo\x1csings in Ulm\n", "a\x00b \x07\n", "-DOCSTART- Ann\n", "# Ann\n#Ann left\n"])
def test_columns_of_any_text_are_read_back(world: World, tmp_path: Path, text: str) -> None:
    rows = ok("predict", "--model", world.teacher, "--format", "jsonl", stdin=text).out.splitlines()
    (tmp_path / "in.jsonl").write_text("".join(f"{row}\n" for row in rows), "utf-8")
    out = ok("predict", "--model", world.teacher, "--format", "conll", stdin=text).out
    (tmp_path / "out.conll").write_text(out, "utf-8")
    expected, found = (read_corpus([tmp_path / name], unit="word").sentences for name in ("in.jsonl", "out.conll"))
    assert [len(one.words) for one in found] == [len(one.words) for one in expected]
    assert [one.spans for one in found] == [one.spans for one in expected]


def test_unknown_output_format_is_an_error(world: World) -> None:
    done = run("predict", "--model", world.teacher, "--format", "xml", stdin=", .\n")
    assert done.code == 2
    assert "--format: expected jsonl, conll, csv, label-studio, " in done.err


def test_chinese_needs_no_blanks(tmp_path: Path) -> None:
    data = corpora.write_all(tmp_path / "zh", train=40, dev=10, raw=1, chinese=True)
    ok("train-teacher", "--train", data / "train.conll", "--dev", data / "dev.conll", "--out", tmp_path / "t",
       *settings(*corpora.SMALL, "optim.epochs=6"))  # fmt: skip
    assert ok("predict", "--model", tmp_path / "t", stdin="王明住在北京。\n").out == "[PER 王明]住在[LOC 北京]。\n"


def test_a_line_in_a_pipe_is_answered_while_the_pipe_stays_open(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    out, into = os.pipe()
    with open(out, encoding="utf-8") as stdin, open(into, "wb", buffering=0) as writer:
        monkeypatch.setattr(sys, "stdin", stdin)
        writer.write(b", .\n")
        answers = predict(PredictOptions(model=world.teacher))
        assert next(answers).sentence.text == ", ."
        writer.write(b"It rains .\n")
        assert next(answers).sentence.text == "It rains ."
        writer.close()
        assert list(answers) == []


def numbered(count: int) -> list[Sentence]:
    return [Sentence(str(number), ("w",)) for number in range(count)]


def test_sentences_that_are_there_come_as_one_group() -> None:
    first, *others = numbered(100)
    read, go = Event(), Event()

    def stream() -> Iterator[Sentence]:
        yield first
        go.wait(10)
        yield from others
        read.set()

    groups = as_they_come(stream())
    assert next(groups) == [first]
    go.set()
    read.wait(10)
    assert next(groups) == others


def test_groups_hold_every_sentence_once_and_are_bounded() -> None:
    sentences = numbered(5 * WINDOW)
    groups = list(as_they_come(sentences))
    assert [sentence for group in groups for sentence in group] == sentences
    assert max(map(len, groups)) <= WINDOW


def test_error_of_the_reader_is_raised_after_the_sentences_before_it() -> None:
    def stream() -> Iterator[Sentence]:
        yield from numbered(3)
        raise DataError("stdin:4: bad")

    found: list[Sentence] = []
    with pytest.raises(DataError, match="stdin:4: bad"):
        found.extend(sentence for group in as_they_come(stream()) for sentence in group)
    assert found == numbered(3)


def test_reader_ends_when_nobody_wants_more() -> None:
    ended = Event()

    def stream() -> Iterator[Sentence]:
        try:
            while True:
                yield from numbered(1000)
        finally:
            ended.set()

    groups = as_they_come(stream())
    next(groups)
    groups.close()  # type: ignore[attr-defined]
    assert ended.wait(10)


def test_html_is_one_page_with_a_block_for_every_line(world: World) -> None:
    text = "<b> rains & rains .\n\nIt rains .\n"
    done = ok("predict", "--model", world.student, "--format", "html", "--min-score", "1", stdin=text)
    page = Parsed(done.out, "article")
    assert [text.rpartition("stdin")[2] for text in page.inside] == [":1", ":2", ":3"]
    assert [text.partition("stdin")[0] for text in page.inside] == ["<b> rains & rains .", "", "It rains ."]
    assert done.out.endswith("</html>\n")


# ---- text as an argument, files to write, devices


def test_text_is_taken_as_an_argument(world: World) -> None:
    done = ok("predict", "--model", world.teacher, "Ann Miller lives in Oslo .", "It rains in Vienna\ntoday .")
    assert done.out == "[PER Ann Miller] lives in [LOC Oslo] .\nIt rains in [LOC Vienna]\ntoday .\n"


def test_text_as_an_argument_and_files_of_text_do_not_go_together(world: World) -> None:
    done = run("predict", "--model", world.teacher, "Ann", "--text", world.raw)
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: TEXT and --text: expected text itself or files of it, found both\n"


@pytest.mark.parametrize("name", ["out.jsonl", "out.conll", "out.html"])
def test_a_file_has_what_would_be_printed(world: World, tmp_path: Path, name: str) -> None:
    asked = ("predict", "--model", world.teacher, "--text", world.raw)
    done = ok(*asked, "--out", tmp_path / name)
    assert done.out == ""
    assert f"{name}: {len(world.raw.read_text('utf-8').splitlines()):,} sentences" in done.err
    printed = ok(*asked, "--format", name.removeprefix("out.")).out
    assert (tmp_path / name).read_text("utf-8") == printed


def test_a_name_that_ends_as_a_folder_is_one_of_brat(world: World, tmp_path: Path) -> None:
    ok("predict", "--model", world.teacher, "In Oslo .", "--out", f"{tmp_path}/new/")
    assert sorted(one.name for one in (tmp_path / "new").iterdir()) == ["text_000001.ann", "text_000001.txt"]


def test_a_file_that_is_there_is_replaced_only_where_asked(world: World, tmp_path: Path) -> None:
    asked = ("predict", "--model", world.teacher, "Ann Miller", "--out", tmp_path / "a.spacy")
    ok(*asked)
    before = (tmp_path / "a.spacy").read_bytes()
    assert "exists already; choose another name, or pass --overwrite" in run(*asked).err
    ok(*asked, "--overwrite")
    assert (tmp_path / "a.spacy").read_bytes() == before


def test_text_is_never_replaced_by_what_is_found_in_it(world: World, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "Ann Miller"}\n')
    asked = ("predict", "--model", world.teacher, "--text", tmp_path / "a.jsonl", "--overwrite", "--out")
    assert "a.jsonl: is read and written; expected another name" in run(*asked, tmp_path / "a.jsonl").err
    assert "a.jsonl in it is read; expected another name" in run(*asked, f"{tmp_path}/").err
    assert (tmp_path / "a.jsonl").read_text() == '{"text": "Ann Miller"}\n'


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--out", "a.xml"], "a.xml: its name does not say which format"),
        (["--format", "docbin"], "--format docbin is no text that could be printed; give --out"),
        (["--device", "cuda:99"], "--device cuda:99: expected auto or one of what is there: cpu"),
        (["--device", "tpu"], "--device tpu: expected auto or one of what is there: cpu"),
        (["--out", "a.jsonl", "--lattice"], "--lattice is drawn where sentences are printed"),
    ],
)
def test_options_that_cannot_be_done_are_refused(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], error: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("predict", "--model", world.teacher, "Ann", *options)
    assert (done.code, done.out) == (2, "")
    assert error in done.err
    assert list(tmp_path.iterdir()) == []


def test_the_cpu_may_be_asked_for(world: World) -> None:
    assert ok("predict", "--model", world.teacher, "--device", "cpu", "In Oslo .").out == "In [LOC Oslo] .\n"


def test_the_name_of_a_file_in_place_of_a_text_is_told_of(world: World) -> None:
    done = ok("predict", "--model", world.teacher, world.raw, "In Oslo .")
    assert done.out.count("\n") == 2
    assert f"{world.raw}: is a file, but its name is looked at; to read the file give it as --text" in done.err


def test_objects_of_uie_have_no_blank_lines_between_them(world: World) -> None:
    done = ok("predict", "--model", world.teacher, "--format", "uie", stdin="zz\nIn Oslo .\nzzz\n")
    assert all(map(json.loads, done.out.splitlines()))
