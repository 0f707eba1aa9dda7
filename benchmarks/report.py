"""How long a report of many errors takes to open in a browser: `python -m benchmarks.report [--errors 2000]`.

The sentences are made up, of 20 words in the middle and 100 at most; each has two entities, of which one is missed,
cut short, of another type, or whose like is invented elsewhere. Headless Chromium opens the page as a file, five times;
then a filter is chosen, and a text is searched. Needs Chromium, chromedriver and selenium.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from benchmarks.common import generated_lines
from ner_distill.data.calibration import JudgedEntity, reliability
from ner_distill.data.metrics import score
from ner_distill.data.mistakes import KINDS
from ner_distill.data.sentence import ScoredSpan, Sentence, Span
from ner_distill.runs.facts import Epoch, RunFacts
from ner_distill.runs.info import RunInfo
from ner_distill.training.development import Answers
from ner_distill.views.report import Report, page_of

LABELS = ("LOC", "MISC", "ORG", "PER")


def report_of(errors: int) -> Report:
    """A report of so many errors, as many of each kind."""
    sentences: list[Sentence] = []
    found: list[list[ScoredSpan]] = []
    for number, line in enumerate(generated_lines(errors)):
        words = (*line.split(), "and", "so", "on", ".")
        right, wrong = Span(0, 1, LABELS[number % 4]), Span(2, 4, LABELS[number // 4 % 4])
        other = LABELS[(number // 4 + 1) % 4]
        kind = KINDS[number % 4]
        answer = {"boundary": Span(2, 3, wrong.label), "type": Span(2, 4, other), "invented": wrong}.get(kind)
        sentences.append(
            Sentence(f"made-up.txt:{number + 1}", words, (right,) if kind == "invented" else (right, wrong))
        )
        found.append([(right, 0.9), *([(answer, 0.6)] if answer is not None else [])])
    gold = [one.spans or () for one in sentences]
    scores = score(gold, [[span for span, _ in own] for own in found], LABELS)
    judged = [JudgedEntity(n, s.label, p, s in gold[n]) for n, own in enumerate(found) for s, p in own]
    epochs = [Epoch(n, {"gold": 1 / n, "soft": 2 / n}, {"f1": 1 - 0.5 / n}) for n in range(1, 31)]
    facts = RunFacts(Path("made-up"), RunInfo("student", "word", LABELS), {}, {"best_epoch": 30}, {}, epochs)
    return Report(facts, ["made-up.txt"], scores, Answers(sentences, gold, found), reliability(judged))


def browser() -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--errors", type=int, default=2000)
    parser.add_argument("--keep", type=Path, help="write the page here as well")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = asked.keep or Path(folder) / "report.html"
        report = report_of(asked.errors)
        begin = time.perf_counter()
        path.write_text(page_of(report), "utf-8")
        took = time.perf_counter() - begin
        print(f"{asked.errors:,} errors: {path.stat().st_size / 1e6:.2f} MB, made in {took:.2f} s")
        driver = browser()
        try:
            opened = [seconds_to_open(driver, path) for _ in range(5)]
            print(f"opened in {statistics.median(opened):.2f} s (from {min(opened):.2f} to {max(opened):.2f})")
            kind = "document.querySelector(`#kinds [data-kind='missed']`).click()"
            print(f"filtered by kind in {milliseconds(driver, kind):.0f} ms")
            box = "const t = document.getElementById('text'); t.value = 'an'; t.dispatchEvent(new Event('input'))"
            print(f"searched in {milliseconds(driver, box):.0f} ms; {driver.find_element('id', 'shown').text}")
        finally:
            driver.quit()


def seconds_to_open(driver: webdriver.Chrome, path: Path) -> float:
    """From the start of loading to the end of the page's own scripts."""
    driver.get(path.resolve().as_uri())
    assert driver.execute_script("return document.documentElement.dataset.ready") == "yes"
    took: float = driver.execute_script("return performance.timing.loadEventEnd - performance.timing.navigationStart")
    return took / 1000


def milliseconds(driver: webdriver.Chrome, code: str) -> float:
    """Of running this, and of what the layout needs after it."""
    took: float = driver.execute_script(
        f"const begin = performance.now(); {code}; document.body.offsetHeight; return performance.now() - begin"
    )
    return took


if __name__ == "__main__":
    main()
