"""The report's page as a parser reads it: figures, errors and their data; what it does is in tests/browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ner_distill.data.calibration import JudgedEntity, reliability
from ner_distill.data.metrics import score
from ner_distill.data.sentence import ScoredSpan, Sentence, Span
from ner_distill.runs.facts import Epoch, KnownFile, RunFacts, TeacherFacts
from ner_distill.runs.info import RunInfo
from ner_distill.training.development import Answers
from ner_distill.views.highlight import ALIKE, hue_of, hues_of
from ner_distill.views.report import Report, page_of
from ner_distill.views.report.charts import line_chart, reliability_chart, ticks_of
from ner_distill.views.report.mistakes import AROUND, errors_of
from tests.commands import ok, run
from tests.parsed import Parsed
from tests.world import World

EVIL = '</script><script>alert(1)</script><b onclick="x">{{data}}'
LABELS = ("LOC", "PER", EVIL)


def sentence(id: str, text: str, *gold: Span) -> Sentence:
    return Sentence(id, tuple(text.split()), gold)


# Judged by hand: right, boundary and type and missed, invented, nothing.
GOLD = [
    sentence("a", "Ann lives in Oslo", Span(0, 1, "PER"), Span(3, 4, "LOC")),
    sentence("b", "Bank of New York in Rio for Bo", Span(0, 4, EVIL), Span(5, 6, "LOC"), Span(7, 8, "PER")),
    sentence(EVIL, f"{EVIL} rains"),
    sentence("d", "Nobody there"),
]
FOUND: list[list[ScoredSpan]] = [
    [(Span(0, 1, "PER"), 0.99), (Span(3, 4, "LOC"), 0.9)],
    [(Span(2, 4, "LOC"), 0.75), (Span(5, 6, "PER"), 0.5)],
    [(Span(0, 1, "PER"), 0.25)],
    [],
]


def report_of(gold: Sequence[Sentence] = GOLD, found: Sequence[Sequence[ScoredSpan]] = FOUND, **more: Any) -> Report:
    spans = [one.spans or () for one in gold]
    scores = score(spans, [[span for span, _ in own] for own in found], LABELS)
    judged = [JudgedEntity(n, s.label, p, s in spans[n]) for n, own in enumerate(found) for s, p in own]
    facts = RunFacts(
        Path("runs") / "x{{style}}",
        RunInfo("student", "word", LABELS),
        {"encoder": {"name": EVIL}},
        more.pop("metrics", {"best_epoch": 2, "parameters": 1234}),
        {"dev": [KnownFile(EVIL, 5, "f" * 64)]},
        more.pop("epochs", [Epoch(n, {EVIL: 1 / n}, {"f1": 0.5 + n / 10}) for n in (1, 2, 3)]),
        teachers=more.pop("teachers", ()),
    )
    answers = Answers(gold, spans, found, **more)
    return Report(facts, [EVIL], scores, answers, reliability(judged))


@pytest.fixture(scope="module")
def page() -> Parsed:
    return Parsed(page_of(report_of()), "tr")


def cells(rows: Sequence[str], start: str) -> str:
    return next(row for row in rows if row.startswith(start))


# ---- errors


def test_errors_are_those_counted_by_hand() -> None:
    data = errors_of(report_of())
    assert dict(zip(data["kinds"], data["counts"], strict=True)) == {
        "boundary": 1,
        "type": 1,
        "missed": 1,
        "invented": 1,
    }
    assert [one["id"] for one in data["sentences"]] == ["b", EVIL]
    (part,) = data["sentences"][0]["parts"]
    assert part["errors"] == [[0, 2, 0], [1, 0, 1], [2, 1, -1]]
    assert part["gold"] == [[0, 4, 2], [5, 6, 0], [7, 8, 1]]
    assert part["found"] == [[2, 4, 0, 0.75], [5, 6, 1, 0.5]]


def test_of_a_long_sentence_the_words_around_its_errors_are_shown() -> None:
    words = [f"w{number}" for number in range(1000)]
    long = Sentence("long", tuple(words), (Span(10, 11, "PER"), Span(300, 302, "LOC"), Span(400, 401, "PER")))
    found: list[ScoredSpan] = [(Span(300, 301, "LOC"), 0.5), (Span(370, 371, "PER"), 0.5)]
    parts = errors_of(report_of([long], [found]))["sentences"][0]["parts"]
    places = [(10, 11), (300, 302), (370, 401)]
    assert [(one["from"], one["from"] + len(one["words"])) for one in parts] == [
        (max(0, first - AROUND), last + AROUND) for first, last in (places[0], (300, 401))
    ]
    assert [one["cut"] for one in parts] == [True, True]
    assert parts[1]["words"][parts[1]["gold"][0][0]] == "w300"
    assert [[kind for kind, *_ in one["errors"]] for one in parts] == [[2], [0, 3, 2]]


def test_sentences_that_would_make_the_page_too_big_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ner_distill.views.report.mistakes.MOST_CHARACTERS", 20)
    data = errors_of(report_of())
    assert ([one["id"] for one in data["sentences"]], data["left_out"], sum(data["counts"])) == (["b"], 1, 4)


# ---- the page


def test_names_labels_and_text_stay_text(page: Parsed) -> None:
    assert len(page.tags("script")) == 2
    assert page.tags("b") == []
    assert json.loads(page.code["script"][0])["sentences"][1]["id"] == EVIL
    assert "{{" not in page.text.replace(EVIL, "").replace("x{{style}}", "")


def test_page_loads_nothing_and_its_policy_allows_exactly_its_own(page: Parsed) -> None:
    links = [attrs.get(name) for _, attrs in page.found for name in ("src", "href", "action", "data")]
    assert [link for link in links if link is not None] == ["data:,"]
    policy = next(attrs["content"] for attrs in page.tags("meta") if "http-equiv" in attrs)
    assert policy is not None
    for name, text in (("script", page.code["script"][1]), ("style", page.code["style"][0])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}';" in policy
    assert [attrs for _, attrs in page.found if "style" in attrs] == []  # which that policy would not let be


@pytest.mark.parametrize("folder", ["report", "pages"])
def test_no_file_of_the_pages_names_an_address(folder: str) -> None:
    files = [
        file for file in (Path(__file__).parents[2] / "ner_distill" / "views" / folder).iterdir() if file.is_file()
    ]
    assert [file.name for file in files if re.search(r"https?:|//\w+\.\w", file.read_text("utf-8"))] == []


def test_figures_are_those_of_the_scores(page: Parsed) -> None:
    micro = report_of().scores.micro  # type: ignore[union-attr]
    assert (micro.correct, micro.support, micro.predicted) == (2, 5, 5)
    assert cells(page.inside, "all types") == "all types40.040.040.055"
    assert cells(page.inside, "LOC") == "LOC50.050.050.022"
    bars = [attrs["width"] for attrs in page.tags("rect")][:3]
    assert bars == ["50.00", "40.00", "0.00"]


def test_confusion_has_a_row_for_each_type_and_one_for_what_is_invented(page: Parsed) -> None:
    matrix = page.inside[next(n for n, row in enumerate(page.inside) if row.startswith("labelled as")) :][:5]
    assert matrix == [
        f"labelled asLOCPER{EVIL}no entity",
        "LOC11··",  # Oslo, and Rio as PER
        "PER·1·1",
        f"{EVIL}···1",
        "no entity11·",
    ]


def test_without_development_data_there_are_the_curves_alone() -> None:
    facts = report_of().facts
    page = Parsed(page_of(Report(facts, chosen_on=True)))
    assert "there is no score, and no error is known" in page.text
    assert "Learning curves" in page.text
    assert "Taken for" not in page.text


def test_half_of_a_surrogate_pair_in_a_file_of_the_run_breaks_no_page() -> None:
    page_of(report_of(epochs=[Epoch(1, {"\ud800": 0.5}, {"f1": 0.5})])).encode("utf-8")


def test_a_run_without_epochs_has_no_curves() -> None:
    assert "Learning curves" not in page_of(report_of(epochs=[]))


def test_student_stands_beside_its_teacher_on_the_same_files() -> None:
    figures = {"micro": {"f1": 0.5}, "by_type": {"LOC": {"f1": 0.75}, "PER": {"f1": "?"}}}
    better = {"micro": {"f1": 0.625}, "by_type": {"LOC": {"f1": 0.7}}}
    teachers = [TeacherFacts("one", "a", better), TeacherFacts("gone", "b")]
    rows = Parsed(page_of(report_of(teachers=teachers, metrics={"dev": figures})), "tr").inside
    start = rows.index("typeonethis studentdifference")
    assert rows[start + 1 : start + 4] == ["LOC70.075.0+5.0", "PER–––", "all types62.550.0-12.5"]
    assert "gone: its run was not found as it was" in page_of(report_of(teachers=teachers))


def test_what_was_truncated_or_dropped_is_said() -> None:
    assert "Nothing: every word was read" in page_of(report_of())
    text = page_of(
        report_of(
            masked=3, inside_words=1, unread=2, unread_entities=5, metrics={"counts": {"words cut": 1200, "none": 0}}
        )
    )
    assert "3 entities masked (keep)" in text
    assert "1 entity with a border inside a word" in text
    assert "2 sentences too long, not read: 5 entities in them counted as missed" in text
    assert "in the training, words cut: 1,200" in text
    assert "none" not in text.partition("Truncated or dropped")[2].partition("</section>")[0]


def test_types_whose_hues_look_the_same_get_others() -> None:
    labels = ("NAME", "ORG", "LOC", *(f"type {number}" for number in range(5)))
    hues = hues_of(labels)
    apart = [min((one - other) % 360, (other - one) % 360) for n, one in enumerate(hues) for other in hues[:n]]
    assert min(apart) >= ALIKE
    assert hues_of(("PER", "LOC")) == [hue_of("PER"), hue_of("LOC")]
    assert len(hues_of(tuple(map(str, range(50))))) == 50


# ---- charts


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0.0, 0.25, 0.5, 0.75, 1.0]),
        (0.78, 0.84, [0.78, 0.8, 0.82, 0.84]),
        (0.0, 350.0, [0.0, 100.0, 200.0, 300.0, 400.0]),
        (1.0, 8.0, [0.0, 2.0, 4.0, 6.0, 8.0]),
        (0.0, 0.0, [-0.5, -0.25, 0.0, 0.25, 0.5]),
        (0.0, 5e-324, [-0.5, -0.25, 0.0, 0.25, 0.5]),
        (-1e15, 1e15, [-1e15, -5e14, 0.0, 5e14, 1e15]),
        (1e15, 1e15, [5e14, 7.5e14, 1e15, 1.25e15, 1.5e15]),
    ],
)
def test_ticks_are_round_numbers_that_hold_the_figures(low: float, high: float, expected: list[float]) -> None:
    assert ticks_of(low, high) == expected


def test_lines_rise_where_figures_do() -> None:
    chart = Parsed(line_chart({"f1": [(1, 0.5), (2, 0.75), (3, 0.625)]}, says="x", marked=2, percent=True), "title")
    (line,) = chart.tags("polyline")
    assert line["points"] is not None
    points = [tuple(map(float, pair.split(","))) for pair in line["points"].split()]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert points[1][1] < points[2][1] < points[0][1]  # down the page is less
    assert chart.inside == ["f1, 1: 50.00", "f1, 2: 75.00", "f1, 3: 62.50"]
    (marked,) = [attrs for attrs in chart.tags("line") if attrs["class"] == "marked"]
    assert float(marked["x1"] or 0) == points[1][0]


def test_one_epoch_and_none_make_a_chart_or_nothing() -> None:
    assert len(Parsed(line_chart({"a": [(1, 0.0)]}, says="x")).tags("circle")) == 1
    assert line_chart({"a": []}, says="x") == ""


def test_calibration_has_a_bar_for_each_bin_as_high_as_what_is_right() -> None:
    entities = [JudgedEntity(n, "PER", 0.9, n % 4 > 0) for n in range(8)] + [JudgedEntity(9, "PER", 0.1, False)]
    chart = Parsed(reliability_chart(reliability(entities), says="x"), "title")
    heights = [float(attrs["height"] or 0) for attrs in chart.tags("rect")]
    assert heights[0] == 0
    assert heights[1] == pytest.approx(0.75 * (230 - 12 - 30), abs=0.1)
    assert chart.inside[1] == "scores 0.87 to 0.93: 8 entities, mean score 0.900, 75.0% right"


# ---- the commands


def test_evaluate_writes_its_report(world: World, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    done = ok("evaluate", "--model", world.student, "--data", world.dev, "--html", out)
    assert done.out.splitlines()[-1] == f"report: {out}"
    page = Parsed(out.read_text("utf-8"))
    micro = json.loads((world.student / "metrics.json").read_text("utf-8"))["dev"]["micro"]
    assert f"F1{100 * micro['f1']:.1f}type and boundaries right" in page.text
    assert "Teacher and student" in page.text
    assert "which chose the epoch: somewhat too high" not in page.text


def test_the_report_of_a_training_has_the_errors_of_its_development_set(world: World, tmp_path: Path) -> None:
    ok("evaluate", "--model", world.student, "--data", world.dev, "--html", tmp_path / "again.html")
    of_training, again = (
        json.loads(Parsed(path.read_text("utf-8")).code["script"][0])
        for path in (world.student / "report.html", tmp_path / "again.html")
    )
    assert of_training == again
    assert "which chose the epoch: somewhat too high" in (world.student / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ("no/r.html", "--html {}/no/r.html: no such directory as {}/no; make it first"),
        (".", "--html {}: is a directory; expected the name of a file to write"),
        ("s.json", "--html and --json are both {}/s.json: give them different names"),
    ],
)
def test_a_report_that_cannot_be_written_is_said_before_the_model_is_loaded(
    tmp_path: Path, html: str, problem: str
) -> None:
    files = ("--data", tmp_path / "none", "--json", tmp_path / "s.json", "--html", tmp_path / html)
    done = run("evaluate", "--model", tmp_path / "no-run", *files)
    assert done.code == 2
    assert problem.format(*[tmp_path] * problem.count("{}")) in done.err
