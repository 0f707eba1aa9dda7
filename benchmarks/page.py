"""The page that finds entities, in Chromium, against Python: `python -m benchmarks.page --model RUN --data FILE`.

How many of 500 sentences have the same entities as torch gives with the weights of the page, and with the run's own;
megabytes of the page, milliseconds a sentence in the browser, and with labelled data the F1 of both weights.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

import torch

from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.formats.segment import segment
from ner_distill.data.sentence import Sentence, separator
from ner_distill.pipelines.exporting.page import take_page_weights, write_page
from ner_distill.runs.build import AnyBuilt, load_run
from ner_distill.runtime.inference import predict_spans
from ner_distill.views.page import page_of

Found = list[set[tuple[int, int, str]]]  # for each line its entities, in characters


def in_page(page: Path, text: Path) -> tuple[Found, float]:
    """What the page finds in a file, and the seconds from giving it the file to the end."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        driver.set_script_timeout(600)
        driver.get(page.as_uri())
        began = time.perf_counter()
        driver.find_element(By.ID, "file").send_keys(str(text))
        while not driver.execute_script("return document.documentElement.dataset.done"):
            time.sleep(0.05)
        took = time.perf_counter() - began
        written = driver.execute_async_script(
            "const [done] = arguments; URL.createObjectURL = (blob) => { blob.text().then(done); return 'data:,' };"
            "document.querySelector('#download').click()"
        )
    finally:
        driver.quit()
    lines = [json.loads(line) for line in written.split("\n") if line]
    return [{(one["start"], one["end"], one["label"]) for one in line["entities"]} for line in lines], took


def in_python(built: AnyBuilt, lines: list[str]) -> Found:
    """What torch finds in the same lines."""
    cut = [segment(line, built.info.unit) for line in lines]
    spans = predict_spans(
        built.tagger, built.featurizer, built.info.tagset, [built.featurizer.features(w) for w, _ in cut]
    )
    return [
        {(places[one.start][0], places[one.end - 1][1], one.label) for one in own}
        for own, (_, places) in zip(spans, cut, strict=True)
    ]


def f1(built: AnyBuilt, sentences: list[Sentence]) -> float:
    """F1 × 100 of entities that are exactly right, over the words of the file."""
    spans = predict_spans(
        built.tagger, built.featurizer, built.info.tagset, [built.featurizer.features(one.words) for one in sentences]
    )
    right = sum(len(set(own) & set(one.spans or ())) for own, one in zip(spans, sentences, strict=True))
    total = sum(map(len, spans)) + sum(len(one.spans or ()) for one in sentences)
    return 200 * right / max(1, total)


def same(one: Found, other: Found) -> float:
    return sum(a == b for a, b in zip(one, other, strict=True)) / len(one)


def main() -> None:
    """Print one line for each way to store the weights."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="labelled sentences")
    parser.add_argument("--sentences", type=int, default=500)
    given = parser.parse_args()
    torch.set_num_threads(1)
    sentences = [one for one in read_corpus([given.data]).sentences if one.words]
    built = load_run(given.model)
    between = separator(built.info.unit)
    lines = [between.join(one.words) for one in sentences[: given.sentences]]
    own, own_f1 = in_python(built, lines), f1(built, sentences)
    with tempfile.TemporaryDirectory() as name:
        page, text = Path(name, "page.html"), Path(name, "text.txt")
        text.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        for weights in ("int8", "float16"):
            report = write_page(given.model, page, page_of, weights=weights)
            found, took = in_page(page, text)
            rounded = load_run(given.model)
            take_page_weights(rounded, weights)
            print(
                f"{weights:8} {report.size / 1e6:.2f} MB, {1000 * took / len(lines):.1f} ms a sentence; sentences with "
                f"equal entities: {same(found, in_python(rounded, lines)):.2%} of torch with these weights, "
                f"{same(found, own):.2%} with the run's; F1 {f1(rounded, sentences):.2f}, the run's {own_f1:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
