"""Labels in bf16 and in 8 bits against those in float32: `python -m benchmarks.precisions --teacher RUN --text FILE`.

The same lines by the same teacher in turn, whole labellings into a store, the teacher loaded before the clock starts.
Agreement is of words whose most probable tag is the same, of those alone that are in an entity for either, and of
entities.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import torch

from benchmarks import common
from benchmarks.labelling import labelled_seconds
from ner_distill.data.sentence import Span
from ner_distill.data.store.decoding import decode_probs
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.data.tagset import TagSet
from ner_distill.runtime.inference import best_device, has_bf16

Tags = dict[str, list[int]]
Entities = dict[str, set[Span]]


def answers(store: Path) -> tuple[Tags, Entities]:
    """The most probable tag of each word, and the entities, of each sentence."""
    opened = SoftLabelStore.open(store)
    rows, tagset = list(opened.iter_rows()), TagSet(opened.manifest.labels)
    tags = {row.id: row.probs.argmax(1).tolist() for row in rows}
    return tags, {row.id: {span for span, _ in decode_probs(row.probs, tagset)} for row in rows}


def main() -> None:
    """Print agreement and words per second."""
    parser = common.arguments(__doc__)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--lines", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=2)
    device = best_device()
    able = [*(["bf16"] if has_bf16(device) else []), *(["int8"] if device.type == "cpu" else [])]
    parser.add_argument("--precisions", nargs="+", default=able, help="beside fp32; default: what the device has")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    lines = common.lines_of(given.text, given.lines)
    words = common.words_of(lines)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        text = place / "text.txt"
        text.write_text("\n".join(lines) + "\n", "utf-8")
        ways = {
            precision: partial(
                labelled_seconds, given.teacher, text, {"precision": precision}, given.clock, place / precision
            )
            for precision in ("fp32", *given.precisions)
        }
        times = common.alternately(ways, given.rounds)
        found = {precision: answers(place / precision) for precision in ways}
    for precision in given.precisions:
        common.report(
            precision=precision,
            **agreement(*found["fp32"], *found[precision]),
            faster=common.median([slow / fast for slow, fast in zip(times["fp32"], times[precision], strict=True)]),
        )
    common.report(
        words_per_second={precision: words / common.median(taken) for precision, taken in times.items()},
    )


def agreement(exact: Tags, entities: Entities, other: Tags, found: Entities) -> dict[str, float]:
    """How far the answers of two precisions to the same sentences are the same."""
    pairs = [pair for sentence, tags in exact.items() for pair in zip(tags, other[sentence], strict=True)]
    inside = [pair for pair in pairs if any(pair)]
    shared = sum(len(own & found[sentence]) for sentence, own in entities.items())
    both = sum(map(len, entities.values())) + sum(map(len, found.values()))
    return {
        "same_tags": sum(a == b for a, b in pairs) / len(pairs),
        "same_tags_inside": sum(a == b for a, b in inside) / max(len(inside), 1),
        "f1_of_entities": 2 * shared / max(both, 1),
    }


if __name__ == "__main__":
    main()
