"""The sections of a report as HTML. A section with nothing to show is None."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from ner_distill.data.calibration import Reliability
from ner_distill.data.formats.report import counted
from ner_distill.data.metrics import Confusion, Counts
from ner_distill.data.sentence import words_called
from ner_distill.runs.facts import KnownFile, TeacherFacts, f1_of, number, table
from ner_distill.views.pages import Html, join, tag
from ner_distill.views.report.charts import Line, bar, line_chart, reliability_chart
from ner_distill.views.report.content import Report

MOST_TYPES = 30
"""Of the confusion matrix: those with the most entities."""
MOST_FILES = 50
FIGURES = {"f1": "F1", "precision": "precision", "recall": "recall", "agreement": "agreement with the teacher",
           "teacher_f1": "F1 against the teacher", "similarity_f1": "F1 of pairs"}  # fmt: skip
"""Figures of an epoch that have a line, all from 0 to 1."""


def headline(report: Report) -> Html:
    """The figures that one asks for first."""
    tiles = list(_tiles(report))
    said = None
    if report.scores is None:
        said = tag("p", "No labelled sentences judged this model: there is no score, and no error is known.")
    elif report.chosen_on:
        chose = ", which chose the epoch: somewhat too high" if report.facts.dev_chose else ""
        said = tag(
            "p",
            f"On the development set{chose}. Score the model on sentences that it does not know: ner-distill evaluate",
            class_="note",
        )
    return tag("section", tag("div", *tiles, class_="tiles"), said, class_="head")


def _tiles(report: Report) -> Iterator[Html]:
    scores, facts = report.scores, report.facts
    if scores is not None:
        yield _tile("F1", _percent(scores.micro.f1), "type and boundaries right", "great")
        yield _tile("precision", _percent(scores.micro.precision), "of what it finds, right")
        yield _tile("recall", _percent(scores.micro.recall), "of what is there, found")
        yield _tile("boundary F1", _percent(scores.boundary.f1), "the type ignored")
        yield _tile("entities", f"{scores.micro.support:,}", f"{scores.micro.predicted:,} found")
    if report.reliability is not None and report.reliability.bins:
        yield _tile("calibration error", f"{report.reliability.error:.3f}", "of its scores")
    if (size := number(facts.metrics.get("parameters"))) is not None:
        yield _tile("parameters", f"{size:,.0f}", facts.info.kind)
    if report.chosen_on and facts.best_epoch is not None:
        yield _tile("epoch", str(facts.best_epoch), f"of {len(facts.epochs)}, kept")
    if report.chosen_on and (seconds := number(facts.metrics.get("seconds"))) is not None:
        yield _tile("training", _duration(seconds), "in all epochs")


def by_type(report: Report) -> Html | None:
    """F1 of each type as bars."""
    scores = report.scores
    if scores is None:
        return None
    rows = [
        tag("tr", tag("th", _chip(place, label), scope="row"), *_row(counts))
        for place, (label, counts) in enumerate(scores.by_type.items())
    ]
    rows += [
        tag("tr", tag("th", "all types", scope="row"), *_row(scores.micro), class_="total"),
        tag("tr", tag("th", "boundaries only", scope="row"), *_row(scores.boundary)),
    ]
    head = _headings("type", "", "F1", "precision", "recall", "entities", "found")
    return _section("By type", tag("table", tag("thead", head), tag("tbody", *rows), class_="types"))


def confusion(report: Report) -> Html | None:
    """What the entities of each type were taken for."""
    scores = report.scores
    if scores is None:
        return None
    every = sorted(scores.by_type, key=lambda label: -scores.by_type[label].support)
    shown = [label for label in scores.by_type if label in every[:MOST_TYPES]]
    place = {label: number for number, label in enumerate(scores.by_type)}
    head = tag(
        "tr",
        tag("th", "labelled as", scope="col"),
        *(tag("th", _chip(place[label], label), scope="col") for label in shown),
        tag("th", "no entity", scope="col"),
    )
    rows = [
        tag("tr", tag("th", _chip(place[one], one), scope="row"), *_confused(one, scores.confusion[one], shown))
        for one in shown
    ]
    invented = [scores.confusion[label].invented for label in shown]
    most = max(sum(invented), 1)
    last = [tag("td", f"{count:,}" if count else "·", class_=_heat(count / most, "bad")) for count in invented]
    rows.append(tag("tr", tag("th", "no entity", scope="row"), *last, tag("td"), class_="invented"))
    more = f" The {MOST_TYPES} types with the most entities." if len(shown) < len(every) else ""
    note = "A row says what became of the entities of a type: predictions with the same boundaries, by their type."
    note += f" “No entity”: none has these boundaries.{more}"
    matrix = tag("table", tag("thead", head), tag("tbody", *rows), class_="matrix")
    return _section("Taken for", tag("p", note, class_="note"), tag("div", matrix, class_="wide"))


def _confused(label: str, row: Confusion, shown: Sequence[str]) -> Iterator[Html]:
    total = max(sum(row.predicted_as.values()) + row.missed, 1)
    for other in shown:
        count = row.predicted_as[other]
        yield tag(
            "td", f"{count:,}" if count else "·", class_=_heat(count / total, "good" if other == label else "bad")
        )
    yield tag("td", f"{row.missed:,}" if row.missed else "·", class_=_heat(row.missed / total, "bad"))


def curves(report: Report) -> Html | None:
    """The loss and the figures of every epoch."""
    epochs = report.facts.epochs
    if not epochs:
        return None
    best = report.facts.best_epoch
    figures = {said: _line(key, {one.number: one.figures for one in epochs}) for key, said in FIGURES.items()}
    names = dict.fromkeys(chain.from_iterable(one.losses for one in epochs))
    losses = {name: _line(name, {one.number: one.losses for one in epochs}) for name in names}
    charts = [
        _figure("Scores", line_chart(_filled(figures), marked=best, percent=True, says="figures by epoch")),
        _figure("Loss", line_chart(_filled(losses), marked=best, says="terms of the loss by epoch")),
    ]
    note = f"By epoch; the dashed line is epoch {best}, whose weights were kept." if best else "By epoch."
    return _section("Learning curves", tag("p", note, class_="note"), tag("div", *charts, class_="charts"))


def calibration(report: Report) -> Html | None:
    """How far scores are from the share that is right."""
    reliability, before = report.reliability, report.uncalibrated
    if reliability is None or not reliability.bins:
        return None
    charts = [_reliability("Scores" if before is None else "Scores, calibrated", reliability)]
    if before is not None:
        charts.append(_reliability("Before calibration", before))
    note = "Of entities with a score the share that is right, in %; on the dashed line scores are probabilities. "
    note += "Pale: few entities."
    if report.chosen_on and before is not None:
        note += " Each entity's score is by maps that were fitted on other parts of the development set."
    return _section("Calibration", tag("p", note, class_="note"), tag("div", *charts, class_="charts"))


def teachers(report: Report) -> Html | None:
    """A student beside the teachers of its store, as far as their runs are known."""
    facts = report.facts
    if not facts.teachers and not table(facts.metrics.get("teacher")):
        return None
    known = [one for one in facts.teachers if one.dev is not None]
    parts: list[Html] = []
    if known and facts.dev:
        parts.append(_beside(report, known))
        files = ", ".join(file.name for file in facts.inputs.get("dev", ()))
        parts.append(tag("p", f"F1 of both on the same development files: {files}", class_="note"))
    parts += [
        tag("p", f"{one.name}: its run was not found as it was, or has no figures on the same files.", class_="note")
        for one in facts.teachers
        if one.dev is None
    ]
    judged = table(facts.metrics.get("teacher"))
    if (f1 := number(judged.get("teacher_f1"))) is not None:
        where = f"{number(judged.get('sentences')) or 0:,.0f} sentences of the text that were held out"
        parts.append(tag("p", f"F1 of the student against what its teacher finds in {where}: {_percent(f1)}"))
    return _section("Teacher and student", *parts)


def _beside(report: Report, known: Sequence[TeacherFacts]) -> Html:
    own, rows = report.facts.dev, []
    types = [label for label in report.facts.info.labels if label in table(own.get("by_type"))]
    for place, label in enumerate([*types, None]):
        theirs = [f1_of(_figures(table(one.dev), label)) for one in known]
        f1 = f1_of(_figures(own, label))
        gap = f1 - max(value for value in theirs if value is not None) if f1 is not None and any(theirs) else None
        head = "all types" if label is None else _chip(report.labels.index(label), label)
        cells = [tag("td", "–" if value is None else _percent(value)) for value in (*theirs, f1)]
        sign = None if gap is None else "bad" if gap < 0 else "good"
        cells.append(tag("td", "–" if gap is None else f"{100 * gap:+.1f}", class_=sign))
        rows.append(tag("tr", tag("th", head, scope="row"), *cells, class_="total" if place == len(types) else None))
    head = _headings("type", *(one.name for one in known), "this student", "difference")
    return tag("div", tag("table", tag("thead", head), tag("tbody", *rows)), class_="wide")


def _figures(dev: Mapping[str, object], label: str | None) -> object:
    return dev.get("micro") if label is None else table(dev.get("by_type")).get(label)


def lost(report: Report) -> Html:
    """What was truncated, masked or left out."""
    lines = [tag("li", line) for line in chain(_lost_here(report), _lost_in_training(report))]
    body = tag("ul", *lines) if lines else tag("p", "Nothing: every word was read, and every entity counts.")
    return _section("Truncated or dropped", body)


def _lost_here(report: Report) -> Iterator[str]:
    answers = report.answers
    if answers is not None and answers.masked:
        masked = counted(answers.masked, "entity", "entities")
        yield f"{masked} masked (keep): they do not count, nor does what is found there"
    if answers is not None and answers.inside_words:
        yield f"{counted(answers.inside_words, 'entity', 'entities')} with a border inside a word: counted as missed"
    if answers is not None and answers.unread:
        missed = counted(answers.unread_entities, "entity", "entities")
        yield f"{counted(answers.unread, 'sentence')} too long, not read: {missed} in them counted as missed"
    yield from (f"{name}: {count:,}" for name, count in report.counts.items() if count)


def _lost_in_training(report: Report) -> Iterator[str]:
    yield from (f"in the training, {name}: {count:,}" for name, count in report.facts.counts.items())
    store = report.facts.store
    if store is None:
        return
    words, kept = store.total("words"), store.total("kept")
    if kept < words:
        yield f"in the soft labels, {words_called(store.unit)} whose tag is not learned: {words - kept:,} of {words:,}"
    yield from (f"in the soft labels, {name}: {count:,}" for name, count in store.counters().items() if count)


def model(report: Report) -> Html:
    """What the model is and was trained on."""
    facts = report.facts
    head = table(facts.config.get("head")).get("kind")
    rows = {
        "kind": facts.info.kind,
        "types": ", ".join(facts.info.labels),
        "unit": facts.info.unit,
        **({"encoder": facts.encoder} if facts.encoder else {}),
        **({"head": head} if isinstance(head, str) else {}),
        **({"weights": said} if isinstance(said := facts.metrics.get("checkpoint"), str) else {}),
    }
    about = [part for name, value in rows.items() for part in (tag("dt", name), tag("dd", tag("bdi", value)))]
    files = [tag("tr", tag("td", role), *_file(one)) for role, known in facts.inputs.items() for one in known]
    left_out = len(files) - MOST_FILES
    more = tag("p", f"{left_out:,} more: see inputs.json", class_="note") if left_out > 0 else None
    body = tag("table", tag("thead", _headings("role", "file", "bytes", "SHA-256")), tag("tbody", *files[:MOST_FILES]))
    return join(tag("dl", *about), tag("div", body, class_="wide files") if files else None, more)


def _file(file: KnownFile) -> Iterator[Html]:
    yield tag("td", tag("bdi", file.name))
    yield tag("td", "" if file.size is None else f"{file.size:,}")
    yield tag("td", tag("code", file.sha256 or ""))


def _reliability(title: str, reliability: Reliability) -> Html | None:
    said = f"{title}: expected calibration error {reliability.error:.3f}"
    return _figure(said, reliability_chart(reliability, says=said))


def _line(name: str, by_epoch: Mapping[int, Mapping[str, float]]) -> Line:
    return [(float(epoch), values[name]) for epoch, values in by_epoch.items() if name in values]


def _filled(lines: Mapping[str, Line]) -> dict[str, Line]:
    return {name: line for name, line in lines.items() if line}


def _figure(title: str, chart: Html) -> Html | None:
    return tag("figure", tag("figcaption", title), chart) if chart else None


def _section(title: str, *parts: Html | None) -> Html:
    return tag("section", tag("h2", title), *parts, class_="card")


def _tile(name: str, value: str, about: str, kind: str = "") -> Html:
    return tag("div", tag("span", name), tag("strong", value), tag("small", about), class_=f"tile {kind}".strip())


def _chip(place: int, label: str) -> Html:
    return tag("span", label, class_=f"chip t{place}", dir="auto", title=label)


def _headings(first: str, *others: str) -> Html:
    return tag("tr", *(tag("th", name, scope="col") for name in (first, *others)))


def _row(counts: Counts) -> Iterator[Html]:
    yield tag("td", bar(counts.f1), class_="bars")
    yield from (tag("td", _percent(value)) for value in (counts.f1, counts.precision, counts.recall))
    yield from (tag("td", f"{value:,}") for value in (counts.support, counts.predicted))


def _heat(share: float, kind: str) -> str:
    """A class for how much of a row is in this cell, in ten steps."""
    return f"{kind} h{min(9, round(share * 9 + 0.49))}" if share > 0 else "zero"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
