"""Teachers from scratch, read by Chinese characters: what a lexicon, a segmenter and other knowledge tell them."""

from __future__ import annotations

from tests.witness.registry import case, each
from tests.witness.shell import Shell

LEXICON = "lattice.lexicon=['data/lexicon.txt']"
FLAT = ("lattice.kind=flat", LEXICON, "lattice.word_dim=16")
SOFT = ("lattice.kind=soft-lexicon", LEXICON, "lattice.word_dim=16")
VECTORS = "lattice.vectors=data/word-vectors.txt"

KNOWLEDGE = {
    "zh-crf": ("head.kind=crf",),
    "zh-token": ("head.kind=token", "encoder.bigrams=false"),
    "flat-attn": (*FLAT, "lattice.fusion=attn", "lattice.max_length=3"),
    "flat-gate-learned": (*FLAT, "lattice.fusion=gate", "lattice.positions=learned"),
    "flat-two-not-shared": (
        *FLAT, "lattice.fusion=two", "lattice.positions=learned", "lattice.shared_positions=false",
        "lattice.scaled=false",
    ),
    "flat-attn-learned-fgm": (*FLAT, "lattice.fusion=attn", "lattice.positions=learned", "adversarial.kind=fgm"),
    "flat-windows": (*FLAT, "encoder.max_pieces=8", "encoder.layers=2"),
    "flat-vectors": (*FLAT, VECTORS),
    "flat-vectors-kept": (*FLAT, VECTORS, "lattice.tune_vectors=false", "lattice.min_count=1", "lattice.unknown=0.1"),
    "flat-separate-weights": (
        *FLAT, "similarity.encoder=separate", "adversarial.kind=freelb", "adversarial.on=weights",
        "adversarial.steps=2", "lattice.dropout=0.1",
    ),
    "flat-pointer": (*FLAT, "head.kind=efficient-global-pointer", "regularize.r_drop=0.5"),
    "flat-mrc": (*FLAT, "head.kind=mrc", "similarity.weight=0"),
    "soft-lexicon": SOFT,
    "soft-lexicon-raw-text": (*SOFT, "lattice.raw_text=['data/zh-raw.txt']", "lattice.unknown=0.1"),
    "soft-lexicon-vectors": (*SOFT, VECTORS, "lattice.tune_vectors=false"),
    "soft-lexicon-windows": (*SOFT, "encoder.max_pieces=8", VECTORS),
    "softword": ("lattice.kind=softword", LEXICON, "lattice.word_dim=8"),
    "ex-softword": ("lattice.kind=ex-softword", LEXICON, "lattice.word_dim=8"),
    "pinyin-glyph": ("features.pinyin=true", "features.glyph=true", "features.spelling_dim=8"),
    "pinyin": ("features.pinyin=true",),
    "gazetteers": (
        "features.gazetteers={NAME = 'data/zh-NAME.txt', ORG = 'data/zh-ORG.txt', other = 'data/zh-LOC.txt'}",
    ),
    "char-vectors": (
        "features.char_vectors=data/zh-char-vectors.txt", "features.bigram_vectors=data/zh-bigram-vectors.txt",
    ),
    "char-vectors-kept": (
        "features.char_vectors=data/zh-char-vectors.txt", "features.bigram_vectors=data/zh-bigram-vectors.txt",
        "features.tune_vectors=false", "similarity.weight=0",
    ),
    "all-knowledge": (
        *FLAT, VECTORS, "features.pinyin=true", "features.glyph=true", "adversarial.kind=fgm", "optim.swa=true",
        "features.gazetteers={NAME = 'data/zh-NAME.txt'}", "features.char_vectors=data/zh-char-vectors.txt",
    ),
}  # fmt: skip


@each(KNOWLEDGE)
def _knowledge(sh: Shell, keys: tuple[str, ...]) -> None:
    run = sh.teacher("zh", *keys, epochs=2)
    sh.use(run, "zh")
    sh.label(run, text="data/zh-raw.txt", more=["--limit", "30"])


@case(first=True)
def segmenter(sh: Shell) -> None:
    sh.run("train-segmenter", "--train", "data/segmented.txt", "--out", sh.at("segmenter"))


PKUSEG = ("lattice.segmenter=pkuseg", "lattice.segmenter_model=segmenter/segmenter", "lattice.word_dim=16")
SEGMENTED = {
    "flat-segmenter": ("lattice.kind=flat", *PKUSEG),
    "soft-lexicon-segmenter": ("lattice.kind=soft-lexicon", *PKUSEG, LEXICON),
    "softword-segmenter": ("lattice.kind=softword", *PKUSEG),
}


@each(SEGMENTED, "segmenter")
def _segmented(sh: Shell, keys: tuple[str, ...]) -> None:
    run = sh.teacher("zh", *keys, epochs=2)
    sh.use(run, "zh")
    sh.run("predict", "--model", run, "--text", "data/zh-raw.txt", "--lattice")
