"""The review page in headless Chromium: what a person sees and does there.

Needs Chromium with its driver (Debian: `apt-get install chromium chromium-driver`) and selenium; skipped without.
"""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.sentence import Span
from ner_distill.pipelines.voting.review_files import hash_of
from tests.pipelines.voting.test_review import apply_review, review

pytest.importorskip("selenium", reason="needs selenium (pip install selenium)")
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys


def entity(start: int, end: int, label: str, suspicion: float, **more: Any) -> dict[str, Any]:
    base = {"given": True, "votes": 1, "of": 4, "prob": 1 - suspicion, "decision": "drop", "instead": None}
    return {"start_word": start, "end_word": end, "label": label, "suspicion": suspicion, **base, **more}


def span(start: int, end: int, label: str) -> dict[str, Any]:
    return {"start_word": start, "end_word": end, "label": label}


FOUND: dict[str, Any] = {"given": False, "votes": 4, "prob": 0.8}
MARKUP = ["He", "wrote", "<script>evil=1</script>", "and", "</script><b", "onmouseover=x>", "&lt;b&gt;", "Acme"]
SENTENCES: list[dict[str, Any]] = [
    {
        "id": "bank",
        "words": ["Ann", "Lee", "of", "the", "Bank", "of", "New", "York", "spoke", "in", "Oslo", "."],
        "entities": [
            entity(4, 5, "ORG", 0.95, instead=[span(4, 8, "ORG")]),
            entity(4, 8, "ORG", 0.9, **FOUND),
            entity(0, 2, "LOC", 0.85, instead=[]),
            entity(6, 8, "LOC", 0.3),
            entity(10, 11, "LOC", 0.1),
        ],
    },
    {"id": "markup", "words": MARKUP, "entities": [entity(4, 8, "ORG", 0.8)]},
    {
        "id": "rtl",
        "words": ["زار", "محمد", "بن", "سلمان", "مدينة", "New", "York", "في", "الولايات", "المتحدة", "الأمريكية", "."],
        "entities": [entity(1, 4, "PER", 0.7), entity(5, 7, "LOC", 0.2), entity(8, 11, "LOC", 0.15)],
    },
    {
        "id": "long",
        "words": [*(f"before{n}" for n in range(300)), "Acme", "w" * 3000, *(f"after{n}" for n in range(300))],
        "entities": [entity(300, 301, "ORG", 0.6), entity(301, 302, "PER", 0.5)],
    },
]
ALL = sum(len(one["entities"]) for one in SENTENCES)


class Page:
    """The page in the browser, and what a person does with it."""

    def __init__(self, driver: webdriver.Chrome, file: Path) -> None:
        self.driver, self.file = driver, file

    def open(self, *, fresh: bool = True) -> None:
        self.driver.get(self.file.as_uri())
        if fresh and self.js("const kept = localStorage.length; localStorage.clear(); return kept"):
            self.driver.refresh()

    def js(self, code: str, *arguments: object) -> Any:
        return self.driver.execute_script(code, *arguments)

    def keys(self, *keys: str) -> None:
        for key in keys:
            ActionChains(self.driver, duration=0).send_keys(key).perform()

    def shifted(self, *keys: str) -> None:
        for key in keys:
            ActionChains(self.driver, duration=0).key_down(Keys.SHIFT).send_keys(key).key_up(Keys.SHIFT).perform()

    def text(self, css: str) -> str:
        return str(self.js("return document.querySelector(arguments[0]).textContent", css))

    def find(self, css: str) -> Any:
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def choose(self, select: str, value: str) -> None:
        set_value = "const s = document.querySelector(arguments[0]); s.value = arguments[1];"
        self.js(f"{set_value} s.dispatchEvent(new Event('change'))", select, value)

    def word(self, place: int) -> Any:
        return self.find(f"#sentence .w[data-word='{place}']")

    def shown(self) -> list[str]:
        """The entities of the list, as far as it is drawn."""
        return [
            str(text) for text in self.js("return [...document.querySelectorAll('.row mark')].map(m => m.textContent)")
        ]

    def exported(self) -> list[dict[str, Any]]:
        """Export, and what the file has."""
        return [json.loads(line) for line in self.download().read_text("utf-8").splitlines()]

    def download(self) -> Path:
        folder = self.file.parent / "downloads"
        shutil.rmtree(folder, ignore_errors=True)
        where = {"behavior": "allow", "downloadPath": str(folder)}
        self.driver.execute_cdp_cmd("Browser.setDownloadBehavior", where)
        self.keys("e")
        found = self.until(lambda: next((p for p in folder.glob("*.jsonl") if p.stat().st_size), None))
        return Path(found)

    def until(self, ask: Callable[[], Any]) -> Any:
        """What `ask` says once it says anything."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            if found := ask():
                return found
            time.sleep(0.02)
        raise AssertionError("did not happen within 10 s")

    def size(self, width: int, height: int, *, dark: bool = False) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def write_votes(path: Path, sentences: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in sentences), "utf-8")
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("review")
    review(write_votes(folder / "votes.jsonl", SENTENCES), folder / "page.html")
    return folder / "page.html"


@pytest.fixture
def page(driver: webdriver.Chrome, file: Path) -> Iterator[Page]:
    opened = Page(driver, file)
    opened.size(1280, 800)
    opened.open()
    driver.get_log("browser")
    yield opened
    # nothing was blocked, and nothing failed unseen
    assert [line["message"] for line in driver.get_log("browser") if line["level"] == "SEVERE"] == []


def decisions_of(lines: list[dict[str, Any]], id: str) -> list[tuple[Any, ...]]:
    found = next(line for line in lines if line["id"] == id)["decisions"]
    return [
        (one["start_word"], one["end_word"], one["label"], one["decision"], *(tuple(s.values()) for s in one["spans"]))
        for one in found
    ]


def test_two_thousand_entities_open_in_under_two_seconds(
    driver: webdriver.Chrome, data_dir: Path, tmp_path: Path
) -> None:
    page = Page(driver, tmp_path / "page.html")
    votes = write_votes(tmp_path / "votes.jsonl", invented(data_dir / "resume" / "train.char.bmes", 2000))
    assert len(review(votes, page.file)["queue"]) == 2000
    page.open(fresh=False)
    assert page.js("return document.documentElement.dataset.ready") == "yes"
    took = page.js("return performance.timing.loadEventEnd - performance.timing.navigationStart")
    assert 0 < took < 2000
    assert len(page.shown()) < 60  # those that can be seen: the rest is drawn when it is scrolled to
    page.keys(Keys.END)
    assert page.text("#rank") == "#2,000 of 2,000"
    page.keys("a", Keys.HOME, "r", "c", "1", Keys.ENTER)
    assert sum(len(line["decisions"]) for line in page.exported()) == 3


def invented(path: Path, count: int) -> list[dict[str, Any]]:
    """Vote lines of real sentences until they have so many entities, the votes drawn."""
    rng = random.Random(13)
    lines: list[dict[str, Any]] = []
    for sentence in read_corpus([path]).sentences:
        entities = []
        for one in (sentence.spans or ())[:count]:
            votes = rng.choice((0, 1, 2, 3, 4, 4, 4))
            entities.append(entity(one.start, one.end, one.label, 1 - votes / 4, votes=votes))
        count -= len(entities)
        lines.append({"id": sentence.id, "words": list(sentence.words), "entities": entities})
        if not count:
            break
    return lines


def test_the_most_suspicious_entity_is_shown_first_in_its_sentence(page: Page) -> None:
    assert page.shown()[:3] == ["Bank", "Bank of New York", "Ann Lee"]
    focus = page.js("return [...document.querySelectorAll('#sentence .w.focus')].map(w => w.firstChild.data).join('')")
    assert focus == "Bank"


def test_votes_stand_against_the_old_label(page: Page) -> None:
    cells = "[...r.cells].map(c => c.innerText.replace(/\\s+/g, ' ').trim())"
    rows = page.js(f"return [...document.querySelectorAll('#evidence tbody tr')].map(r => {cells})")
    assert rows[0] == ["ORG Bank", "the data", "1 of 4", "0.05"]
    assert rows[1] == ["ORG Bank of New York open", "models, instead", "4 of 4", "0.80"]


def test_list_says_what_models_have_in_place_of_a_label(page: Page) -> None:
    facts = page.js("return [...document.querySelectorAll('.row .facts')].slice(0, 4).map(f => f.textContent)")
    assert [text.split("1 of")[0].split("4 of")[0] for text in facts] == ["ORG→ORG", "+ORG", "LOC→none", "ORG"]


def test_markup_in_a_sentence_stays_text(page: Page) -> None:
    page.find("#text").send_keys("markup")
    names = page.js("return [...document.querySelectorAll('#sentence .name')].map(n => n.textContent).join('')")
    assert page.text("#sentence") == " ".join(MARKUP).replace("</script><b", f"</script><b{names}")
    assert page.js("return typeof evil") == "undefined"
    assert page.js("return document.querySelectorAll('main script, main b').length") == 0


def test_nothing_is_fetched_and_nothing_could_be(page: Page) -> None:
    assert page.js("return performance.getEntriesByType('resource').length") == 0
    blocked = page.driver.execute_async_script(
        "const done = arguments[0]; addEventListener('securitypolicyviolation', e => done(e.effectiveDirective));"
        "fetch('http://127.0.0.1:9/').catch(() => {});"
    )
    assert blocked == "connect-src"
    page.driver.get_log("browser")  # which says so


def test_keys_alone_lead_from_opening_to_merged_data(page: Page) -> None:
    page.keys("s")  # Bank → Bank of New York, which models found
    assert page.text("#claim bdi") == "Ann Lee"
    page.keys("3", "[", Keys.ENTER)  # PER; the start cannot move beyond the sentence
    page.keys("r")  # markup
    page.keys("c", "]")
    page.shifted("[")
    page.keys(Keys.ENTER)
    page.keys("a")
    lines = page.exported()
    assert decisions_of(lines, "bank") == [
        (0, 2, "LOC", "correct", (0, 2, "PER")),
        (4, 5, "ORG", "correct", (4, 8, "ORG")),
        (4, 8, "ORG", "accept"),
    ]
    assert decisions_of(lines, "markup") == [(4, 8, "ORG", "reject")]
    assert decisions_of(lines, "rtl") == [(1, 4, "PER", "correct", (2, 5, "PER"))]
    assert decisions_of(lines, "long") == [(300, 301, "ORG", "accept")]
    assert [line["hash"] for line in lines] == [hash_of(one["words"]) for one in SENTENCES]

    data = write_votes(
        page.file.with_name("data.jsonl"),
        [{**one, "entities": [e for e in one["entities"] if e["given"]]} for one in SENTENCES],
    )
    out = page.file.with_name("merged.jsonl")
    applied = apply_review([next(page.file.parent.glob("downloads/*.jsonl"))], [data], out, overwrite=True)
    assert (applied.kept, applied.added, applied.removed, applied.corrected) == (1, 1, 1, 3)
    spans = read_corpus([out]).sentences[0].spans
    assert spans == (Span(0, 2, "PER"), Span(4, 8, "ORG"), Span(6, 8, "LOC"), Span(10, 11, "LOC"))


def test_mouse_alone_decides(page: Page) -> None:
    for button in ("accept", "reject"):
        page.find(f"#{button}").click()
    page.find("#correct").click()
    page.find("#types [data-label=PER]").click()
    page.find("#save").click()
    assert decisions_of(page.exported(), "bank") == [
        (0, 2, "LOC", "correct", (0, 2, "PER")),
        (4, 5, "ORG", "accept"),
        (4, 8, "ORG", "reject"),
    ]


def test_dragging_over_words_corrects_the_borders(page: Page) -> None:
    ActionChains(page.driver, duration=50).drag_and_drop(page.word(6), page.word(4)).perform()
    page.keys(Keys.ENTER)
    assert decisions_of(page.exported(), "bank") == [(4, 5, "ORG", "correct", (4, 7, "ORG"))]


def test_dragging_a_border_moves_it_and_leaves_the_other(page: Page) -> None:
    page.keys("j", "c")
    ActionChains(page.driver, duration=50).drag_and_drop(page.word(7), page.word(5)).perform()
    page.keys(Keys.ENTER)
    assert decisions_of(page.exported(), "bank") == [(4, 8, "ORG", "correct", (4, 6, "ORG"))]


def test_clicking_a_word_while_correcting_moves_the_nearer_border_there(page: Page) -> None:
    page.keys("c")
    page.word(7).click()  # 4 to 8
    page.word(5).click()  # inside, nearer to the start
    page.keys(Keys.ENTER)
    assert decisions_of(page.exported(), "bank") == [(4, 5, "ORG", "correct", (5, 8, "ORG"))]


def test_an_entity_may_be_corrected_into_two(page: Page) -> None:
    page.keys("j", "j", "c")
    page.shifted("]")
    page.keys("+", "1", Keys.ENTER)
    assert decisions_of(page.exported(), "bank") == [(0, 2, "LOC", "correct", (0, 1, "LOC"), (1, 2, "LOC"))]


def test_escape_leaves_a_correction_without_a_decision(page: Page) -> None:
    page.keys("c", "]", Keys.ESCAPE)
    assert page.text("#done") == f"0 of {ALL}"
    assert not page.find("#editor").is_displayed()


def test_undo_takes_a_decision_back_and_returns_to_it(page: Page) -> None:
    page.keys("s", "r", "u", "u")
    assert page.text("#done") == f"0 of {ALL}"
    assert page.text("#rank") == f"#1 of {ALL}"


def test_progress_is_there_when_the_page_is_opened_again(page: Page) -> None:
    page.keys("a", "r")
    page.open(fresh=False)
    assert page.text("#tally") == "✓ 1✕ 1✎ 0"
    assert page.text("#rank") == f"#3 of {ALL}"


def test_page_of_other_votes_has_progress_of_its_own(page: Page, tmp_path: Path) -> None:
    page.keys("a")
    other = Page(page.driver, tmp_path / "page.html")
    review(write_votes(tmp_path / "votes.jsonl", SENTENCES[:1]), other.file)
    other.open(fresh=False)
    assert other.text("#done") == "0 of 5"


def test_browser_that_keeps_nothing_is_said_and_everything_else_works(page: Page) -> None:
    refuse = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError'); }})"
    made = page.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": refuse})
    try:
        page.open(fresh=False)
        assert "export your decisions before you close it" in page.text("#notices")
        page.keys("a")
        assert decisions_of(page.exported(), "bank") == [(4, 5, "ORG", "accept")]
    finally:
        page.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", made)


def test_exported_decisions_go_on_in_another_browser(page: Page) -> None:
    page.keys("s", "r")
    before = page.exported()
    page.open()
    page.find("#file").send_keys(str(next(page.file.parent.glob("downloads/*.jsonl"))))
    page.until(lambda: page.text("#notices").startswith("Imported 3 decisions"))
    assert page.exported() == before
    page.keys("u")
    assert page.text("#done") == f"0 of {ALL}"


def test_decisions_on_other_words_are_not_imported(page: Page, tmp_path: Path) -> None:
    one = {**span(4, 5, "ORG"), "decision": "accept", "spans": []}
    lines = [{"id": "bank", "hash": hash_of(["other"]), "decisions": [one]}]
    page.find("#file").send_keys(str(write_votes(tmp_path / "d.jsonl", lines)))
    page.until(lambda: "1 decision on entities that this page does not have" in page.text("#notices"))
    assert page.text("#done") == f"0 of {ALL}"


def test_file_that_is_no_export_is_refused_with_its_line(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "d.jsonl"
    file.write_text('\n{"id": "bank"}\n')
    page.find("#file").send_keys(str(file))
    page.until(lambda: "line 2 is no exported decision" in page.text("#notices"))


@pytest.mark.parametrize(
    ("select", "value", "left"),
    [
        ("#type", "PER", ["محمد بن سلمان", "w" * 59 + "…"]),
        ("#state", "accept", ["Bank"]),
        ("#state", "found", ["Bank of New York"]),
    ],
)
def test_list_is_filtered(page: Page, select: str, value: str, left: list[str]) -> None:
    page.keys("a")
    page.choose(select, value)
    assert page.shown() == left
    assert page.text("#shown") == f"{len(left)} of {ALL} shown"


def test_searching_filters_and_decides_nothing(page: Page) -> None:
    page.keys("/", "a", "c", "m", "e")
    assert page.shown() == ["</script><b onmouseover=x> &lt;b&gt; Acme", "Acme", "w" * 59 + "…"]
    assert page.text("#done") == f"0 of {ALL}"
    page.keys(Keys.ESCAPE, "r")
    assert page.text("#tally") == "✓ 0✕ 1✎ 0"


def test_filters_that_leave_nothing_can_be_cleared(page: Page) -> None:
    page.find("#text").send_keys("nowhere")
    assert page.find("#none").is_displayed()
    page.find("#clear").click()
    assert len(page.shown()) == ALL


def test_long_sentence_is_cut_around_its_entity_and_seen_whole_on_demand(page: Page) -> None:
    page.find("#text").send_keys("before7")
    cut = page.text("#sentence")
    assert "before299" in cut
    assert "after0" in cut
    assert len(cut) < 1000
    page.keys(Keys.ESCAPE, "x")
    assert page.text("#sentence").startswith("before0 before1 ")
    assert "w" * 3000 in page.text("#sentence")


@pytest.mark.parametrize("size", [(1280, 800), (800, 600), (400, 700)], ids=str)
def test_no_sentence_breaks_the_layout(page: Page, size: tuple[int, int]) -> None:
    page.size(*size)
    for _ in range(ALL):
        page.keys("x", "c")
        wide = (
            "return [...arguments].map(s => document.querySelector(s)).filter(e => e.scrollWidth > e.clientWidth + 1)"
        )
        assert page.js(f"{wide}.map(e => e.id || e.className)", "html", "body", ".scroll", ".card", "#list") == []
        page.keys(Keys.ESCAPE, "j")


def test_names_of_nested_entities_do_not_cover_each_other(page: Page) -> None:
    boxes = page.js(
        "return [...document.querySelectorAll('#sentence .name')].map(n => n.getBoundingClientRect())"
        ".map(b => [b.left, b.top, b.right, b.bottom])"
    )
    assert len(boxes) == 5
    apart = [
        one[2] <= two[0] or two[2] <= one[0] or one[3] <= two[1] or two[3] <= one[1]
        for place, one in enumerate(boxes)
        for two in boxes[:place]
    ]
    assert all(apart)


def test_words_of_right_to_left_text_run_from_the_right(page: Page) -> None:
    page.choose("#type", "PER")
    left = [page.word(place).rect["x"] for place in (1, 2, 3)]
    assert left == sorted(left, reverse=True)
    assert page.word(5).rect["x"] < page.word(6).rect["x"]  # New York


def test_everything_that_can_be_operated_has_a_name(page: Page) -> None:
    page.keys("c")
    controls = page.driver.find_elements(By.CSS_SELECTOR, "button, input, select, [role=option], [role=listbox]")
    assert len(controls) > 20
    assert [one.get_attribute("outerHTML") for one in controls if one.is_displayed() and not one.accessible_name] == []


def test_colours_follow_the_system(page: Page) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    light = page.js(ground)
    page.size(1280, 800, dark=True)
    assert page.js(ground) != light


def test_help_opens_and_closes_by_key(page: Page) -> None:
    page.shifted("/")
    assert page.find("#keys").is_displayed()
    page.keys("a", Keys.ESCAPE)
    assert not page.find("#keys").is_displayed()
    assert page.text("#done") == f"0 of {ALL}"


# ---- the same words elsewhere

ALIKE: list[dict[str, Any]] = [
    {"id": "one", "words": ["Acme", "Bank", "grew"], "entities": [entity(0, 1, "PER", 0.99987)]},
    {"id": "two", "words": ["the", "Acme", "Bank"], "entities": [entity(1, 2, "PER", 0.999)]},
    {"id": "three", "words": ["Acme", "and", "Acme"], "entities": [entity(0, 1, "PER", 0.9), entity(2, 3, "ORG", 0.8)]},
]


@pytest.fixture(scope="module")
def alike_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alike")
    review(write_votes(folder / "votes.jsonl", ALIKE), folder / "page.html")
    return folder / "page.html"


@pytest.fixture
def alike(driver: webdriver.Chrome, alike_file: Path) -> Page:
    opened = Page(driver, alike_file)
    opened.size(1280, 800)
    opened.open()
    return opened


def test_the_next_decision_goes_for_all_of_the_same_words_and_type_as_one_step(alike: Page) -> None:
    assert "The same for the other 2 “Acme”" in alike.text("#together")
    alike.keys("g", "r")
    assert "and the same for 2 others" in alike.text("#notices")
    lines = alike.exported()
    assert [len(line["decisions"]) for line in lines] == [1, 1, 1]
    assert {one["decision"] for line in lines for one in line["decisions"]} == {"reject"}
    alike.keys("u")
    assert alike.text("#done") == "0 of 4"


def test_a_correction_goes_where_the_words_are_the_same(alike: Page) -> None:
    alike.keys("g", "c", "1", "]", Keys.ENTER)  # Acme Bank is an ORG
    found = {line["id"]: line["decisions"][0]["spans"] for line in alike.exported()}
    assert found == {"one": [span(0, 2, "ORG")], "two": [span(1, 3, "ORG")]}  # "Acme and" is none


def test_other_places_of_the_words_are_shown(alike: Page) -> None:
    rows = alike.js(
        "return [...document.querySelectorAll('#elsewhere tr')].map(r => r.innerText.replace(/\\s+/g, ' '))"
    )
    assert [row.strip() for row in rows] == [
        "the Acme Bank PER open",
        "Acme and Acme PER open",
        "Acme and Acme ORG open",
    ]
    alike.find("#elsewhere tr:nth-child(3) button").click()
    assert alike.text("#id") == "three"
    assert alike.find("#together").is_displayed() is False


def test_suspicions_near_1_are_told_apart(alike: Page) -> None:
    shown = alike.js("return [...document.querySelectorAll('.suspicion')].map(one => one.textContent)")
    assert shown == ["0.99987", "0.9990", "0.90", "0.80"]
