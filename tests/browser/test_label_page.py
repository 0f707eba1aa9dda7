"""The page on which raw text is labelled, in headless Chromium: what a person sees and does there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.sentence import Span
from ner_distill.options.labels import ApplyReviewOptions, ReviewOptions
from ner_distill.pipelines.reviewing.answers import apply_answers
from ner_distill.pipelines.reviewing.sentences import review_sentences
from ner_distill.pipelines.voting.review_files import hash_of
from ner_distill.views.review import sentences_page
from tests.stores import make_row, write_store

pytest.importorskip("selenium", reason="needs selenium (pip install selenium)")
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.browser.test_review_page import Page

MARKUP = ["<script>evil=1</script>", "</script><b", "onmouseover=x>", "&lt;b&gt;"]
ROWS = [
    make_row(
        "first",
        ("Ann", "B-PER", 0.55), ("Lee", "I-PER", 0.55), ("left", "O", 0.6), ("Acme", "B-PER", 0.55),
        ("Bank", "O", 0.55),
    ),
    make_row("second", ("Acme", "B-PER", 0.7), ("grew", "O", 0.9), ("and", "O", 0.9), ("Acme", "O", 0.8)),
    make_row("third", ("Nobody", "O", 0.9), ("saw", "O", 0.99), ("Acme", "B-PER", 0.8)),
    make_row("markup", *((word, "O", 0.99) for word in MARKUP)),
]  # fmt: skip


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("label")
    store = write_store(folder / "soft", [ROWS[:3], ROWS[3:]])
    found = review_sentences(ReviewOptions(votes=store, out=folder / "page.html"))
    (folder / "page.html").write_text(sentences_page(found), "utf-8")
    return folder / "page.html"


@pytest.fixture
def page(driver: webdriver.Chrome, file: Path) -> Iterator[Page]:
    opened = Page(driver, file)
    opened.size(1280, 800)
    opened.open()
    driver.get_log("browser")
    yield opened
    assert [line["message"] for line in driver.get_log("browser") if line["level"] == "SEVERE"] == []


def answers(page: Page) -> dict[str, list[tuple[int, int, str]]]:
    return {one["id"]: [tuple(entity.values()) for entity in one["entities"]] for one in page.exported()}


def test_first_sentence_is_the_most_useful_with_the_entities_of_the_teacher(page: Page) -> None:
    assert page.text("#rank") == "#1 of 4"
    assert page.text("#id") == "first"
    rows = page.js("return [...document.querySelectorAll('#evidence tbody tr')].map(r => r.cells[0].innerText)")
    assert [" ".join(row.split()) for row in rows] == ["PER Ann Lee", "PER Acme"]
    worth = page.js("return [...document.querySelectorAll('.suspicion')].map(one => Number(one.textContent))")
    assert worth == sorted(worth, reverse=True)
    assert len(set(worth)) == 4


def test_keys_alone_lead_from_opening_to_labelled_sentences(page: Page) -> None:
    page.keys("a")  # first, as it is
    assert page.text("#id") == "second"
    page.keys("1", "]", "]")  # Acme is an ORG of three words
    page.keys("a", "x")  # third: no entity
    page.keys("+", "2", "a")  # markup: one that the teacher missed
    assert page.text("#tally") == "✓ 1✎ 3"
    assert answers(page) == {
        "first": [(0, 2, "PER"), (3, 4, "PER")], "second": [(0, 3, "ORG")], "third": [], "markup": [(0, 1, "PER")],
    }  # fmt: skip
    lines = page.exported()
    assert [line["hash"] for line in lines] == [hash_of(row.words) for row in ROWS]

    out = page.file.with_name("labelled.jsonl")
    decisions = [next(page.file.parent.glob("downloads/*.jsonl"))]
    store = page.file.with_name("soft")
    done = apply_answers(ApplyReviewOptions(decisions=decisions, store=store, out=out, overwrite=True))
    assert (done.sentences, done.corrected, done.empty, done.undecided) == (4, 3, 1, 0)
    assert read_corpus([out]).sentences[1].spans == (Span(0, 3, "ORG"),)


def test_what_is_not_accepted_is_not_exported(page: Page) -> None:
    page.keys("1", "j", "a")
    assert answers(page) == {"second": [(0, 1, "PER")]}


def test_dragging_and_clicking_make_entities_and_choose_them(page: Page) -> None:
    ActionChains(page.driver, duration=50).drag_and_drop(page.word(3), page.word(4)).perform()  # its border
    page.keys("1")
    page.word(2).click()  # a new one
    page.keys("2")
    page.word(0).click()  # chooses the first
    page.keys("r", "a")
    assert answers(page) == {"first": [(2, 3, "PER"), (3, 5, "ORG")]}


def test_an_entity_takes_the_place_of_those_that_it_overlaps(page: Page) -> None:
    page.word(2).click()
    ActionChains(page.driver, duration=50).drag_and_drop(page.word(2), page.word(3)).perform()
    page.keys("a")
    assert answers(page)["first"] == [(0, 2, "PER"), (2, 4, "ORG")]


def test_the_same_for_the_others_changes_them_as_one_step(page: Page) -> None:
    page.word(3).click()
    page.keys("1")
    assert "the other 2 (PER → ORG)" in page.text("#same")
    page.keys("g")
    assert "PER → ORG in 2 other places of 2 sentences" in page.text("#notices")
    assert "the other 1 (not marked → ORG)" in page.text("#same")  # the second Acme of the second sentence
    page.keys("g")
    assert not page.find("#same").is_displayed()
    page.keys("a", "a", "a")
    everything = answers(page)
    assert everything["second"] == [(0, 1, "ORG"), (3, 4, "ORG")]
    assert everything["third"] == [(2, 3, "ORG")]
    page.keys("u", "u", "u", "u")  # three sentences, and the second `g`
    page.keys("a", "j", "a")
    assert answers(page)["second"] == [(0, 1, "ORG")]


def test_removing_an_entity_removes_it_elsewhere_and_leaves_accepted_sentences(page: Page) -> None:
    page.keys("j", "a", "k", "k")
    page.word(3).click()
    page.keys("r")
    assert "the other 1 (PER → no entity)" in page.text("#same")
    page.keys("g", "a", "a")
    assert answers(page) == {"first": [(0, 2, "PER")], "second": [(0, 1, "PER")], "third": []}


def test_other_places_of_the_words_are_shown_and_lead_there(page: Page) -> None:
    page.word(3).click()
    assert page.text("#elsewhere-count") == "3 other places"
    rows = page.js("return [...document.querySelectorAll('#elsewhere tr')].map(r => r.innerText.replace(/\\s+/g, ' '))")
    assert rows[0].startswith("Acme grew and Acme PER")
    assert rows[1].startswith("Acme grew and Acme no entity")
    page.find("#elsewhere tr:nth-child(3) button").click()
    assert page.text("#id") == "third"


def test_markup_in_a_sentence_stays_text(page: Page) -> None:
    page.find("#text").send_keys("evil")
    assert page.text("#sentence") == " ".join(MARKUP)
    assert page.js("return typeof evil") == "undefined"
    assert page.js("return document.querySelectorAll('main script, main b').length") == 0
    assert page.find("#nothing").is_displayed()
    assert page.js("return performance.getEntriesByType('resource').length") == 0


def test_progress_is_kept_exported_and_imported(page: Page, tmp_path: Path) -> None:
    page.keys("1", "a", "a")
    page.open(fresh=False)
    assert page.text("#tally") == "✓ 1✎ 1"
    before = page.exported()
    page.open()
    page.find("#file").send_keys(str(next(page.file.parent.glob("downloads/*.jsonl"))))
    page.until(lambda: page.text("#notices").startswith("Imported 2 sentences"))
    assert page.exported() == before
    other: dict[str, Any] = {"id": "first", "hash": hash_of(["other"]), "entities": []}
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps(other) + "\n")
    page.find("#file").send_keys(str(path))
    page.until(lambda: "1 sentence that this page does not have" in page.text("#notices"))


def test_a_page_of_fewer_sentences_of_the_same_store_takes_no_answer_away(page: Page) -> None:
    folder = page.file.parent
    found = review_sentences(ReviewOptions(votes=folder / "soft", out=folder / "few.html", limit=1))
    (folder / "few.html").write_text(sentences_page(found), "utf-8")
    page.keys("a", "a", "a")
    before = answers(page)
    assert len(before) == 3
    few = Page(page.driver, folder / "few.html")
    few.open(fresh=False)
    assert few.text("#tally") == "✓ 1✎ 0"
    few.keys("k", "r", "a")  # it goes on, and what it says of its own sentence counts
    page.open(fresh=False)
    after = answers(page)
    assert after.keys() == before.keys()
    assert [id for id in after if after[id] != before[id]] == ["first"]


def test_places_that_overlap_are_not_all_marked_alike(driver: webdriver.Chrome, tmp_path: Path) -> None:
    words = ("哈", "哈", "来", "了")
    rows = [
        make_row("first", *((word, "O", 0.5) for word in words)),
        make_row("second", *((word, "O", 0.9) for word in "说哈哈哈哈好")),
    ]
    store = write_store(tmp_path / "soft", [rows])
    found = review_sentences(ReviewOptions(votes=store, out=tmp_path / "page.html"))
    (tmp_path / "page.html").write_text(sentences_page(found), "utf-8")
    page = Page(driver, tmp_path / "page.html")
    page.size(1280, 800)
    page.open()
    ActionChains(driver, duration=50).drag_and_drop(page.word(0), page.word(1)).perform()
    page.keys("1")
    assert "the other 2 " in page.text("#same")
    page.keys("g", "a", "a")
    assert [entity[:2] for entity in answers(page)["second"]] == [(1, 3), (3, 5)]


def test_filters_leave_sentences_by_type_and_answer(page: Page) -> None:
    page.keys("a")
    page.choose("#state", "open")
    assert page.text("#shown") == "3 of 4 shown"
    page.choose("#type", "PER")
    assert page.text("#shown") == "2 of 4 shown"


@pytest.mark.parametrize("width", [1280, 420])
def test_nothing_reaches_beyond_the_window(page: Page, width: int) -> None:
    page.size(width, 800)
    page.word(3).click()
    page.keys("1")
    assert page.js("return document.documentElement.scrollWidth <= innerWidth")
    assert page.js("return document.getElementById('accept').getBoundingClientRect().bottom <= innerHeight")
    assert page.js("return document.getElementById('sentence').getBoundingClientRect().top < innerHeight")
    page.keys(Keys.HOME)
