"""A run as one HTML file that finds entities in a browser, without a network."""

from __future__ import annotations

import base64
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ner_distill.console import Reporter
from ner_distill.data.features.words import WordFeaturizer
from ner_distill.data.formats.units import NOTABLE
from ner_distill.errors import ConfigError, harmless
from ner_distill.files import atomic_write_text, read_json
from ner_distill.nn.encoders.embedding import AnyEmbedding, GivenEmbedding
from ner_distill.nn.encoders.relative import RelativeLayer, RelativeTransformer
from ner_distill.nn.encoders.scratch import ScratchEncoder
from ner_distill.nn.heads import CrfHead, CrfPerTypeHead, TokenHead
from ner_distill.runs.build import AnyBuilt, load_run
from ner_distill.runs.calibration import read_calibration, read_thresholds
from ner_distill.runtime.inference import parameters_of

Weights = Literal["int8", "float16"]
HEADS = {TokenHead: "token", CrfHead: "crf", CrfPerTypeHead: "crf-per-type"}
"""Those whose decoding the page has."""
TRIES = 'export it without `html`, or train a student with [encoder] name = "scratch"'
MOST_SHOWN = 200  # characters of a line of the card


@dataclass(frozen=True)
class PageReport:
    """size: bytes of the file."""

    path: Path
    size: int
    parameters: int
    weights: Weights


def write_page(
    run: Path,
    out: Path,
    page_of: Callable[[Mapping[str, Any]], str],
    *,
    weights: Weights = "int8",
    reporter: Reporter | None = None,
) -> PageReport:
    """Write the run of a student or teacher as one HTML file; a file of this name is replaced, whole.

    page_of: makes the page of its content, `views.page.page_of`.
    weights: how matrices are stored. int8: in 255 steps for each row. float16: twice as large, and next to exact.
    Raises ConfigError for a run that the page could not answer for exactly as `predict` does, RunError for no run.
    """
    built = load_run(run)
    text = page_of(page_content(run, built, weights=weights))
    atomic_write_text(out, text)
    report = PageReport(out, len(text.encode()), parameters_of(built.tagger), weights)
    if reporter is not None:
        reporter.info(f"{out}: {report.size / 1e6:.1f} MB, open it in a browser; it needs no network")
    return report


def page_content(run: Path, built: AnyBuilt, *, weights: Weights = "int8") -> dict[str, Any]:
    """What the page is made of, as JSON has it: the model, what is known of its scores, and a card that describes it.

    Raises ConfigError as `write_page` does.
    """
    encoder, featurizer, kind = _supported(run, built)
    head = built.tagger.head
    assert isinstance(head, TokenHead | CrfHead | CrfPerTypeHead)
    calibration = read_calibration(run, built.info.labels).scores
    stored = {name: _stored(name, tensor, weights) for name, tensor in _tensors(built)}
    embedding, layers = encoder.embedding, encoder.transformer.layers
    heads = [layer.attention.heads for layer in layers if isinstance(layer, RelativeLayer)]
    return {
        # names of files may hold bytes that are no UTF-8
        "name": harmless(run.resolve().name.encode("utf-8", "replace").decode()),
        "unit": built.info.unit,
        "labels": list(built.info.labels),
        "max_words": featurizer.max_words,
        "vocabularies": {name: vocab.forms for name, vocab in featurizer.vocabs.items()},
        "digits": _digits(),
        "encoder": {
            "heads": heads[0] if heads else 1,
            "layers": len(layers),
            "convolutions": len(embedding.spelling.convolutions) if embedding.spelling is not None else 0,
            "bigrams": embedding.bigrams is not None,
        },
        "head": {"kind": kind, **_transitions(head)},
        "calibration": calibration
        and {
            "all": asdict(calibration.general),
            "types": {label: asdict(one) for label, one in calibration.of_types.items()},
        },
        "thresholds": {label: one.score for label, one in read_thresholds(run).items()},
        "card": list(_card(run, built, kind, weights)),
        "weights": {name: one.to_json() for name, one in stored.items()},
    }


def take_page_weights(built: AnyBuilt, weights: Weights) -> None:
    """Give a model in memory the weights that its page has: it then answers as the page does."""
    for name, tensor in _tensors(built):
        tensor.copy_(_stored(name, tensor, weights).restored())


# ---- what the page can do


def _supported(run: Path, built: AnyBuilt) -> tuple[ScratchEncoder, WordFeaturizer, str]:
    """Raises ConfigError that says what the page lacks for this run."""
    encoder, featurizer, head = built.tagger.encoder, built.base, built.tagger.head
    if built.questions is not None:
        raise ConfigError(f"{run}: has an MRC head, which asks a question for each type; the page cannot: {TRIES}")
    if not isinstance(encoder.innermost(), ScratchEncoder) or not isinstance(featurizer, WordFeaturizer):
        raise ConfigError(f"{run}: has a pretrained encoder, which is too large for a page; {TRIES}")
    if built.knowledge is not None and built.knowledge.sources:
        sources = ", ".join(built.knowledge.sources)
        raise ConfigError(
            f"{run}: knows more of words than their form ([lattice] or [features]: {sources}), which the page does "
            "not have; label text with it, and export the student that learns from that"
        )
    if not isinstance(encoder, ScratchEncoder) or not isinstance(encoder.transformer, RelativeTransformer):
        raise ConfigError(f"{run}: has layers of {type(encoder).__name__} that the page does not have; {TRIES}")
    kind = HEADS.get(type(head))
    if kind is None:
        raise ConfigError(
            f"{run}: has a {type(head).__name__}, which the page does not have; expected head.kind "
            f"{' or '.join(HEADS.values())}: export it without `html`, or train a student with such a head"
        )
    return encoder, featurizer, kind


def _digits() -> list[tuple[int, int]]:
    """First and last of each run of code points that Python takes for digits: browsers do not know superscripts so."""
    ranges: list[tuple[int, int]] = []
    for code in filter(lambda code: chr(code).isdigit(), range(sys.maxunicode + 1)):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1] = (ranges[-1][0], code)
        else:
            ranges.append((code, code))
    return ranges


def _transitions(head: TokenHead | CrfHead | CrfPerTypeHead) -> dict[str, Any]:
    """Scores of first and last tags and of pairs [previous][next]; None where forbidden."""
    if isinstance(head, TokenHead):
        free = torch.zeros(len(head.forbidden_start))
        start = free.masked_fill(head.forbidden_start, -torch.inf)
        scores = start, free, free.expand(len(free), -1).masked_fill(head.forbidden_transitions, -torch.inf)
    else:
        scores = head.transition_scores(torch.float32)
    return {name: _finite(one.tolist()) for name, one in zip(("start", "end", "transitions"), scores, strict=True)}


def _finite(values: Any) -> Any:
    if isinstance(values, list):
        return [_finite(value) for value in values]
    return None if values == -torch.inf else values


# ---- weights


@dataclass(frozen=True)
class Stored:
    """A tensor as the page has it: float32, float16, or int8 steps times a scale (rows,) of each row."""

    values: Tensor
    scales: Tensor | None = None

    def restored(self) -> Tensor:
        """Float32, as the page computes it."""
        values = self.values.float()
        return values if self.scales is None else values * self.scales.view(-1, *[1] * (values.dim() - 1))

    def to_json(self) -> dict[str, Any]:
        kind = str(self.values.dtype).removeprefix("torch.")
        data = {"kind": kind, "shape": list(self.values.shape), "data": _base64(self.values)}
        return data if self.scales is None else {**data, "scales": _base64(self.scales)}


def _tensors(built: AnyBuilt) -> Iterator[tuple[str, Tensor]]:
    """The weights that answering needs, by the names that the page has for them; writing to them changes the model."""
    encoder, head = built.tagger.encoder, built.tagger.head
    assert isinstance(encoder, ScratchEncoder)
    tables = {"embedding.words": encoder.embedding.words, "embedding.bigrams": encoder.embedding.bigrams}
    for name, table in tables.items():
        if table is not None:
            yield name, _table_of(table)
    for name, parameter in encoder.named_parameters():
        if not name.startswith(tuple(tables)):
            yield name, parameter.detach()
    assert isinstance(head.project, nn.Linear)
    yield "head.project.weight", head.project.weight.detach()
    yield "head.project.bias", head.project.bias.detach()


def _table_of(embedding: AnyEmbedding) -> Tensor:
    """(ids, dim) the vectors that an embedding gives. Those that were given and those that were learned become one."""
    if isinstance(embedding, GivenEmbedding):
        learned = embedding.learned.weight.detach()
        learned[embedding.fixed] = embedding.given[embedding.fixed]
        embedding.fixed.zero_()  # the same from now on, and one table
        return learned
    return embedding.weight.detach()


def _stored(name: str, tensor: Tensor, weights: Weights) -> Stored:
    """Matrices as `weights` says; biases, norms and other vectors, which are few, as they are."""
    tensor = tensor.float()
    if not bool(tensor.isfinite().all()):
        raise ConfigError(f"weights {name}: expected finite numbers; this model is damaged: train it again")
    if tensor.dim() < 2 or name.endswith("bias"):
        return Stored(tensor)
    if weights == "float16":
        half = tensor.half()
        if not bool(half.isfinite().all()):
            raise ConfigError(f"weights {name}: numbers beyond those of float16; store them as int8")
        return Stored(half)
    scales = tensor.flatten(1).abs().amax(1) / 127
    scales = scales.masked_fill(scales == 0, 1)
    steps = tensor / scales.view(-1, *[1] * (tensor.dim() - 1))
    return Stored(steps.round().clamp(-127, 127).to(torch.int8), scales)


def _base64(tensor: Tensor) -> str:
    """Little-endian, as browsers read it on all machines of today."""
    values = tensor.contiguous().numpy()
    return base64.b64encode(values.astype(values.dtype.newbyteorder("<")).tobytes()).decode()


# ---- the card


def _card(run: Path, built: AnyBuilt, kind: str, weights: Weights) -> Iterator[tuple[str, str]]:
    """What the model is: names and values, to be read by people."""
    encoder, info = built.tagger.encoder, built.info
    assert isinstance(encoder, ScratchEncoder)
    depth = len(encoder.transformer.layers)
    cut = {"word": "words", "character": "characters", "blank": "what stands between blanks"}[info.unit]
    yield "Finds", ", ".join(info.labels)
    yield "Model", f"{info.kind}; {depth} transformer {_plural(depth, 'layer')} of width {encoder.dim}, head {kind}"
    yield "Size", f"{parameters_of(built.tagger):,} parameters, stored as {weights}"
    yield "Reads", f"{cut}; knows {_known(built)}"
    if info.mismatch >= NOTABLE:
        yield "Note", f"{info.mismatch:.0%} of its training words are not as raw text is cut here: it may miss entities"
    yield from _training(run)
    yield from _figures(run)
    calibrated = read_calibration(run, info.labels).scores is not None
    yield "Scores", "calibrated: probabilities that an entity is right" if calibrated else "the model's own, unchecked"


def _known(built: AnyBuilt) -> str:
    """How many forms each vocabulary has."""
    assert isinstance(built.base, WordFeaturizer)
    names = {"chars": "characters"} | ({"words": "characters"} if built.info.unit == "character" else {})
    return ", ".join(f"{len(vocab.forms):,} {names.get(name, name)}" for name, vocab in built.base.vocabs.items())


def _training(run: Path) -> Iterator[tuple[str, str]]:
    """When and on how much, as far as the run says it: a model may have been copied without its log."""
    log = run / "log.txt"
    lines = log.read_text("utf-8", "replace").splitlines() if log.is_file() else []
    if lines and (match := re.match(r"\d{4}-\d\d-\d\d", lines[-1])):
        yield "Trained", match[0]
    much = next((line for line in lines if re.search(r"[\d,]+ parameters; ", line)), "")
    if found := re.match(r"[\d-]+ [\d:]+ (.+?); [\d,]+ parameters; ", much):
        yield "On", _shown(found[1])
    if not (run / "inputs.json").is_file():
        return
    inputs = read_json(run / "inputs.json", "the run is damaged")
    for role, files in (inputs if isinstance(inputs, dict) else {}).items():
        named = [Path(one["name"]).name for one in files if isinstance(one, dict) and isinstance(one.get("name"), str)]
        if role != "soft" and named:
            yield f"Files: {_shown(str(role))}", _shown(", ".join(named))


def _figures(run: Path) -> Iterator[tuple[str, str]]:
    if not (run / "metrics.json").is_file():
        return
    metrics = read_json(run / "metrics.json", "the run is damaged")
    try:
        dev = metrics["dev"]
        yield "F1 on development data", f"{100 * dev['micro']['f1']:.1f} (entities that are exactly right)"
        yield "F1 by type", _shown(", ".join(f"{label} {100 * one['f1']:.1f}" for label, one in dev["by_type"].items()))
    except (KeyError, TypeError, ValueError, AttributeError):
        return  # trained without a development set


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"


def _shown(text: str) -> str:
    text = harmless(text)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 1]}…"
