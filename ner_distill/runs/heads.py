"""From `[head]` to modules: the head, the auxiliary heads, and the questions of an MRC head."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ner_distill.config import StudentConfig, TeacherConfig, sections
from ner_distill.console import Reporter
from ner_distill.data.features.questions import default_questions, read_questions
from ner_distill.data.sentence import Sentence, Span, Unit, without_overlap
from ner_distill.data.tagset import TagSet
from ner_distill.errors import ConfigError, RunError, did_you_mean
from ner_distill.files import read_json
from ner_distill.nn.heads import HEADS, AnyHead, PuHead, SpanHead, Tags
from ner_distill.runs.info import read_config, read_info

QUESTIONS = "questions.json"
LEAST_BOUND = 16
Trained = TypeVar("Trained", TeacherConfig, StudentConfig)


def finds_spans(config: sections.HeadConfig) -> bool:
    """Does this kind of head take entities that nest?"""
    return issubclass(HEADS[config.kind], SpanHead)


def new_head(config: sections.HeadConfig, dim: int, tagset: TagSet, loss: sections.LossConfig | None = None) -> AnyHead:
    """The head over word vectors of this width. loss: where it is PU, it has a head of its own."""
    tags = Tags(tagset.allowed_start(), tagset.allowed_transitions())
    if isinstance(loss, sections.PuConfig):
        gamma = None if loss.gamma == "usual" else loss.gamma
        given = {"bounded": loss.bounded, "joint": loss.joint, "gamma": gamma, "eta": loss.negatives_stand_for}
        return PuHead.of_tags(dim, tags, **given)
    options: dict[str, Any] = {}
    if isinstance(config, sections.PointerConfig):
        options = {"head_dim": config.head_dim, "max_width": config.max_span}
        options |= {"smoothing": config.label_smoothing, "reading": config.reading_weight}
        options |= {"reading_entropy": config.reading_entropy}
    if isinstance(config, sections.GlobalPointerConfig):
        options["rotary"] = config.rotary
    if isinstance(config, sections.AdditivePointerConfig):
        options["output_bias"] = config.output_bias
    if isinstance(config, sections.MrcConfig):
        weights = (config.start_weight, config.end_weight, config.match_weight)
        options = {"hidden": config.match_hidden, "dropout": config.dropout, "weights": weights}
    return HEADS[config.kind].of_tags(dim, tags, **options)


def with_span_bound(config: Trained, longest: Callable[[], int], begun: Path | None, reporter: Reporter) -> Trained:
    """The configuration with a number as `head.max_span`, where it has a pointer and says 0.

    A pointer scores every span, and says nothing of use about spans wider than all it has seen: unbounded, it finds
    thousands of them in a text longer than its training sentences.
    longest: words of the longest entity to learn. begun: a run that is resumed; of an earlier version it may have no
    bound, and goes on as it began.
    """
    head = config.head
    if not isinstance(head, sections.PointerConfig) or head.max_span or (begun and _has_no_bound(begun, config)):
        return config
    words = longest()
    bound = max(LEAST_BOUND, 2 * words)
    reporter.info(
        f"head.max_span: no entity of more than {bound} words will be found: twice the longest to learn ({words}), "
        f"{LEAST_BOUND} or more; set the key to change it"
    )
    return _bounded(config, bound)


def with_bound_of(config: Trained, run: Path) -> Trained:
    """The configuration with the `head.max_span` that a run of it took, where that has a pointer and says 0.

    For whoever compares the two without the sentences. Raises RunError where there is no run.
    """
    if not isinstance(config.head, sections.PointerConfig) or config.head.max_span:
        return config
    begun = read_config(run, type(config)).head
    return _bounded(config, begun.max_span) if isinstance(begun, sections.PointerConfig) else config


def _bounded(config: Trained, words: int) -> Trained:
    return config.model_copy(update={"head": config.head.model_copy(update={"max_span": words})})


def _has_no_bound(run: Path, config: TeacherConfig | StudentConfig) -> bool:
    kind = "teacher" if isinstance(config, TeacherConfig) else "student"
    if read_info(run).kind != kind:  # another message's matter
        return False
    head = read_config(run, type(config)).head
    return isinstance(head, sections.PointerConfig) and not head.max_span


def check_entities(
    config: sections.HeadConfig, sentences: Sequence[Sentence], name: str, reporter: Reporter
) -> dict[str, int]:
    """Say how many entities this kind of head can neither learn nor find. Returns the numbers, for `metrics.json`."""
    counts: dict[str, int] = {}
    spans = [span for sentence in sentences for span in sentence.spans or ()]
    longest = config.max_span if isinstance(config, sections.PointerConfig) else 0
    if longest and (longer := sum(span.end - span.start > longest for span in spans)):
        counts["entities longer than max_span"] = longer
        reporter.warn(
            f"{name}: {longer:,} of {len(spans):,} entities are longer than head.max_span = {longest}: "
            "left out, and never found"
        )
    if config.kind == "crf-per-type":
        lost = sum(
            len(of_type) - len(without_overlap(of_type))
            for sentence in sentences
            for of_type in _by_label(sentence.spans or ()).values()
        )
        if lost:
            counts["entities inside one of their type"] = lost
            reporter.warn(
                f"{name}: {lost:,} of {len(spans):,} entities overlap a longer one of the same type, "
                "which a chain per type cannot say: left out"
            )
    return counts


def _by_label(spans: Iterable[Span]) -> dict[str, list[Span]]:
    by_label: dict[str, list[Span]] = {}
    for span in spans:
        by_label.setdefault(span.label, []).append(span)
    return by_label


def auxiliary_heads(config: sections.HeadConfig, dim: int, tagset: TagSet) -> dict[str, AnyHead]:
    """The heads of one type that are trained beside the head, of the same kind: `boundary` and `main_type`.

    Raises ConfigError where the main type is none of the data.
    """
    if config.main_type and config.main_type not in tagset.labels:
        hint = did_you_mean(config.main_type, tagset.labels)
        raise ConfigError(f"head.main_type: no type {config.main_type!r}; {hint}")
    weights = {"boundary": config.boundary_weight, "main_type": config.main_type_weight}
    return {name: new_head(config, dim, TagSet((name,))) for name, weight in weights.items() if weight > 0}


# ---- the questions of an MRC head


def questions_of(config: sections.HeadConfig, tagset: TagSet, unit: Unit) -> dict[str, str] | None:
    if not isinstance(config, sections.MrcConfig):
        return None
    if config.questions:
        return read_questions(config.questions, tagset.labels)
    return default_questions(tagset.labels, unit)


def load_questions(config: sections.HeadConfig, tagset: TagSet, directory: Path) -> dict[str, str] | None:
    if not isinstance(config, sections.MrcConfig):
        return None
    path = directory / QUESTIONS
    questions = read_json(path, "the run is damaged")
    if not isinstance(questions, dict) or tuple(questions) != tagset.labels:
        wanted = ", ".join(tagset.labels)
        raise RunError(f"{path}: expected a question for each of {wanted}, in this order; the run is damaged")
    if not all(isinstance(question, str) and question for question in questions.values()):
        raise RunError(f"{path}: expected a text for each type; the run is damaged")
    return questions
