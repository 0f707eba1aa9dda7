"""The report in headless Chromium: filters, pages, and text that stays text. Needs what `conftest.py` names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ner_distill.data.sentence import ScoredSpan, Sentence, Span
from ner_distill.views.prediction_page import FOOT, block_of, head_of
from ner_distill.views.report import page_of
from tests.views.test_report import EVIL, FOUND, GOLD, report_of

if TYPE_CHECKING:
    from selenium import webdriver

MORE = 42
"""Sentences with one missed entity each, behind those of `GOLD`."""
UNIVERSITY = ("University", "of", "New", "York", "Rangers")
NESTED = Sentence("nested", UNIVERSITY, (Span(0, 4, "LOC"), Span(2, 4, "PER")))
CROSSING: list[ScoredSpan] = [(Span(0, 4, "LOC"), 0.9), (Span(3, 5, "PER"), 0.8)]


def page_file(folder: Path) -> Path:
    missed = [Sentence(f"more:{n}", ("Oslo", f"number{n}"), (Span(0, 1, "LOC"),)) for n in range(MORE)]
    report = report_of([*GOLD, NESTED, *missed], [*FOUND, CROSSING, *([] for _ in missed)])
    path = folder / "report.html"
    path.write_text(page_of(report), "utf-8")
    return path


class Page:
    """The report in the browser, and what a person does with it."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def js(self, code: str, *arguments: object) -> Any:
        return self.driver.execute_script(code, *arguments)

    def texts(self, css: str) -> list[str]:
        found: list[str] = self.js("return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", css)
        return found

    def kind(self, name: str) -> None:
        self.js("document.querySelector(`#kinds [data-kind='${arguments[0]}']`).click()", name)

    def type(self, number: int) -> None:
        code = "const s = document.getElementById('type'); s.value = arguments[0]; s.dispatchEvent(new Event('change'))"
        self.js(code, str(number))

    def search(self, text: str) -> None:
        code = "const s = document.getElementById('text'); s.value = arguments[0]; s.dispatchEvent(new Event('input'))"
        self.js(code, text)

    @property
    def ids(self) -> list[str]:
        """Of the sentences that are drawn."""
        return self.texts("#list .item .id")

    @property
    def shown(self) -> str:
        return self.texts("#shown")[0]

    def size(self, width: int, height: int) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


@pytest.fixture(scope="module")
def loaded(driver: webdriver.Chrome, tmp_path_factory: pytest.TempPathFactory) -> Page:
    page = Page(driver)
    page.size(1280, 900)
    driver.get_log("browser")
    driver.get(page_file(tmp_path_factory.mktemp("report")).as_uri())
    assert page.js("return document.documentElement.dataset.ready") == "yes"
    return page


@pytest.fixture
def page(loaded: Page) -> Page:
    """Without filters, on the first page."""
    loaded.kind("all")
    loaded.type(-1)
    loaded.search("")
    return loaded


def test_all_errors_are_there_a_page_at_a_time(page: Page) -> None:
    assert page.shown == f"{4 + 1 + MORE} errors in {3 + MORE} sentences"
    assert page.ids[:3] == ["b", EVIL, "nested"]
    assert len(page.ids) == 20
    page.js("document.getElementById('next').click()")
    page.js("document.getElementById('next').click()")
    assert page.ids[-1] == f"more:{MORE - 1}"
    assert page.texts("#place") == ["3 of 3"]
    assert page.js("return document.getElementById('next').disabled")
    page.js("document.getElementById('back').click()")
    assert page.texts("#place") == ["2 of 3"]


@pytest.mark.parametrize(
    ("kind", "ids", "shown"),
    [
        ("boundary", ["b", "nested"], "2 errors in 2 sentences"),
        ("type", ["b"], "1 error in 1 sentence"),
        ("invented", [EVIL], "1 error in 1 sentence"),
    ],
)
def test_filter_by_kind(page: Page, kind: str, ids: list[str], shown: str) -> None:
    page.kind(kind)
    assert (page.ids, page.shown) == (ids, shown)


def test_buttons_say_how_many_errors_of_each_kind_there_are(page: Page) -> None:
    assert page.texts("#kinds button") == ["all 47", "boundary 2", "type 1", f"missed {1 + MORE}", "invented 1"]


def test_filters_by_type_and_text_go_together(page: Page) -> None:
    page.type(1)
    assert page.ids == ["b", EVIL, "nested"]
    page.kind("missed")
    assert (page.ids, page.shown) == (["b"], "1 error in 1 sentence")
    page.type(0)
    page.search("NUMBER7")
    assert page.ids == ["more:7"]
    page.search("nothing like it")
    assert (page.ids, page.shown) == ([], "0 errors in 0 sentences")


def test_gold_stands_above_what_was_predicted_with_its_type_and_score(page: Page) -> None:
    page.search("Bank of New York")
    rows = page.texts("#list .said")
    assert rows == [f"Bank of New York{EVIL} in RioLOC for BoPER", "Bank of New YorkLOC in RioPER for Bo"]
    titles = page.js("return [...document.querySelectorAll('.predicted mark')].map(m => m.title)")
    assert titles == ["LOC 0.750", "PER 0.500"]
    assert page.texts("#list .kind") == [f"boundary{EVIL}→LOC", "typeLOC→PER", "missedPER"]


def test_nested_and_crossing_entities_are_marks_in_marks(page: Page) -> None:
    page.search("nested")
    assert [page.texts(f"#list {side} mark") for side in (".gold", ".predicted")] == [
        ["University of New YorkPERLOC", "New YorkPER"],
        ["University of New YorkLOC", "York", " RangersPER"],
    ]
    assert page.texts("#list mark.right") == ["University of New YorkPERLOC", "University of New YorkLOC"]


def test_markup_stays_text(page: Page) -> None:
    page.kind("invented")
    assert page.texts("#list .gold .said") == [f"{EVIL} rains"]
    assert page.js("return document.querySelectorAll('main script, main b[onclick], #list img').length") == 0
    assert page.js("return document.querySelectorAll('script').length") == 2


def test_nothing_is_fetched_blocked_or_failed(page: Page) -> None:
    assert page.js("return performance.getEntriesByType('resource').length") == 0
    assert [line["message"] for line in page.driver.get_log("browser") if line["level"] == "SEVERE"] == []


@pytest.mark.parametrize("width", [1280, 420])
def test_the_page_is_no_wider_than_the_window(page: Page, width: int) -> None:
    page.size(width, 900)
    assert page.js("return document.documentElement.scrollWidth") <= width


def test_a_page_of_predictions_shows_markup_as_text(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "entities.html"
    text = f"{EVIL} in New York City"
    start = text.index("New")
    entities = [(0, 9, EVIL, 0.5), (start, start + 8, "LOC", 0.9), (start + 4, start + 13, "GPE", 0.8)]
    path.write_text("\n".join([head_of(EVIL), block_of(text, entities, EVIL), FOOT]), "utf-8")
    page.driver.get(path.as_uri())
    assert page.texts("mark") == [f"{EVIL[:9]}{EVIL}", "New YorkLOC", "York", " CityGPE"]
    assert page.js("return document.querySelectorAll('script, b').length") == 0
    assert [line["message"] for line in page.driver.get_log("browser") if line["level"] == "SEVERE"] == []
