"""Students from scratch, of teachers that tag words and of teachers that find spans."""

from __future__ import annotations

from tests.witness.registry import case, each
from tests.witness.shell import Shell

OF_TAGS = {
    "student-kl": (),
    "student-mse": ("distill.divergence=mse", "head.kind=token"),
    "student-ce": ("distill.divergence=ce", "distill.temperature=2.0"),
    "student-kl-warm": ("distill.temperature=0.5", "head.kind=token", "distill.beta_floor=0.0"),
    "student-weights-off": ("distill.alpha=off", "distill.beta=off", "distill.gamma=off"),
    "student-weights-given": (
        "distill.alpha=0.5", "distill.beta=0.7", "distill.gamma=1.5", "distill.similarity_weight=1.0",
    ),
    "student-probabilities-alone": ("distill.similarity_weight=0",),
    "student-windows": ("encoder.max_pieces=8", "encoder.layers=2", "optim.layer_decay=0.8", "encoder.max_forms=80"),
    "student-averaged": ("optim.swa=true", "optim.accumulate=2", "optim.patience=2"),
    "student-pointer": ("head.kind=global-pointer", "head.max_span=4"),
    "student-efficient-pointer": ("head.kind=efficient-global-pointer", "distill.alpha=off"),
}  # fmt: skip


@each(OF_TAGS, "store")
def _of_tags(sh: Shell, keys: tuple[str, ...]) -> None:
    sh.use(sh.student("store/soft", "en", *keys), "en")


WITH_GOLD = {
    "student-with-gold": ("distill.gold_weight=2.0",),
    "student-token-with-gold": ("head.kind=token",),
    "student-pointer-with-gold": ("head.kind=additive-pointer", "head.reading_weight=0.1"),
}


@each(WITH_GOLD, "store")
def _with_gold(sh: Shell, keys: tuple[str, ...]) -> None:
    sh.use(sh.student("store/soft", "en", *keys, gold="data/en-train.conll", epochs=3), "en")


@case()
def student_of_gold_alone(sh: Shell) -> None:
    sh.use(sh.student(None, "en", gold="data/weighted.jsonl", epochs=3), "en")


OF_SPANS = {
    "student-tags-of-spans": ("head.kind=crf",),
    "student-spans-of-spans": ("head.kind=global-pointer", "head.rotary=false", "distill.gamma=off"),
    "student-additive-of-spans": ("head.kind=additive-pointer",),
}


@each(OF_SPANS, "nested-store")
def _of_spans(sh: Shell, keys: tuple[str, ...]) -> None:
    sh.use(sh.student("nested-store/soft", "nested", *keys), "nested")


@case("nested-store")
def student_of_spans_with_gold(sh: Shell) -> None:
    keys = ("head.kind=efficient-global-pointer",)
    sh.use(sh.student("nested-store/soft", "nested", *keys, gold="data/nested-train.jsonl", epochs=3), "nested")


@case("lattice-store")
def student_zh(sh: Shell) -> None:
    sh.use(sh.student("lattice-store/soft", "zh", epochs=4), "zh")


@case("lattice-store")
def student_zh_token_with_gold(sh: Shell) -> None:
    keys = ("head.kind=token", "encoder.bigrams=false")
    sh.use(sh.student("lattice-store/soft", "zh", *keys, gold="data/zh-train.conll", epochs=2), "zh")
