"""`predict`: entities of text, as they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ner_distill.data.readers import read_raw
from ner_distill.errors import ConfigError
from ner_distill.pipelines.build import load_run
from ner_distill.pipelines.formats import STYLES, format_prediction
from ner_distill.pipelines.inference import predict_sentences


def predict(model: Path, text: Sequence[str | Path], *, style: str = "inline", format: str = "auto") -> Iterator[str]:
    """What to print, one sentence at a time, without the last line end.

    Memory is constant. Raises NerDistillError for wrong input.
    """
    if style not in STYLES:
        raise ConfigError(f"--format: expected {', '.join(STYLES)}, found {style!r}")
    built = load_run(model)
    sentences = read_raw(list(text), format=format, unit=built.info.unit)
    # standard input is answered in small groups: somebody may be waiting at the other end
    window = 16 if "-" in [str(path) for path in text] else 2048
    for sentence, spans in predict_sentences(
        built.tagger, built.featurizer, built.info.tagset, sentences, window=window
    ):
        yield format_prediction(sentence, spans, style)
