"""Words a second that `read_corpus` reads, on one core, of each of several formats:
`python -m benchmarks.reading [--train FILE.conll] [--formats conll jsonl ...] [--rounds 3]`.

The sentences of a labelled file, or of the generated English sample, are written in every format, a hundred thousand
words at least, into a temporary directory. The time of a format is the CPU time of its fastest reading.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.formats.writers import write_conll, write_jsonl
from ner_distill.data.sample.corpus import write_sample
from ner_distill.data.sentence import Sentence

ENOUGH = 100_000  # words


def with_text(sentence: Sentence) -> Sentence:
    """The sentence with a text: its words with a blank between."""
    starts = list(accumulate((len(word) + 1 for word in sentence.words), initial=0))
    offsets = tuple((start, start + len(word)) for start, word in zip(starts, sentence.words, strict=False))
    return replace(sentence, text=" ".join(sentence.words), offsets=offsets)


def objects(sentence: Sentence) -> list[dict[str, Any]]:
    """The entities in characters."""
    made = with_text(sentence)
    offsets, text = made.offsets or (), made.text or ""
    places = [(offsets[one.start][0], offsets[one.end - 1][1], one.label) for one in sentence.spans or ()]
    return [{"start": start, "end": end, "text": text[start:end], "label": label} for start, end, label in places]


def write_lines(records: Iterable[Any], path: Path) -> None:
    path.write_text("".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records), "utf-8")


def words_and_tags(sentences: Sequence[Sentence], path: Path) -> None:
    write_jsonl(sentences, path)


def text_and_entities(sentences: Sequence[Sentence], path: Path) -> None:
    write_lines(({"text": with_text(one).text, "entities": objects(one)} for one in sentences), path)


def label_studio(sentences: Sequence[Sentence], path: Path) -> None:
    """Tasks as Label Studio exports them, in one array on one line."""
    tasks = []
    for number, sentence in enumerate(sentences, start=1):
        results = [
            {
                "id": f"r{number}-{place}",
                "from_name": "label",
                "to_name": "text",
                "type": "labels",
                "origin": "manual",
                "value": {**{key: one[key] for key in ("start", "end", "text")}, "labels": [one["label"]]},
            }
            for place, one in enumerate(objects(sentence))
        ]
        annotation = {"id": number, "completed_by": 1, "was_cancelled": False, "ground_truth": False, "result": results}
        data = {"text": with_text(sentence).text}
        tasks.append({"id": number, "annotations": [annotation], "predictions": [], "drafts": [], "data": data})
    path.write_text(json.dumps(tasks, ensure_ascii=False), "utf-8")


def docbin(sentences: Sequence[Sentence], path: Path) -> None:
    """Documents of spaCy, of one sentence each."""
    import spacy
    from spacy.tokens import Doc, DocBin, Span

    vocabulary, packed = spacy.blank("en").vocab, DocBin()
    for sentence in sentences:
        document = Doc(vocabulary, words=list(sentence.words), spaces=[True] * len(sentence.words))
        document.ents = [Span(document, one.start, one.end, label=one.label) for one in sentence.spans or ()]
        packed.add(document)
    packed.to_disk(path)


def doccano(sentences: Sequence[Sentence], path: Path) -> None:
    triples = (
        {"id": n, "text": with_text(one).text, "label": [[e["start"], e["end"], e["label"]] for e in objects(one)]}
        for n, one in enumerate(sentences)
    )
    write_lines(triples, path)


def gliner(sentences: Sequence[Sentence], path: Path) -> None:
    write_lines(
        (
            {"tokenized_text": one.words, "ner": [[span.start, span.end - 1, span.label] for span in one.spans or ()]}
            for one in sentences
        ),
        path,
    )


FORMATS: dict[str, tuple[str, Callable[[Sequence[Sentence], Path], None]]] = {
    "conll": ("a.conll", lambda sentences, path: write_conll(sentences, path)),
    "jsonl, words": ("words.jsonl", words_and_tags),
    "jsonl, text": ("text.jsonl", text_and_entities),
    "label-studio": ("tasks.json", label_studio),
    "docbin": ("a.spacy", docbin),
    "doccano": ("doccano.jsonl", doccano),
    "gliner": ("gliner.json", gliner),
}


def seconds(path: Path, rounds: int) -> float:
    """CPU seconds of the fastest of so many readings, behind one that warms up."""
    times = []
    for _ in range(rounds + 1):
        begin = time.process_time()
        read_corpus([path])
        times.append(time.process_time() - begin)
    return min(times[1:])


def main() -> None:
    """Print for each format the size of its file, the time and the words a second."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--train", type=Path, help="labelled sentences; else the generated English sample")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        if given.train is None:
            write_sample(place / "sample")
        train = given.train or place / "sample" / "en" / "train.conll"
        once = list(read_corpus([train]).sentences)
        words = sum(len(one.words) for one in once)
        sentences = once * -(-ENOUGH // words)
        words = sum(len(one.words) for one in sentences)
        print(f"{len(sentences):,} sentences, {words:,} words of {train.name}")
        print(f"{'format':<14} {'MB':>7} {'seconds':>9} {'words a second':>16}")
        for form in given.formats:
            path = place / FORMATS[form][0]
            FORMATS[form][1](sentences, path)
            took = seconds(path, given.rounds)
            print(f"{form:<14} {path.stat().st_size / 1e6:7.1f} {took:9.2f} {words / took:16,.0f}", flush=True)


if __name__ == "__main__":
    main()
