"""The cases: small runs of every command and of every setting that decides what a model becomes.

A case is a function of a `Shell`; what it leaves in its directory and what its commands print is hashed. `needs` names
cases whose outputs it reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.witness.shell import Shell

LEXICON = "lattice.lexicon=['data/lexicon.txt']"


@dataclass(frozen=True)
class Case:
    """One case. slots: processes that it keeps busy. first: is it worth beginning early, as it is long or many wait?"""

    name: str
    work: Callable[[Shell], None]
    needs: tuple[str, ...] = ()
    slots: int = 1
    first: bool = False


CASES: dict[str, Case] = {}


def case(*needs: str, slots: int = 1, first: bool = False) -> Callable[[Callable[[Shell], None]], None]:
    """The function is a case of its own name."""

    def add(work: Callable[[Shell], None]) -> None:
        name = work.__name__.replace("_", "-")
        CASES[name] = Case(name, work, needs or ("data",), slots, first)

    return add


def _add(name: str, work: Callable[[Shell], None], *needs: str) -> None:
    CASES[name] = Case(name, work, needs or ("data",))


# ---- data


def _data(sh: Shell) -> None:
    from pathlib import Path

    from tests.witness import data

    sh.run("sample", sh.at("sample"))
    data.write(Path(sh.at("sample")), Path("data"))


CASES["data"] = Case("data", _data, (), first=True)
CASES["data-again"] = Case("data-again", lambda sh: sh.run("sample", sh.at("sample"), "--seed", "14"), ())  # type: ignore[arg-type, return-value]


def _checkpoints(sh: Shell) -> None:
    from pathlib import Path

    from tests.witness import checkpoints
    from tests.witness.data import read_conll

    labelled = [" ".join(words) for words, _ in read_conll(Path("data/en-train.conll"))]
    raw = [line for name in ("en", "es", "zh") for line in Path(f"data/{name}-raw.txt").read_text("utf-8").splitlines()]
    checkpoints.bert(Path(sh.at("bert")), labelled + raw)
    checkpoints.bert(Path(sh.at("uncased")), labelled + raw, layers=1, cased=False)
    checkpoints.roberta(Path(sh.at("roberta")), labelled + raw)
    checkpoints.xlm_roberta(Path(sh.at("xlm-roberta")), labelled + raw)


CASES["checkpoints"] = Case("checkpoints", _checkpoints, ("data",), first=True)


# ---- teachers, one setting or a few each: trained, scored, asked, and asked for soft labels


def _teacher(sh: Shell, corpus: str, keys: tuple[str, ...], epochs: int, more: tuple[str, ...]) -> None:
    run = sh.teacher(corpus, *keys, epochs=epochs, more=more)
    sh.use(run, corpus)
    sh.label(run, text=f"data/{corpus[:2]}-raw.txt", more=["--limit", "20"])


def _teachers(corpus: str, cases: dict[str, tuple[str, ...]], *, epochs: int = 2, more: tuple[str, ...] = ()) -> None:
    for name, keys in cases.items():
        _add(name, partial(_teacher, corpus=corpus, keys=keys, epochs=epochs, more=more))


_teachers("en", {
    "token": ("head.kind=token",),
    "layers": ("encoder.layers=2", "optim.layer_decay=0.8", "optim.clip=0.5"),
    "rare-words": ("encoder.min_count=1", "encoder.max_forms=60", "encoder.unknown=0.3"),
    "windows": ("encoder.max_pieces=8",),
    "similarity-off": ("similarity.weight=0",),
    "similarity-separate": ("similarity.encoder=separate", "similarity.pairs_per_sentence=8"),
    "similarity-source": ("similarity.scale=source", "similarity.target=tag"),
    "auxiliary": ("head.boundary_weight=0.3", "head.main_type=PER", "head.main_type_weight=0.2"),
    "log-sum": ("head.task_weighting=log-sum", "head.boundary_weight=0.3"),
    "label-smoothing-crf": ("head.label_smoothing=0.1",),
    "label-smoothing-token": ("head.kind=token", "head.label_smoothing=0.1"),
    "dropout-samples": ("head.dropout_samples=3",),
    "fgm": ("adversarial.kind=fgm",),
    "fgm-weights": ("adversarial.kind=fgm", "adversarial.on=weights", "similarity.encoder=separate"),
    "pgd": ("adversarial.kind=pgd", "adversarial.steps=2"),
    "pgd-weights": ("adversarial.kind=pgd", "adversarial.on=weights", "adversarial.alpha=0.1"),
    "freelb": ("adversarial.kind=freelb", "adversarial.steps=2"),
    "freelb-weights": ("adversarial.kind=freelb", "adversarial.on=weights", "adversarial.steps=2"),
    "vat": ("adversarial.kind=vat", "adversarial.epsilon=0.5"),
    "vat-weights": ("adversarial.kind=vat", "adversarial.on=weights"),
    "vat-raw-text": ("adversarial.kind=vat", "adversarial.raw_text=['data/es-raw.txt']"),
    "r-drop": ("regularize.r_drop=1.0",),
    "simcse": ("regularize.simcse=0.1",),
    "mixup": ("regularize.mixup=0.5",),
    "every-method": (
        "adversarial.kind=freelb", "regularize.r_drop=0.5", "regularize.simcse=0.1", "regularize.mixup=0.2",
        "head.label_smoothing=0.1", "head.dropout_samples=2", "head.task_weighting=log-sum", "optim.layer_decay=0.9",
        "optim.swa=true", "optim.accumulate=2",
    ),
    "accumulate": ("optim.accumulate=3",),
    "bf16": ("optim.precision=bf16",),
    "word-vectors": (
        "features.char_vectors=data/en-word-vectors.txt", "features.tune_vectors=false",
    ),
    "word-gazetteers": ("features.gazetteers={PER = 'data/en-PER.txt', LOC = ['data/en-LOC.txt', 'data/en-ORG.txt']}",),
})  # fmt: skip
_teachers("en", {
    "swa": ("optim.swa=true", "optim.swa_start=0.4"),
    "patience": ("optim.patience=1", "optim.lr=3e-2", "optim.head_lr=1e-3", "optim.crf_lr=0.1", "optim.warmup=0.3"),
}, epochs=5)  # fmt: skip


@case(first=True)
def teacher(sh: Shell) -> None:
    """The teacher that others build on: trained until it knows something."""
    run = sh.teacher("en", epochs=10)
    sh.use(run, "en")
    sh.run("evaluate", "--model", run, "--data", "data/en-test.conll", "--data", "data/en-dev.conll")
    for style in ("jsonl", "conll", "inline"):
        sh.run("predict", "--model", run, "--text", "data/en-raw.txt", "--text", "data/es-raw.txt", "--format", style)
    sh.run("predict", "--model", run, "--text", "data/en-test.conll", "--format", "jsonl", "--input-format", "conll")
    sh.run("predict", "--model", run, stdin="Ana López works for [Acme] in Madrid.\n\nNobody did.\n")


@case("teacher", first=True)
def store(sh: Shell) -> None:
    """What it says of raw text, in several shards."""
    sh.label("teacher/teacher", text="data/en-raw.txt", more=["--shard-size", "25"])


_STUDENTS: dict[str, tuple[str, ...]] = {
    "student-kl": (),
    "student-mse": ("distill.divergence=mse", "head.kind=token"),
    "student-ce": ("distill.divergence=ce", "distill.temperature=2.0"),
    "student-weights-off": ("distill.alpha=off", "distill.beta=off", "distill.gamma=off"),
    "student-weights-given": ("distill.alpha=0.5", "distill.beta=0.7", "distill.gamma=1.5"),
}
for _name, _keys in _STUDENTS.items():

    def _student(sh: Shell, keys: tuple[str, ...] = _keys) -> None:
        sh.use(sh.student("store/soft", "en", *keys), "en")

    _add(_name, _student, "store")
