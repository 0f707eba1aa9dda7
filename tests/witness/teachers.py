"""Teachers from scratch, read by words: every head, method and loss, trained, scored, asked for entities and labels."""

from __future__ import annotations

from tests.witness.registry import case, each
from tests.witness.shell import Shell

METHODS = {
    "token": ("head.kind=token",),
    "crf": ("head.kind=crf", "head.dropout=0.3"),
    "layers": ("encoder.layers=2", "optim.layer_decay=0.8", "optim.clip=0.5"),
    "rare-words": ("encoder.min_count=1", "encoder.max_forms=60", "encoder.unknown=0.3", "seed=7"),
    "windows": ("encoder.max_pieces=8",),
    "similarity-off": ("similarity.weight=0",),
    "similarity-separate": ("similarity.encoder=separate", "similarity.pairs_per_sentence=8"),
    "similarity-source": ("similarity.scale=source", "similarity.target=tag"),
    "auxiliary": ("head.boundary_weight=0.3", "head.main_type=PER", "head.main_type_weight=0.2"),
    "auxiliary-token": (
        "head.kind=token", "head.boundary_weight=0.3", "head.main_type=LOC", "head.main_type_weight=0.2",
    ),
    "log-sum": ("head.task_weighting=log-sum", "head.boundary_weight=0.3"),
    "label-smoothing": ("head.label_smoothing=0.1",),
    "label-smoothing-token": ("head.kind=token", "head.label_smoothing=0.1"),
    "dropout-samples": ("head.dropout_samples=3",),
    "fgm": ("adversarial.kind=fgm",),
    "fgm-weights": ("adversarial.kind=fgm", "adversarial.on=weights", "similarity.encoder=separate"),
    "pgd": ("adversarial.kind=pgd", "adversarial.steps=2"),
    "pgd-weights": ("adversarial.kind=pgd", "adversarial.on=weights", "adversarial.steps=2", "adversarial.alpha=0.1"),
    "freelb": ("adversarial.kind=freelb", "adversarial.steps=2"),
    "freelb-weights": ("adversarial.kind=freelb", "adversarial.on=weights", "adversarial.steps=2"),
    "vat": ("adversarial.kind=vat", "adversarial.epsilon=0.5"),
    "vat-weights": ("adversarial.kind=vat", "adversarial.on=weights", "adversarial.epsilon=0.5"),
    "vat-raw-text": ("adversarial.kind=vat", "adversarial.raw_text=['data/es-raw.txt']"),
    "r-drop": ("regularize.r_drop=1.0",),
    "simcse": ("regularize.simcse=0.1",),
    "mixup": ("regularize.mixup=0.5", "regularize.mixup_beta=0.8"),
    "every-method": (
        "adversarial.kind=freelb", "adversarial.steps=2", "regularize.r_drop=0.5", "regularize.simcse=0.1",
        "regularize.mixup=0.2", "head.label_smoothing=0.1", "head.dropout_samples=2", "head.task_weighting=log-sum",
        "optim.layer_decay=0.9", "optim.swa=true", "optim.accumulate=2",
    ),
    "swa": ("optim.swa=true", "optim.swa_start=0.4", "optim.epochs=5"),
    "patience": (
        "optim.patience=1", "optim.lr=3e-2", "optim.head_lr=1e-2", "optim.crf_lr=0.1", "optim.warmup=0.3",
        "optim.weight_decay=0.1", "optim.epochs=5",
    ),
    "accumulate": ("optim.accumulate=3",),
    "bf16": ("optim.precision=bf16",),
    "word-vectors": ("features.char_vectors=data/en-word-vectors.txt", "features.tune_vectors=false"),
    "word-vectors-tuned": ("features.char_vectors=data/en-word-vectors.txt",),
    "word-gazetteers": (
        "features.gazetteers={PER = 'data/en-PER.txt', LOC = ['data/en-LOC.txt', 'data/en-ORG.txt']}",
        "features.gazetteer_dim=8",
    ),
    "word-lattice": ("lattice.kind=flat", "lattice.lexicon=['data/en-LOC.txt', 'data/en-ORG.txt']"),
}  # fmt: skip


@each(METHODS)
def _method(sh: Shell, keys: tuple[str, ...]) -> None:
    run = sh.teacher("en", *keys)
    sh.use(run, "en")
    sh.label(run, text="data/en-raw.txt", more=["--limit", "30"])


ALL_OF_IT = (
    "regularize.r_drop=0.5", "regularize.simcse=0.1", "head.label_smoothing=0.1", "optim.swa=true",
    "optim.accumulate=2",
)  # fmt: skip
AUXILIARY = (
    "regularize.mixup=0.2", "head.dropout_samples=2", "head.boundary_weight=0.3", "head.main_type=PER",
    "head.main_type_weight=0.2", "head.task_weighting=log-sum",
)  # fmt: skip
SPAN_HEADS = {
    "crf-per-type": ("head.kind=crf-per-type", "optim.epochs=6"),
    "crf-per-type-all": ("head.kind=crf-per-type", "adversarial.kind=fgm", *ALL_OF_IT, *AUXILIARY),
    "global-pointer": ("head.kind=global-pointer", "head.head_dim=16"),
    "global-pointer-all": (
        "head.kind=global-pointer", "head.rotary=false", "head.max_span=4", "head.reading_weight=0.1",
        "adversarial.kind=fgm", *ALL_OF_IT, *AUXILIARY,
    ),
    "efficient-pointer": ("head.kind=efficient-global-pointer", "head.reading_weight=0.2", "optim.epochs=5"),
    "efficient-pointer-all": ("head.kind=efficient-global-pointer", "adversarial.kind=vat", *ALL_OF_IT, *AUXILIARY),
    "additive-pointer": ("head.kind=additive-pointer", "head.reading_weight=0.1", "head.max_span=5", "optim.epochs=5"),
    "additive-pointer-all": (
        "head.kind=additive-pointer", "head.label_smoothing=0.2", "adversarial.kind=pgd", "adversarial.steps=2",
        "regularize.r_drop=0.5", *AUXILIARY,
    ),
    "mrc": ("head.kind=mrc",),
    "mrc-questions": ("head.kind=mrc", "head.questions=data/questions.toml", "similarity.weight=0"),
    "mrc-all": ("head.kind=mrc", "optim.epochs=2", "adversarial.kind=fgm", "similarity.encoder=separate", *ALL_OF_IT),
    "pointer-in-windows": ("head.kind=global-pointer", "encoder.max_pieces=8"),
}  # fmt: skip


@each(SPAN_HEADS)
def _span_head(sh: Shell, keys: tuple[str, ...]) -> None:
    run = sh.teacher("nested", *keys)
    sh.use(run, "nested")
    sh.label(run, text="data/en-raw.txt", more=["--limit", "30"])


@case()
def flattened(sh: Shell) -> None:
    """Tags of nested data: the longest entities, or the shortest."""
    sh.use(sh.teacher("nested", more=["--flatten", "longest"]), "nested")
    sh.teacher("nested", more=["--flatten", "shortest"], out="shortest")


@case()
def words_that_do_not_count(sh: Shell) -> None:
    """`keep` and `weight` of JSON Lines, for tags and for spans."""
    for name, keys in (("tags", ()), ("token", ("head.kind=token",)), ("spans", ("head.kind=global-pointer",))):
        sh.teacher("weighted", *keys, epochs=2, out=name)


# ---- labels of dictionaries


@case(first=True)
def dictionary_labels(sh: Shell) -> None:
    lists = [part for label in ("PER", "LOC", "ORG") for part in ("--dictionary", f"{label}=data/en-{label}.txt")]
    text = ("--text", "data/en-raw.txt", "--text", "data/en-train.conll")
    sh.run("label-dictionary", *lists, *text, "--out", sh.at("labelled.jsonl"))
    lists += ["--dictionary", "ORG=data/en-ORG-too.txt"]
    for rule in ("drop", "mask", "first"):
        out = sh.at(f"{rule}.jsonl")
        sh.run("label-dictionary", *lists, *text, "--out", out, "--conflicts", rule, "--fold-case")
    chinese = ("--dictionary", "LOC=data/zh-LOC.txt", "--dictionary", "NAME=data/zh-NAME.txt")
    sh.run("label-dictionary", *chinese, "--text", "data/zh-raw.txt", "--out", sh.at("zh.jsonl"))


PU = {
    "pu-prior": ("loss.prior={PER = 0.15, LOC = 0.1, ORG = 0.1}",),
    "pu-estimated": (),
    "pu-prior-of-dev": ("loss.prior_from=dev", "loss.prior.PER=0.2"),
    "pu-published": ("loss.bounded=true", "loss.joint=false", "loss.gamma=2.0"),
    "pu-bounded": ("loss.bounded=true",),
    "pu-with-methods": (
        "adversarial.kind=fgm",
        "regularize.r_drop=0.5",
        "head.dropout_samples=2",
        "regularize.mixup=0.1",
    ),
}


@each(PU, "dictionary-labels")
def _pu(sh: Shell, keys: tuple[str, ...]) -> None:
    run = sh.teacher("dictionary", "loss.kind=pu", *keys)
    sh.use(run, "en")
    sh.label(run, text="data/en-raw.txt", more=["--limit", "30"])


@case("dictionary-labels", "pu-prior-of-dev")
def grown_dictionary(sh: Shell) -> None:
    lists = [part for label in ("PER", "LOC", "ORG") for part in ("--dictionary", f"{label}=data/en-{label}.txt")]
    given = ("--text", "data/en-raw.txt", "--text", "data/es-raw.txt", *lists, "--min-count", "1")
    sh.run("grow-dictionary", "--model", "pu-prior-of-dev/teacher", *given, "--out", sh.at("dictionaries"))


@case("pu-prior-of-dev", first=True)
def grown_in_rounds(sh: Shell) -> None:
    """Rounds that begin with dictionaries alone, and rounds that begin with a model."""
    lists = [part for label in ("PER", "LOC", "ORG") for part in ("--dictionary", f"{label}=data/en-{label}.txt")]
    given = ("--text", "data/en-raw.txt", "--dev", "data/en-dev.conll", *lists, "--rounds", "2", "--min-count", "2")
    keys = sh.small("loss.prior_from=dev", epochs=4)
    sh.run("grow-dictionary", *given, "--out", sh.at("rounds"), keys=keys)
    model = ("--model", "pu-prior-of-dev/teacher")
    sh.run("grow-dictionary", *given, *model, "--out", sh.at("from-model"), keys=keys)
