import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from ner_distill.data.store.columns import SPAN, SoftBlock, SoftRow
from ner_distill.data.store.manifest import StoreHeader, TeacherId
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.data.store.writer import StoreWriter
from ner_distill.data.tagset import TagSet
from ner_distill.errors import ConfigError, RunError
from ner_distill.pipelines.show import count_types, show

TAGS = TagSet(("ORG", "PER"))


def make_row(name: str, *tagged: tuple[str, str, float], dropped: tuple[int, ...] = ()) -> SoftRow:
    """Words with their tag and its probability; what is left goes to O (or to B-ORG where the tag is O)."""
    probs = np.zeros((len(tagged), len(TAGS)))
    for position, (_, tag, probability) in enumerate(tagged):
        probs[position, 1 if tag == "O" else 0] = 1 - probability
        probs[position, TAGS.tags.index(tag)] = probability
    keep = np.array([position not in dropped for position in range(len(tagged))])
    return SoftRow(name, tuple(word for word, _, _ in tagged), probs.astype(np.float16), keep)


BANK = make_row(
    "bank",
    ("El", "O", 0.99),
    ("Banco", "B-ORG", 0.98),
    ("de", "I-ORG", 0.96),
    ("España", "I-ORG", 0.97),
    ("cerró", "O", 0.9),
    dropped=(4,),
)
RAIN = make_row("rain", ("It", "O", 1.0), ("rains", "O", 1.0))
ANN = make_row("ann", ("Ann", "B-PER", 0.6), ("left", "O", 1.0))


def write_store(
    path: Path, shards: list[list[SoftRow]], *, unit: str = "word", finish: bool = True, floor: float | None = None
) -> Path:
    header = StoreHeader(
        labels=TAGS.labels,
        unit=unit,
        teachers=(TeacherId(name="runs/teacher", fingerprint="aaa111"),),
        inputs=(),
        shard_size=3,
        block_size=3,
        span_floor=floor,
    )
    writer = StoreWriter.create(path, header)
    for index, rows in enumerate(shards):
        writer.write_shard(index, [SoftBlock(tuple(rows), np.zeros((0, 4), np.int32), np.zeros(0, np.float16))])
    if finish:
        writer.finish(len(shards))
    return path


def printed(path: Path, *, width: int = 120, colour: bool = False, **options) -> str:
    console = Console(
        file=io.StringIO(), width=width, force_terminal=colour, color_system="standard" if colour else None
    )
    for part in show(path, **options):
        console.print(part)
    return console.file.getvalue()


def shown_ids(path: Path, **options) -> list[str]:
    lines = printed(path, **options).splitlines()
    return [name for line in lines for name in ("bank", "rain", "ann") if line.split()[1:] == [name]]


@pytest.fixture
def store(tmp_path) -> Path:
    return write_store(tmp_path / "store", [[BANK, RAIN], [ANN]])


def test_show_marks_entities_with_type_and_confidence_without_colour(store):
    assert "El [ORG 0.97 Banco de España] " in printed(store)


def test_show_marks_dropped_words_without_colour(store):
    output = printed(store)
    assert "~cerró~" in output
    assert "dropped by voting or a threshold" in output


def test_show_explains_dropped_words_only_where_there_are_some(store):
    assert "dropped by" not in printed(store, start=1)


def test_show_colours_entities_on_a_terminal(store):
    output = printed(store, colour=True)
    assert "\x1b[" in output.split("Banco de España")[0].splitlines()[-1]


def test_show_plain_output_has_no_escape_codes(store):
    assert "\x1b" not in printed(store)


@pytest.mark.parametrize("width", [80, 120])
def test_show_stays_within_the_width(tmp_path, width):
    long = make_row("long", *[("Wort", "O", 1.0)] * 60, ("x" * 100, "B-PER", 0.9))
    path = write_store(tmp_path / "store", [[long]])
    assert max(len(line) for line in printed(path, width=width).splitlines()) <= width


def test_show_joins_characters_without_spaces(tmp_path):
    row = make_row("zh", ("北", "B-ORG", 0.9), ("京", "I-ORG", 0.9), ("好", "O", 1.0))
    assert "[ORG 0.90 北京]好" in printed(write_store(tmp_path / "store", [[row]], unit="character"))


def test_show_text_with_markup_and_brackets_is_printed_as_it_is(tmp_path):
    row = make_row("m", ("[bold]", "O", 1.0), ("[/x]", "B-PER", 0.9))
    assert "[bold] [PER 0.90 [/x]]" in printed(write_store(tmp_path / "store", [[row]]))


def test_show_takes_control_characters_out_of_the_text(tmp_path):
    row = make_row("evil\x1b[2J", ("a\x1b]0;title\x07b", "O", 1.0))
    output = printed(write_store(tmp_path / "store", [[row]]))
    assert "\x1b" not in output
    assert "\x07" not in output


def test_show_header_has_the_facts(store):
    lines = [line.split() for line in printed(store, limit=0).splitlines()]
    assert ["sentences", "3", "in", "2", "shards"] in lines
    assert ["words", "9,", "88.9%", "kept"] in lines
    assert ["teacher", "runs/teacher", "(aaa111)"] in lines
    assert ["ORG", "1", "0.970"] in lines
    assert ["PER", "1", "0.600"] in lines


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["bank", "rain", "ann"]),
        ({"limit": 2}, ["bank", "rain"]),
        ({"start": 1}, ["rain", "ann"]),
        ({"entities_only": True}, ["bank", "ann"]),
        ({"entities_only": True, "limit": 1, "start": 1}, ["ann"]),
        ({"label": "PER"}, ["ann"]),
        ({"min_confidence": 0.9}, ["bank"]),
        ({"max_confidence": 0.9}, ["ann"]),
        ({"label": "ORG", "max_confidence": 0.9}, []),
    ],
)
def test_show_takes_the_sentences_that_fit(store, options, expected):
    assert shown_ids(store, **options) == expected


def test_show_says_so_where_nothing_fits(store):
    assert "No sentence to show from number 99 on" in printed(store, start=99)


def test_show_numbers_sentences_through_all_shards(store):
    assert "2  ann" in printed(store)


def test_show_refuses_a_type_the_store_does_not_have_and_guesses(store):
    with pytest.raises(ConfigError, match=r"'ORGA' is not in the store; it has ORG, PER; did you mean ORG\?"):
        show(store, label="ORGA")


def test_show_refuses_a_folder_that_is_no_store_before_printing(tmp_path):
    with pytest.raises(RunError):
        show(tmp_path)


def test_show_says_that_a_store_is_not_finished(tmp_path):
    assert "NOT FINISHED" in printed(write_store(tmp_path / "store", [[BANK]], finish=False))


def test_show_of_an_empty_store_works(tmp_path):
    assert "No sentence to show" in printed(write_store(tmp_path / "store", [], finish=False))


def test_counting_types_in_a_sample_takes_shards_from_all_over(tmp_path):
    path = write_store(tmp_path / "store", [[BANK]] * 5 + [[ANN]] * 5)
    counts = count_types(SoftLabelStore.open(path), sample_rows=4)
    assert (counts.rows, counts.entities) == (4, {"ORG": 2, "PER": 2})


def test_show_says_how_many_sentences_were_counted(tmp_path, monkeypatch):
    path = write_store(tmp_path / "store", [[BANK]] * 10)
    monkeypatch.setattr("ner_distill.pipelines.show.SAMPLE_ROWS", 4)
    assert "(in 4 sentences of 10)" in printed(path)


def test_show_counts_one_shard_as_one(tmp_path):
    lines = printed(write_store(tmp_path / "store", [[BANK]])).splitlines()
    assert ["sentences", "1", "in", "1", "shard"] in [line.split() for line in lines]


def test_show_keeps_the_confidence_beside_the_first_character_of_its_entity(tmp_path):
    row = make_row("zh", *[("好", "O", 1.0)] * 12, ("孙", "B-PER", 1.0), *[("文", "I-PER", 1.0)] * 30)
    path = write_store(tmp_path / "store", [[row]], unit="character")
    for width in range(30, 50):
        assert "[PER 1.00 孙" in printed(path, width=width)


def test_show_fills_lines_of_text_without_spaces(tmp_path):
    row = make_row("zh", ("孙", "B-PER", 1.0), *[("好", "O", 1.0)] * 60)
    lines = printed(write_store(tmp_path / "store", [[row]], unit="character"), width=40).splitlines()
    (first,) = [line for line in lines if "孙" in line]
    assert first == "[PER 1.00 孙]" + "好" * 13


def test_show_leaves_lines_whole_where_the_console_does_not_wrap(store):
    console = Console(file=io.StringIO(), width=20, color_system=None)
    for part in show(store):
        console.print(part, soft_wrap=True)
    assert "El [ORG 0.97 Banco de España] ~cerró~\n" in console.file.getvalue()


def test_show_shortens_words_of_more_than_a_hundred_characters(tmp_path):
    row = make_row("long", ("x" * 100, "O", 1.0), ("y" * 101, "O", 1.0))
    output = printed(write_store(tmp_path / "store", [[row]]), width=300)
    assert "x" * 100 + " " + "y" * 99 + "…" in output


# ---- stores with spans


def with_spans(row: SoftRow, *spans: tuple[int, int, int, float]) -> SoftRow:
    return replace(row, spans=np.array([*spans], SPAN))


NESTED = with_spans(BANK, (3, 4, 0, 0.625), (1, 4, 0, 0.9375), (4, 5, 1, 0.0625))


@pytest.fixture
def nested(tmp_path) -> Path:
    return write_store(tmp_path / "store", [[NESTED, with_spans(RAIN)], [with_spans(ANN, (0, 1, 1, 0.25))]], floor=0.01)


def test_show_lists_the_spans_below_their_sentence_nested_ones_further_right(nested):
    lines = printed(nested).splitlines()
    place = lines.index("El [ORG 0.94 Banco de España] ~cerró~")
    assert lines[place + 1 : place + 5] == [
        "  0.94 ORG Banco de España",
        "  0.62 ORG   España",
        "  0.06 PER cerró",
        "",
    ]


def test_show_takes_spans_that_are_more_probable_than_not_for_entities(nested):
    lines = [line.split() for line in printed(nested, limit=0).splitlines()]
    assert ["ORG", "2", "0.781"] in lines
    assert ["PER", "0", "-"] in lines
    assert shown_ids(nested, entities_only=True) == ["bank"]


def test_show_header_counts_the_spans_and_says_their_floor(nested):
    assert "spans      4, more probable than 0.01" in printed(nested, limit=0)


def test_show_header_of_a_store_without_spans_says_nothing_of_them(store):
    assert "spans" not in printed(store)


@pytest.mark.parametrize("width", [30, 80, 120])
def test_show_cuts_the_lines_of_spans_at_the_width(tmp_path, width):
    long = with_spans(make_row("long", *[("Wort", "O", 1.0)] * 60), (0, 60, 0, 0.9), (1, 59, 1, 0.8))
    lines = printed(write_store(tmp_path / "store", [[long]], floor=0.01), width=width).splitlines()
    listed = [line for line in lines if line.startswith("  0.")]
    assert [len(line) for line in listed] == [width, width]
    assert all(line.endswith("…") for line in listed)


def test_show_lists_the_most_probable_of_many_spans_and_counts_the_others(tmp_path):
    spans = [(word, word + 1, 0, 0.001 * (word + 1)) for word in range(30)]
    row = with_spans(make_row("many", *[(f"w{word}", "O", 1.0) for word in range(30)]), *spans)
    lines = printed(write_store(tmp_path / "store", [[row]], floor=0.01)).splitlines()
    assert [line.split()[-1] for line in lines if line.startswith("  0.")] == [f"w{word}" for word in range(10, 30)]
    assert "  10 more, none above 0.01" in lines


def test_show_joins_the_characters_of_spans(tmp_path):
    row = with_spans(make_row("zh", ("北", "B-ORG", 0.9), ("京", "I-ORG", 0.9)), (0, 2, 0, 0.75), (0, 1, 1, 0.25))
    lines = printed(write_store(tmp_path / "store", [[row]], unit="character", floor=0.01)).splitlines()
    assert lines[-4:-1] == ["[ORG 0.75 北京]", "  0.75 ORG 北京", "  0.25 PER   北"]


def test_show_takes_control_characters_out_of_spans(tmp_path):
    row = with_spans(make_row("evil", ("a\x1b]0;title\x07b", "O", 1.0)), (0, 1, 0, 0.25))
    output = printed(write_store(tmp_path / "store", [[row]], floor=0.01))
    assert "  0.25 ORG a" in output
    assert "\x1b" not in output


def test_show_leaves_lines_of_spans_whole_where_the_console_does_not_wrap(nested):
    console = Console(file=io.StringIO(), width=20, color_system=None)
    for part in show(nested):
        console.print(part, soft_wrap=True)
    assert "  0.94 ORG Banco de España\n" in console.file.getvalue()
