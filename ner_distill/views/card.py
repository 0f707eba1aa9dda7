"""The model card of a run: what hubs of models read of it, and what a person should know before using it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ner_distill.data.formats.report import counted
from ner_distill.data.sentence import words_called
from ner_distill.runs.card import signed
from ner_distill.runs.facts import KnownFile, RunFacts, number, table
from ner_distill.runs.raw_text import MUCH

MOST_FILES = 30
FIGURES = ("f1", "precision", "recall")
ROLES = {"train": "labelled sentences", "gold": "labelled sentences", "dev": "development data",
         "soft": "soft labels (manifest of the store)"}  # fmt: skip
_HUB_NAME = re.compile(r"([\w-][\w.-]*/[\w.-]+|(bert|roberta|xlm|distilbert|albert|electra)[\w.-]*)(@[\w./-]+)?")


def card_of(facts: RunFacts) -> str:
    """The card of a finished run, signed (see `runs/card.py`). Names and labels stay text whatever is in them."""
    parts = [
        _front(facts),
        *_about(facts),
        *_use(facts),
        *_training(facts),
        *_figures(facts),
        *_limits(facts),
        _LICENCE,
    ]
    return signed("\n\n".join(parts) + "\n")


_LICENCE = """## Licence

Nobody has said yet what the licence of this model is: `license: other` at the top of this file stands for that. It
depends on the licences of the labelled sentences, of the raw text and of the pretrained encoder, where there was one.
Fill in `license`, and remove `license_name`; fill in `language` as well."""


# ---- the front matter: YAML, of which JSON is a part


def _front(facts: RunFacts) -> str:
    hf = _for_transformers(facts)
    lines = [
        "---",
        f"library_name: {'transformers' if hf else 'ner-distill'}",
        "pipeline_tag: token-classification",
        "license: other",
        "license_name: unknown",
        f"tags: {_yaml(['ner-distill', 'named-entity-recognition', facts.info.kind])}",
    ]
    if (base := _base_model(facts)) is not None:
        lines.append(f"base_model: {_yaml(base)}")
    if results := _results(facts):
        lines.append(f"model-index: {_yaml([{'name': _name(facts), 'results': results}])}")
    return "\n".join([*lines, "---"])


def _results(facts: RunFacts) -> list[dict[str, object]]:
    """The figures on the development set, as the model index has them."""
    micro, files = table(facts.dev.get("micro")), facts.inputs.get("dev", ())
    metrics = [
        {"type": name, "name": f"{name} (exact spans)", "value": value}
        for name in FIGURES
        if (value := number(micro.get(name))) is not None
    ]
    if not metrics or not files:
        return []
    data = {"name": ", ".join(_plain(Path(file.name).name) for file in files), "type": "development-data"}
    if len(files) == 1 and files[0].sha256:
        data["revision"] = files[0].sha256
    task = {"type": "token-classification", "name": "Named Entity Recognition"}
    return [{"task": task, "dataset": data, "metrics": metrics}]


def _base_model(facts: RunFacts) -> str | None:
    """The name of the pretrained encoder, where it is one that a hub may have and no directory of this machine."""
    name = table(facts.config.get("encoder")).get("name")
    if not isinstance(name, str) or _HUB_NAME.fullmatch(name) is None or Path(name).exists():
        return None
    return name.partition("@")[0]  # hubs know no base model of a revision


def _yaml(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


# ---- the text


def _about(facts: RunFacts) -> Iterator[str]:
    info = facts.info
    what = "A small model" if info.kind == "student" else "A model"
    head = table(facts.config.get("head")).get("kind")
    facts_of_it = {
        "types": ", ".join(map(_code, info.labels)),
        "unit": f"`{info.unit}`: so is raw text cut before the model reads it",
        "encoder": _code(facts.encoder) if facts.encoder else "",
        "head": _code(head) if isinstance(head, str) else "",
        "parameters": f"{size:,.0f}" if (size := number(facts.metrics.get("parameters"))) is not None else "",
    }
    yield f"# {_escaped(_name(facts))}"
    yield f"{what} that finds named entities: the {info.kind} of a training with ner-distill."
    yield "\n".join(f"- {name}: {said}" for name, said in facts_of_it.items() if said)


def _use(facts: RunFacts) -> Iterator[str]:
    yield "## How to use it\n\n`RUN` is the directory that this file lies in."
    yield "```bash\nner-distill predict --model RUN --text text.txt\n```"
    yield (
        '```python\nimport ner_distill\n\nmodel = ner_distill.load("RUN")\nfor entity in model.predict(["…"])[0]:\n'
        "    print(entity.start, entity.end, entity.label, entity.text, entity.score)\n```"
    )
    if _for_transformers(facts):
        yield (
            "Or without ner-distill:\n\n```python\nfrom transformers import pipeline\n\n"
            'tagger = pipeline("token-classification", "RUN", aggregation_strategy="first")\nprint(tagger("…"))\n```'
        )
    if _for_transformers(facts) and table(facts.config.get("head")).get("greedy") is not True:
        yield (
            "The figures of this card are those of the most probable tags that may follow each other, which "
            "ner-distill finds and so does a directory that `ner-distill export` wrote. The pipeline of transformers "
            "takes each word's best tag by itself and finds some entities otherwise."
        )


def _training(facts: RunFacts) -> Iterator[str]:
    yield "## What it was trained on"
    rows = [_row(ROLES.get(role, role), file) for role, files in facts.inputs.items() for file in files]
    if facts.store is not None:
        rows += [_row("raw text", KnownFile(file.name, file.size, file.sha256)) for file in facts.store.inputs]
    if rows:
        head = "| role | file | bytes | SHA-256 |\n| --- | --- | ---: | --- |"
        yield "\n".join([head, *rows[:MOST_FILES]])
    if len(rows) > MOST_FILES:
        yield f"{len(rows) - MOST_FILES:,} more: see `inputs.json`."
    for one in facts.teachers:
        yield f"Teacher of the soft labels: {_code(Path(one.name).name)}, fingerprint `{one.fingerprint[:64]}`."


def _row(role: str, file: KnownFile) -> str:
    size = "" if file.size is None else f"{file.size:,}"
    digest = "" if file.sha256 is None else _cell(_code(file.sha256[:64]))
    return f"| {_escaped(role)} | {_cell(_code(Path(file.name).name))} | {size} | {digest} |"


def _figures(facts: RunFacts) -> Iterator[str]:
    yield "## Figures"
    dev = facts.dev
    if not dev:
        said = facts.metrics.get("checkpoint")
        chosen = f" Its weights: {_escaped(said)}." if isinstance(said, str) else ""
        yield f"None: there was no development data.{chosen}"
        return
    names = {**{_cell(_code(label)): row for label, row in table(dev.get("by_type")).items()},
             "all types": dev.get("micro"), "boundaries only": dev.get("boundary")}  # fmt: skip
    rows = [_scores(name, table(row)) for name, row in names.items()]
    yield "\n".join(["| type | F1 | precision | recall | entities |\n| --- | ---: | ---: | ---: | ---: |", *rows])
    chose = ", which chose among the epochs: on other text of the same kind they are likely to be somewhat lower"
    yield (
        f"In percent, on the development data{chose if facts.dev_chose else ''}. An entity is right where its type and "
        "both of its boundaries are."
    )
    calibration = table(facts.metrics.get("calibration"))
    if (error := number(calibration.get("ece"))) is not None:
        yield (
            f"Scores are calibrated on the same data: among entities of a score of 0.8 about 80 % are right (expected "
            f"calibration error {error:.3f})."
        )


def _scores(name: str, row: Mapping[str, object]) -> str:
    cells = [number(row.get(key)) for key in FIGURES]
    support = number(row.get("support"))
    said = ["–" if value is None else f"{100 * value:.1f}" for value in cells]
    return f"| {' | '.join([name, *said, '–' if support is None else f'{support:,.0f}'])} |"


def _limits(facts: RunFacts) -> Iterator[str]:
    info = facts.info
    lines = [
        "It knows the language and the kind of text of the files above. On others nothing is known of it.",
        "It finds the types above and no others.",
        f"Give it raw text, which it cuts itself, or words that are cut as the unit `{info.unit}` has it.",
    ]
    if info.mismatch:
        harm = "what it finds in raw text means little" if info.mismatch >= MUCH else "it may miss entities there"
        lines.append(f"Of its training words {info.mismatch:.1%} are cut otherwise than raw text is: {harm}.")
    lines += [f"In its training, {_escaped(name)}: {count:,}." for name, count in facts.counts.items()]
    if facts.store is not None:
        words, kept = facts.store.total("words"), facts.store.total("kept")
        if kept < words:
            called = words_called(facts.store.unit)
            lines.append(f"Of {words:,} {called} of the raw text {words - kept:,} had a label too doubtful to learn.")
        if lost := {name: count for name, count in facts.store.counters().items() if count}:
            said = ", ".join(f"{_escaped(name)}: {count:,}" for name, count in lost.items())
            lines.append(f"In the raw text, {said}.")
    teachers = counted(len(facts.teachers), "teacher")
    if facts.teachers:
        lines.append(f"It learned what {teachers} said of the raw text, and with that some of the errors.")
    yield "## Limits"
    yield "\n".join(f"- {line}" for line in lines)


def _for_transformers(facts: RunFacts) -> bool:
    """Whether transformers loads the run by itself, as a token classifier."""
    return facts.info.kind == "student" and (facts.path / "config.json").is_file()


def _name(facts: RunFacts) -> str:
    return _plain(facts.path.resolve().name) or "model"


def _plain(text: str) -> str:
    """The text in one line, with U+FFFD in place of what cannot be printed."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"([\\`*_\[\]<>&|#~!$])", r"\\\1", _plain(text))


def _code(text: str) -> str:
    """A code span that shows the text as it is: its fence is longer than any run of backticks in it."""
    text = _plain(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    space = " " if "`" in text or text != text.strip() else ""
    return f"{fence}{space}{text}{space}{fence}"


def _cell(text: str) -> str:
    """As a cell of a table: there a bar ends one, also in code."""
    return text.replace("|", "\\|")
