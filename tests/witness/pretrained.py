"""Pretrained encoders, tiny ones: teachers on them, students of all kinds, and pretraining itself."""

from __future__ import annotations

from tests.witness.registry import case, each
from tests.witness.shell import Shell

RATES = ("optim.lr=2e-3", "optim.head_lr=1e-2", "optim.batch_words=128")
BERT = ("encoder.name=checkpoints/bert", *RATES)
LATTICE = ("lattice.kind=flat", "lattice.lexicon=['data/lexicon.txt']", "lattice.word_dim=16", "lattice.heads=4")

TEACHERS = {
    "bert-first": BERT,
    "bert-mean-mix": (*BERT, "encoder.pooling=mean", "encoder.layer_mix=true", "head.kind=token"),
    "bert-windows": (*BERT, "encoder.max_pieces=16"),
    "bert-frozen": (*BERT, "optim.freeze_epochs=1", "optim.layer_decay=0.7", "optim.swa=true", "optim.epochs=4"),
    "bert-separate": (*BERT, "similarity.encoder=separate", "adversarial.kind=fgm"),
    "bert-weights": (*BERT, "adversarial.kind=fgm", "adversarial.on=weights", "regularize.simcse=0.1"),
    "bert-vat": (*BERT, "adversarial.kind=vat", "adversarial.raw_text=['data/es-raw.txt']"),
    "bert-pointer": (*BERT, "head.kind=global-pointer"),
    "bert-mrc": (*BERT, "head.kind=mrc"),
    "bert-gazetteers": (*BERT, "features.gazetteers={PER = 'data/en-PER.txt'}"),
    "uncased": ("encoder.name=checkpoints/uncased", *RATES),
    "roberta": ("encoder.name=checkpoints/roberta", *RATES),
    "xlm-roberta": ("encoder.name=checkpoints/xlm-roberta", *RATES),
}
TEACHERS_ZH = {
    "bert-zh": BERT,
    "bert-flat": (*BERT, *LATTICE, "lattice.layers=2", "optim.epochs=4"),
    "bert-flat-frozen": (*BERT, *LATTICE, "optim.freeze_epochs=1", "encoder.layer_mix=true", "features.pinyin=true"),
    "bert-flat-windows": (*BERT, *LATTICE, "encoder.max_pieces=12"),
    "bert-soft-lexicon": (
        *BERT, "lattice.kind=soft-lexicon", "lattice.lexicon=['data/lexicon.txt']", "lattice.word_dim=16",
    ),
}  # fmt: skip


def _teacher(sh: Shell, corpus: str, keys: tuple[str, ...]) -> None:
    run = sh.teacher(corpus, *keys, epochs=2, small=False)
    sh.use(run, corpus)
    sh.label(run, text=f"data/{corpus}-raw.txt", more=["--limit", "30"])


@each(TEACHERS, "checkpoints")
def _word_teacher(sh: Shell, keys: tuple[str, ...]) -> None:
    _teacher(sh, "en", keys)


@each(TEACHERS_ZH, "checkpoints")
def _character_teacher(sh: Shell, keys: tuple[str, ...]) -> None:
    _teacher(sh, "zh", keys)


# ---- students in the format of transformers


STUDENTS = {
    "student-of-checkpoint": ("encoder.name=checkpoints/uncased", *RATES),
    "student-roberta": ("encoder.name=checkpoints/roberta", *RATES, "distill.divergence=mse"),
    "student-xlm-roberta": ("encoder.name=checkpoints/xlm-roberta", *RATES, "encoder.max_pieces=16"),
}


@each(STUDENTS, "checkpoints", "store")
def _student(sh: Shell, keys: tuple[str, ...]) -> None:
    sh.use(sh.student("store/soft", "en", *keys, small=False), "en")


COPIED = {
    "student-copied": ("init.teacher=bert-first/teacher", "init.layers=[0,2]", *RATES),
    "student-copied-top": ("init.teacher=bert-first/teacher", "init.layers=[-1]", "optim.freeze_epochs=1", *RATES),
}


@each(COPIED, "bert-first", "store")
def _copied(sh: Shell, keys: tuple[str, ...]) -> None:
    sh.use(sh.student("store/soft", "en", *keys, small=False, gold="data/en-train.conll"), "en")


@case("bert-flat")
def student_copied_from_flat(sh: Shell) -> None:
    keys = ("init.teacher=bert-flat/teacher", "init.layers=[1]", *RATES)
    sh.use(sh.student("bert-flat/soft", "zh", *keys, small=False), "zh")


# ---- pretraining


def _pretrain(sh: Shell, language: str, *keys: str, more: tuple[str, ...] = (), small: bool = True) -> None:
    settings = sh.small(*keys, epochs=2) if small else ["optim.epochs=2", *RATES, *keys]
    sh.run("pretrain", "--text", f"data/{language}-raw.txt", "--out", sh.at("encoder"), *more, keys=settings)


@case()
def pretrained_words(sh: Shell) -> None:
    _pretrain(sh, "en", "encoder.min_count=2", "simcse=0.1")


@case()
def pretrained_characters(sh: Shell) -> None:
    _pretrain(sh, "zh", "encoder.min_count=1", "mask.kind=span", "mask.share=0.3", "mask.lexicon=['data/lexicon.txt']")


@case("checkpoints")
def pretrained_bert(sh: Shell) -> None:
    _pretrain(sh, "en", "simcse=0.1", more=("--encoder", "checkpoints/bert"), small=False)


@case("checkpoints")
def pretrained_bert_spans(sh: Shell) -> None:
    keys = ("mask.kind=span", "mask.lexicon=['data/lexicon.txt']", "encoder.max_pieces=16")
    _pretrain(sh, "zh", *keys, more=("--encoder", "checkpoints/bert"), small=False)


@case("pretrained-words")
def pretrained_again(sh: Shell) -> None:
    """On other text, from where the other training ended."""
    _pretrain(sh, "es", more=("--encoder", "pretrained-words/encoder"))


@case("pretrained-words")
def teacher_of_pretrained_words(sh: Shell) -> None:
    keys = ("encoder.name=pretrained-words/encoder", "optim.freeze_epochs=1")
    sh.use(sh.teacher("en", *keys), "en")


@case("pretrained-characters")
def teacher_of_pretrained_characters(sh: Shell) -> None:
    keys = ("encoder.start=pretrained-characters/encoder", "lattice.kind=soft-lexicon")
    sh.use(sh.teacher("zh", *keys, "lattice.lexicon=['data/lexicon.txt']", epochs=2), "zh")


@case("pretrained-bert")
def teacher_of_pretrained_bert(sh: Shell) -> None:
    _teacher(sh, "en", ("encoder.name=pretrained-bert/encoder", *RATES))


@case("pretrained-words", "store")
def student_of_pretrained_words(sh: Shell) -> None:
    sh.use(sh.student("store/soft", "en", "encoder.name=pretrained-words/encoder"), "en")
