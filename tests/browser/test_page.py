"""The page that finds entities, in headless Chromium: it answers as `predict` does.

Needs Chromium with its driver (Debian: `apt-get install chromium chromium-driver`) and selenium; skipped without.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from ner_distill.config import StudentConfig, TeacherConfig
from ner_distill.console import Reporter
from ner_distill.data.formats.segment import segment
from ner_distill.options.models import PredictOptions
from ner_distill.pipelines.exporting.page import take_page_weights, write_page
from ner_distill.pipelines.predict import predict
from ner_distill.runs.build import AnyBuilt, load_run, new_student, new_teacher, save_run
from ner_distill.runs.info import RunInfo, write_config, write_info
from ner_distill.views.page import page_of
from ner_distill.views.predictions import format_prediction

pytest.importorskip("selenium", reason="needs selenium (pip install selenium)")
from tests.browser.test_review_page import Page

LABELS = ("<img src=x onerror=evil=1>", "LOC", "PER")
LINES = [
    "Ann Lee of the Bank of New York spoke in Oslo on 1996-08-22.",
    "",
    " \t ",
    "Germany's d'Esquadra rock'n'roll can't O'Brien’s 1,000 10:30 a.m. U.S. J. Smith (non-)joiners -- ... S&P a@b.com",
    "see https://example.org/a?b=c(d). or www.example.org, 5-1/2 +49-30 I+D x_y",
    "<script>evil=1</script></script><b onmouseover=x> &lt;b&gt; Acme \\ [x] {{data}}",
    "👩‍👩‍👧 in 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 and 🇩🇪 met Ann 👍🏽 in Oslo 𠀀𠀁",
    "é e\u0301 naïve a\u0308\u0301b \u0301alone \u200bzero\u200dwidth\u200cjoin",
    "e \ufeffmark \x1cfs\x1d a\x1cb x\x85y\u2028z\xa0q",
    "İstanbul IĞDIR straße STRASSE ΟΔΟΣ ΟΔΟΣ. Σ ΣΑΣ ǅ ﬁ",
    "x² ٣٤ ①② Ⅷ ½ 3,٤ 2:30 ৩ 𝟘𝟙",
    "زار محمد بن سلمان مدينة New York في الولايات المتحدة، שלום עולם",
    "王明住在北京。Acme在東京のカフェ 한국어 ภาษาไทย हिन्दी में",
    "a" * 3000 + " Ann " + "-" * 500,
    " ".join(f"Ann Lee{n} of Oslo , {n}" for n in range(40)),
]


def run_of(place: Path, unit: Any, head: str) -> Path:
    """A run with a scratch encoder of random weights, large enough ones that it finds entities: a student, or the
    teacher of a head that students cannot have.
    """
    shape = {
        "hidden": 32,
        "heads": 4,
        "word_dim": 16,
        "char_filters": 8,
        "bigram_dim": 8,
        "max_pieces": 40,
        "layers": 2,
    }
    sections: dict[str, Any] = {"encoder": shape, "head": {"kind": head}}
    sentences = 3 * [segment(line, unit)[0] for line in LINES if line.strip()]
    built: AnyBuilt
    if head == "crf-per-type":
        built = new_teacher(TeacherConfig.model_validate(sections), RunInfo("teacher", unit, LABELS), sentences)
    else:
        built = new_student(StudentConfig.model_validate(sections), RunInfo("student", unit, LABELS), sentences)
    place.mkdir(parents=True)
    write_info(place, built.info)
    write_config(place, built.config)
    with torch.no_grad():
        for name, parameter in built.tagger.named_parameters():
            if name.startswith("head."):
                parameter.normal_(std=1.0)
        if head == "crf-per-type":  # whose O, B, I, E of each type would hardly begin an entity
            built.tagger.head.project.bias.view(-1, 4)[:, 1] += 4
        elif head == "crf":  # nor any tag but O
            built.tagger.head.project.bias[0] -= 3
    save_run(built, place)
    return place


def expected(run: Path, text: Path) -> list[dict[str, Any]]:
    """What `predict` says with the weights that the page has."""
    built = load_run(run)
    take_page_weights(built, "int8")
    save_run(built, run)
    options = PredictOptions(model=run, text=[text], input_format="text")
    found = predict(options, Reporter(quiet=True))
    return [json.loads(format_prediction(one.sentence, one.spans, "jsonl")) for one in found]


@pytest.mark.parametrize(
    ("unit", "head"), [("word", "crf"), ("character", "token"), ("blank", "crf-per-type"), ("word", "token")]
)
def test_entities_are_those_of_predict(driver: Any, tmp_path: Path, unit: str, head: str) -> None:
    run = run_of(tmp_path / "run", unit, head)
    page = Page(driver, tmp_path / "page.html")
    report = write_page(run, page.file, page_of)
    assert report.size == page.file.stat().st_size
    text = tmp_path / "text.txt"
    text.write_bytes("".join(f"{line}\n" for line in LINES).encode())
    page.open(fresh=False)
    page.find("#file").send_keys(str(text))
    page.until(lambda: page.js("return document.documentElement.dataset.done"))
    lines = found(page)
    wanted = expected(run, text)
    assert sum(len(one["entities"]) for one in wanted) > 10
    assert [bare(one) for one in lines] == [bare(one) for one in wanted]
    scores = [[entity["score"] for one in each for entity in one["entities"]] for each in (lines, wanted)]
    assert scores[0] == pytest.approx(scores[1], abs=2e-4)
    if head == "crf":
        looks_right(page, lines)
    assert [line["message"] for line in driver.get_log("browser") if line["level"] == "SEVERE"] == []


def found(page: Page) -> list[dict[str, Any]]:
    """What the button downloads."""
    code = "const [done] = arguments, make = URL.createObjectURL; URL.createObjectURL = (blob) => {"
    code += "URL.createObjectURL = make; blob.text().then(done); return 'data:,' };"
    code += "document.querySelector('#download').click()"
    text = page.driver.execute_async_script(code)
    return [json.loads(line) for line in text.split("\n") if line]


def bare(line: dict[str, Any]) -> dict[str, Any]:
    return {**line, "entities": [{k: v for k, v in one.items() if k != "score"} for one in line["entities"]]}


def looks_right(page: Page, lines: list[dict[str, Any]]) -> None:
    """Markup stays text, nothing can be fetched, types are switched off, and the threshold hides what is below it."""
    assert page.js("return typeof evil") == "undefined"
    assert page.js("return document.querySelectorAll('main img, main script, main b').length") == 0
    assert page.text("#legend .chip") == LABELS[0]
    without_tags = "const p = [...document.querySelectorAll('#results p')].map(p => p.cloneNode(true));"
    without_tags += "for (const one of p) for (const tag of one.querySelectorAll('.tag')) tag.remove();"
    assert page.js(f"{without_tags} return p.map(one => one.textContent)") == [line for line in LINES if line.strip()]
    first = lines[0]["entities"]
    assert page.js(
        "const p = document.querySelector('#results p').cloneNode(true);"
        "for (const tag of p.querySelectorAll('.tag')) tag.remove();"
        "return [...p.querySelectorAll('mark')].map(m => m.textContent)"
    ) == [one["text"] for one in first]
    page.find("#legend button:nth-child(3)").click()
    kept = [[one for one in line["entities"] if one["label"] != "PER"] for line in lines]
    assert [line["entities"] for line in found(page)] == kept
    assert kept != [line["entities"] for line in lines]
    page.js("const t = document.querySelector('#threshold'); t.value = 1; t.dispatchEvent(new Event('input'))")
    assert [one for line in found(page) for one in line["entities"]] == []
    blocked = page.driver.execute_async_script(
        "const done = arguments[0]; addEventListener('securitypolicyviolation', e => done(e.effectiveDirective));"
        "fetch('http://127.0.0.1:9/').catch(() => {});"
    )
    assert blocked == "connect-src"
    page.driver.get_log("browser")  # which says so
