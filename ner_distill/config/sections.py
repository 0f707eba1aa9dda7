"""The sections of a configuration: frozen models of the tables of the TOML file.

A section of several kinds has a class for each, whose first key (`kind`, or `name`) tells them apart: a key stands in
the classes of those kinds alone that read it. Constructors of bricks take plain values and know none of these classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Dropout = Annotated[float, Field(ge=0.0, lt=1.0)]
Decay = Annotated[float, Field(ge=0.0, lt=1.0)]
Rate = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Width = Annotated[int, Field(ge=1, le=65_536)]
Depth = Annotated[int, Field(ge=1, le=1_000)]
"""Of layers, heads, masks. Bounds of both keep a folder from a stranger from taking all memory or time."""
Weight = Annotated[float, Field(ge=0.0)]
Share = Annotated[float, Field(gt=0.0, lt=1.0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]  # what numpy and torch both take
AutoWeight = Literal["auto"] | Annotated[float, Field(ge=0.0)]
Vocabulary = Literal["whole", "cut"] | Annotated[int, Field(ge=100, le=1_000_000)]
Auto = Literal["auto", "off"] | Annotated[float, Field(ge=0.0)]


class Section(BaseModel):
    """A table of the configuration file: frozen, no unknown keys, no silent conversions.

    What checks a table is built when the first is read: a program that reads one kind of run waits for no other kind.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)


def key(default: Any, description: str) -> Any:
    """A key of a section: its default, and what `init-config` says of it."""
    return Field(default, description=description)


@dataclass(frozen=True)
class Measured:
    """What an option gave a teacher: development F1 less that of plain training, means over three seeds.

    cluener: on the first 4,000 sentences of CLUENER, 4 epochs. resumes: on the first 2,000 of the résumés,
    4 epochs. None: not tried.
    setting: with what value, where that does not go without saying.
    cost: seconds of a training, of those of a plain one.
    """

    cluener: float
    resumes: float | None = None
    setting: str = ""
    cost: float = 1.0

    @property
    def experimental(self) -> bool:
        """Whether it cost more than seeds differ by, wherever it was tried."""
        return max(self.cluener, -100.0 if self.resumes is None else self.resumes) < -NOISE

    def __str__(self) -> str:
        figures = {"CLUENER": self.cluener, "résumés": self.resumes}
        text = ", ".join(f"{name} {gain:+.1f}" for name, gain in figures.items() if gain is not None)
        return f"{text} ({self.setting})" if self.setting else text


NOISE = 0.5
"""Points of F1 by which two means over three seeds differ for no reason."""


def _as_tuple(value: object) -> object:
    """TOML has lists; a frozen model holds tuples."""
    return tuple(value) if isinstance(value, list) else value


def _as_files(value: object) -> object:
    """One file may stand for a list of one."""
    return (value,) if isinstance(value, str) else _as_tuple(value)


FileName = Annotated[str, Field(min_length=1)]
Files = Annotated[tuple[FileName, ...], pydantic.BeforeValidator(_as_files)]
Layers = Annotated[tuple[int, ...], pydantic.BeforeValidator(_as_tuple)]


def _layers_tag(value: object) -> str:
    return "number" if isinstance(value, int) else "list"


LayersToCopy = Annotated[Annotated[Layers, Tag("list")] | Annotated[Depth, Tag("number")], Discriminator(_layers_tag)]
"""Indices of layers, or how many."""


class EncoderConfig(Section):
    """What turns a sentence into one vector per word."""

    name: str
    dropout: Dropout = key(0.2, "dropout inside the layers (scratch; FLAT over a pretrained encoder)")
    max_pieces: Annotated[int, Field(ge=8, le=100_000)] = key(
        512, "longer sentences are read in overlapping windows of so many pieces (scratch: words)"
    )


class ScratchEncoderConfig(EncoderConfig):
    """Word and character vectors below a transformer, all trained on the sentences at hand."""

    name: Literal["scratch"] = "scratch"
    start: str = key("", "directory of pretrain with starting weights and vocabulary; encoder.name may say it")
    layers: Depth = key(1, "transformer layers")
    hidden: Width = key(160, "width of the vectors")
    heads: Depth = key(8, "attention heads; must divide hidden")
    word_dim: Width = key(64, "width of word embeddings")
    bigram_dim: Width = key(64, "width of character-bigram embeddings (Chinese)")
    bigrams: bool = key(True, "character bigrams (Chinese)")
    char_filters: Width = key(50, "filters of each width of the character CNN")
    min_count: Count = key(2, "rarer words share the unknown word's vector")
    max_forms: Natural = key(0, "keep only so many of the most frequent words and bigrams, 0 = all")
    unknown: Fraction = key(0.15, "chance of hiding a word in training")
    embedding_dropout: Dropout = key(0.4, "dropout on the embeddings")


class PretrainedEncoderConfig(EncoderConfig):
    """An encoder of Hugging Face's kinds."""

    name: str = Field(description="a model id or a directory")
    pooling: Literal["first", "mean"] = key("first", "which pieces make a word's vector")
    layer_mix: bool = key(False, "learned mix of the last four layers per word")


def _encoder_tag(section: Mapping[str, object] | EncoderConfig) -> str:
    name = section.name if isinstance(section, EncoderConfig) else section.get("name")
    return "scratch" if name == "scratch" else "pretrained"


AnyEncoderConfig = Annotated[
    Annotated[ScratchEncoderConfig, Tag("scratch")] | Annotated[PretrainedEncoderConfig, Tag("pretrained")],
    Field(
        discriminator=Discriminator(_encoder_tag),
        description='"scratch", a Hugging Face model id (ID or ID@REVISION), or a directory',
    ),
]


class LatticeConfig(Section):
    """What the words of a lexicon tell of a sentence's characters."""

    kind: str


class NoLatticeConfig(LatticeConfig):
    """No words of a lexicon."""

    kind: Literal["none"] = "none"


class LexiconConfig(LatticeConfig):
    """Where the words come from: common to all kinds that read some."""

    lexicon: Files = key((), "word lists: a word a line, a tab and its frequency where known")
    segmenter: Literal["none", "pkuseg"] = key("none", "words of a segmenter, beside those of a lexicon")
    segmenter_model: str = key("", "the segmenter's model directory (train-segmenter makes one)")
    max_length: Annotated[int, Field(ge=2)] = key(
        8, "longer lexicon words are left out (Chinese characters; elsewhere 100 letters)"
    )
    word_dim: Width = key(64, "width of the words' vectors (softword: of its marks)")


class WordVectorsConfig(LexiconConfig):
    """The vectors of the words: common to the kinds in which each word has one."""

    min_count: Count = key(2, "words matched less in training share one vector")
    vectors: str = key("", "word2vec text file for the words, of width word_dim")
    tune_vectors: bool = key(
        True, "train what was read from `vectors`, or leave it as it is (words without one are trained)"
    )
    unknown: Fraction = key(0.3, "chance of hiding a lexicon word in training")


class FlatConfig(WordVectorsConfig):
    """FLAT: the words are elements of their own, which the characters attend to."""

    kind: Literal["flat"] = "flat"
    dropout: Dropout = key(0.4, "dropout on the words' vectors")
    fusion: Literal["ff", "two", "attn", "gate"] = key("ff", "how four distances become one")
    positions: Literal["fixed", "learned"] = key("fixed", "sinusoids, or learned tables")
    shared_positions: bool = key(True, "one table for the four distances, where learned")
    scaled: bool = key(True, "divide the scores by the root of the width")
    layers: Depth = key(1, "FLAT layers over a pretrained encoder (scratch: encoder.layers)")
    heads: Depth = key(8, "their heads; must divide the encoder's width (scratch: encoder.heads)")


class SoftLexiconConfig(WordVectorsConfig):
    """SoftLexicon: each character's words by its place in them, weighted by frequency."""

    kind: Literal["soft-lexicon"] = "soft-lexicon"
    raw_text: Files = key((), "more text to count frequencies on")


class SoftwordConfig(LexiconConfig):
    """Softword: marks (B, M, E, S) for a character's position in lexicon words, without the words themselves."""

    kind: Literal["softword", "ex-softword"] = "softword"


AnyLatticeConfig = Annotated[
    NoLatticeConfig | FlatConfig | SoftLexiconConfig | SoftwordConfig,
    Field(discriminator="kind", description="FLAT layers over characters and words, or features of each character"),
]


class FeaturesConfig(Section):
    """What else is known of a word beside its context."""

    pinyin: bool = key(False, "how characters are read: letters of their pinyin, by a CNN")
    glyph: bool = key(False, "what characters are made of: their components, by a CNN")
    spelling_dim: Width = key(64, "width of the vectors of pinyin and of glyph")
    gazetteers: dict[str, Files] = key({}, 'lists of known entities: {TYPE = "file" or ["file", ...]}')
    gazetteer_dim: Width = key(32, "width of the vector of what the lists say")
    train_lists: Literal["none", "all", "main-type", "unambiguous"] = key(
        "none",
        "lists of the training data's entities, for its own sentences out of fold: forms of several types stand on all "
        "their lists, on that of the most frequent type, or on none",
    )
    train_lists_outside: Fraction = key(0.5, "leave out forms of which a greater share stands outside of entities")
    train_lists_most: Natural = key(0, "leave out forms that are entities more often; 0 = none")
    train_lists_folds: Annotated[int, Field(ge=2, le=1_000)] = key(
        5, "folds; a sentence knows the entities of the others"
    )
    char_vectors: str = key(
        "", "word2vec text file for words (characters); its width must be encoder.word_dim (scratch only)"
    )
    bigram_vectors: str = key("", "the same for character bigrams; its width must be encoder.bigram_dim (scratch only)")
    tune_vectors: bool = key(True, "train what was read from these two files, or leave it as it is")


class HeadConfig(Section):
    """What turns word vectors into entities."""

    kind: str
    dropout: Dropout = key(0.1, "dropout on the word vectors before the head")
    dropout_samples: Annotated[Depth, Measured(0.5, setting="4", cost=1.2)] = key(
        1, "dropout masks of one encoding, whose losses are averaged (teacher only)"
    )
    main_type: str = key("", "a type that a further head finds alone (teacher only)")
    main_type_weight: Annotated[Weight, Measured(0.2, setting="0.5", cost=1.1)] = key(
        0.0, "weight of that head's loss (teacher only)"
    )
    boundary_weight: Annotated[Weight, Measured(0.0, setting="0.5", cost=1.2)] = key(
        0.0, "weight of a second head that finds entities whatever their type (teacher only)"
    )
    task_weighting: Annotated[Literal["sum", "log-sum"], Measured(-0.1, setting="log-sum", cost=1.1)] = key(
        "sum", "how the two tasks' losses are joined: summed, or their logarithms (teacher only)"
    )
    label_smoothing: Annotated[Dropout, Measured(-2.0, setting="0.1", cost=1.2)] = key(
        0.0, "share of the target that goes to all tags alike (teacher only)"
    )


class TagsHeadConfig(HeadConfig):
    """Tags of words: each by itself, as one chain, or as a chain for each type."""

    kind: Literal["token", "crf", "crf-per-type"] = "crf"
    greedy: bool = key(
        False,
        "read each word's best tag, as a pipeline of transformers does, in place of the most probable path that BIO "
        "allows (a Hugging Face student)",
    )


class PointerConfig(HeadConfig):
    """A score for each pair of first and last word: common to all pointers."""

    head_dim: Width = key(64, "width of queries and keys (additive: of its hidden layer)")
    max_span: Natural = key(
        0, "longer entities are left out of training and never found, in words; 0 = twice the longest, at least 16"
    )
    reading_weight: Weight = key(0.0, "weight of the reading-comprehension objective: expected overlap with the entity")
    reading_entropy: Weight = key(0.05, "weight, within that objective, of what keeps its distribution over spans wide")


class GlobalPointerConfig(PointerConfig):
    """Products of queries and keys, of each type or (efficient) one for all types."""

    kind: Literal["global-pointer", "efficient-global-pointer"] = "global-pointer"
    rotary: bool = key(True, "rotary positions: scores know how far two words are apart")


class AdditivePointerConfig(PointerConfig):
    """Sums of first and last word through a hidden layer."""

    kind: Literal["additive-pointer"] = "additive-pointer"
    output_bias: bool = key(True, "a constant of each type in the score")


class MrcConfig(HeadConfig):
    """A question for each type, which the encoder reads before the sentence."""

    kind: Literal["mrc"] = "mrc"
    questions: str = key("", 'TOML file with a question for each type, TYPE = "..." (empty: made from their names)')
    segments: bool = key(True, "BERT's kind of encoder is told by segment ids what is question and what is sentence")
    match_hidden: Annotated[int, Field(ge=0, le=65_536)] = key(
        256, "hidden units of the match of first and last word; 0 = none: then it cannot nest entities of one type"
    )
    start_weight: Rate = key(1.0, "weight of first words in the loss")
    end_weight: Rate = key(1.0, "weight of last words")
    match_weight: Rate = key(1.0, "weight of which first and last words belong together")


AnyHeadConfig = Annotated[
    TagsHeadConfig | GlobalPointerConfig | AdditivePointerConfig | MrcConfig,
    Field(
        discriminator="kind",
        description="tags: token, crf; entities that may nest: crf-per-type, the pointers, mrc "
        "(auto: crf, but token for a pretrained student)",
    ),
]


class SimilarityConfig(Section):
    """The second task of the teacher: do two words carry the same entity type?"""

    weight: AutoWeight = key(
        0.5,
        'weight of this task in the joint loss; "auto": from step to step so that its gradient is `share` of that of '
        "the entities; 0 switches it off, as loss.kind = pu does",
    )
    share: Rate = key(
        0.3, "with weight \"auto\": this task's gradient at the word vectors, as a share of the entities'"
    )
    encoder: Literal["shared", "separate"] = key("shared", "share the recogniser's encoder or not")
    pairs_per_sentence: Natural = key(32, "sampled pairs per encoded sentence")
    target: Literal["type", "tag"] = key("type", "what two words must share to be alike")
    scale: Literal["learned", "source"] = key(
        "learned",
        '"source": sigmoid(cos) as published, which lies in [0.27, 0.73]; "learned": sigmoid(a cos + b)',
    )

    @property
    def learned(self) -> bool:
        """Whether there is a second task."""
        return self.weight == "auto" or self.weight > 0


class AdversarialConfig(Section):
    """Training against the worst small change of the embeddings."""

    kind: str
    epsilon: Rate = key(1.0, "length of the perturbation (auto: 1, over FLAT 0.5)")
    on: Literal["vectors", "weights"] = key(
        "vectors", "perturb each sentence's embedded vectors, or the embedding matrices (not FLAT's words)"
    )


class NoAdversaryConfig(AdversarialConfig):
    """Plain training."""

    kind: Literal["none"] = "none"


class FgmConfig(AdversarialConfig):
    """One step along the gradient."""

    kind: Annotated[Literal["fgm"], Measured(0.7, 0.6, setting="fgm", cost=2.0)] = "fgm"


class StepsConfig(AdversarialConfig):
    """Several steps along the gradient."""

    kind: Annotated[
        Literal["pgd", "freelb"], Measured(-4.8, setting="pgd", cost=3.3), Measured(-1.2, setting="freelb", cost=2.8)
    ] = "pgd"
    alpha: Rate = key(0.3, "length of each step")
    steps: Depth = key(3, "steps")


class VatConfig(AdversarialConfig):
    """Virtual adversarial training: the prediction must not change under a small perturbation."""

    kind: Annotated[Literal["vat"], Measured(-11.9, setting="vat", cost=3.1)] = "vat"
    raw_text: Files = key((), "text without labels to learn from too: an answer needs none")


AnyAdversarialConfig = Annotated[
    NoAdversaryConfig | FgmConfig | StepsConfig | VatConfig,
    Field(
        discriminator="kind",
        description="one step (fgm) or several (pgd, freelb) against the loss, or against the model's own answer (vat)",
    ),
]


class RegularizeConfig(Section):
    """What keeps a teacher from learning its sentences by heart; 0 is off."""

    simcse: Annotated[Weight, Measured(0.9, setting="0.1", cost=1.8)] = key(
        0.0, "weight of telling sentences apart over two dropout passes (SimCSE)"
    )
    mixup: Annotated[Weight, Measured(0.1, setting="1", cost=1.2)] = key(
        0.0, "weight of the loss on mixed word vectors of two sentences"
    )
    mixup_beta: Rate = key(0.5, "both parameters of the distribution that mixing shares are drawn from")
    r_drop: Annotated[Weight, Measured(-0.6, setting="1", cost=2.0)] = key(
        0.0, "weight of the agreement of two dropout passes (R-Drop)"
    )


class LossConfig(Section):
    """What labels say: everything, or only what is labelled (positive and unlabelled learning)."""

    kind: str


class LikelihoodConfig(LossConfig):
    """A word without a label is of no type."""

    kind: Literal["likelihood"] = "likelihood"


class PuConfig(LossConfig):
    """A word without a label may be of a type all the same."""

    kind: Literal["pu"] = "pu"
    prior: dict[str, Share] = key(
        {}, "share of all words that are of a type, {TYPE = 0.05}; what is not given is estimated"
    )
    prior_from: Literal["train", "dev"] = key(
        "train",
        "estimated from the labelled part of the training data, or taken from development data that "
        "is labelled in full",
    )
    bounded: bool = key(False, "abs(y - f) as published, which learns slowly, or the log-loss")
    joint: bool = key(True, "types compete while they are learned; false: a binary task each")
    gamma: Rate | Literal["usual"] = key(
        "usual", "weight of labels that are missed (usual: 1, or 1 / prior of each type if bounded)"
    )
    negatives_stand_for: Fraction = key(
        0.0,
        "how much words that are surely of no entity stand for all such words (PNU learning); 0 = each for itself",
    )


AnyLossConfig = Annotated[
    LikelihoodConfig | PuConfig,
    Field(
        discriminator="kind",
        description="pu: a word without a label may be of a type all the same, as in dictionary labels",
    ),
]


class OptimConfig(Section):
    """The training loop."""

    epochs: Count = key(
        12, "passes over the training data (auto: scratch 12, with loss.kind pu 6, pretrained 5; pretrain: 3 and 1)"
    )
    lr: Rate = key(
        2e-3,
        "learning rate of the encoder (auto: scratch 2e-3, wide students less, pretrained 3e-5; pretrain: 3e-3, 5e-5)",
    )
    head_lr: Rate = key(2e-3, "learning rate of new layers (auto: scratch lr, pretrained 1e-3)")
    crf_lr: Rate = key(1e-2, "learning rate of the CRF's transitions")
    warmup: Fraction = key(0.1, "share of the training in which the rate rises")
    weight_decay: Weight = key(0.01, "AdamW's weight decay (not on biases and norms)")
    batch_words: Count = key(
        512,
        "words (pretrained: pieces) of a batch, padding included "
        "(auto: scratch 512, with loss.kind pu 2048, pretrained 1024; pretrain: 1024)",
    )
    accumulate: Count = key(1, "batches that make one step")
    layer_decay: Annotated[float, Field(gt=0.0, le=1.0), Measured(0.1, setting="0.8", cost=1.1)] = key(
        1.0, "each lower layer of the encoder learns at this times the rate of the one above; 1 = alike"
    )
    freeze_epochs: Natural = key(0, "first epochs in which a pretrained encoder stays as it is")
    freeze_layers: Natural = key(
        0, "lowest layers of a pretrained encoder that stay as they are in all epochs, as do its embeddings; 0 = none"
    )
    clip: Weight = key(5.0, "largest norm of the gradient; 0 = no clipping")
    swa: Annotated[bool, Measured(0.0, setting="true", cost=1.3)] = key(False, "average the weights of the last epochs")
    swa_start: Fraction = key(0.7, "share of the training after which swa averages")
    ema: Decay = key(
        0.0,
        "decay of a moving average of the weights of all steps; 0 = none (not with swa) "
        "(auto: 0.98 for a teacher from scratch, else 0)",
    )
    average_lr: Fraction = key(
        0.0,
        "with swa or ema: share of the full rate that holds from swa_start on; 0 = it falls on to the end "
        "(auto: 0.3 with an ema that is auto, else 0)",
    )
    patience: Natural = key(0, "stop after so many epochs without a better score; 0 = never")
    precision: Literal["auto", "fp32", "bf16"] = key(
        "fp32",
        "bf16 needs a device that has it (auto: fp32, but bf16 for a pretrained model where the device has it; "
        "pretrain: fp32)",
    )
    checkpoint_minutes: Weight = key(2.0, "minutes between checkpoints inside an epoch; 0 = only at its end")


class DistillConfig(Section):
    """The student's loss."""

    divergence: Literal["mse", "kl", "ce"] = key(
        "kl", "how far the student's tags are from the teacher's; \"mse\" is the source's"
    )
    temperature: Rate = key(1.0, "softens both sides (kl and ce)")
    alpha: Auto = key("auto", 'the teacher\'s confidence on a word: "auto", a number, or "off" (= 1)')
    beta: Auto = key("auto", 'the certainty of a pair\'s similarity: "auto", a number, or "off" (= 1)')
    gamma: Auto = key("auto", 'do the teacher\'s two tasks agree: "auto", a number, or "off" (= 1)')
    beta_floor: Fraction = key(0.5, "added to beta, which is then cut at 1 (the authors' code: 0.5; paper: 0)")
    similarity_weight: AutoWeight = key(
        "auto",
        'weight of the similarity term (the source: 0.5); "auto": from step to step so that its gradient is '
        "`similarity_share` of that of the word term, whatever the divergence",
    )
    similarity_share: Rate = key(
        0.3, 'with similarity_weight "auto": its gradient at the word vectors, as a share of the word term\'s'
    )
    gold_weight: Weight = key(
        4.0, "weight of the loss on gold sentences, where given; 1: a gold label counts as much as a soft one"
    )
    judge: Literal["auto", "dev", "teacher"] = key(
        "auto",
        "what chooses the epoch: F1 on `dev`, or agreement with the teacher on a part of the store that is held out "
        "(auto: `dev` where it is given)",
    )


class InitConfig(Section):
    """Where a Hugging Face student begins, other than at a checkpoint."""

    teacher: str = key("", "run of a teacher with a pretrained encoder, whose layers the student copies")
    layers: LayersToCopy = key(
        (), "which layers to copy, lowest first (negative ones count from the top), or how many: then the lowest"
    )
    vocabulary: Vocabulary = key(
        "whole",
        'pieces of a Hugging Face student: all, "cut" (those that its text needs, and single characters), or a number '
        "of pieces that SentencePiece learns from its text",
    )
    vocabulary_text: Files = key(
        (), "more raw text that the pieces are chosen by; the student learns nothing else from it"
    )
    embedding_rank: Natural = key(
        0, "numbers of a piece's vector, which a linear layer makes as wide as the encoder (BERT, RoBERTa); 0: its own"
    )

    @property
    def run(self) -> Path:
        """The directory of the teacher; of none the working directory."""
        return Path(self.teacher).expanduser()


class MaskConfig(Section):
    """Which words are masked in pretraining."""

    kind: Literal["word", "span"] = key("word", "single words, or stretches of up to ten (SpanBERT)")
    share: Annotated[float, Field(gt=0.0, le=0.5)] = key(0.15, "share of the words that are masked")
    lexicon: Files = key((), "word lists: characters that make one of their words are masked together")


START_FILE = "encoder.toml"
"""Written by `pretrain` beside a scratch encoder's weights: what they are the weights of."""

START_SHAPE = (
    "layers", "hidden", "heads", "word_dim", "bigram_dim", "bigrams", "char_filters", "min_count", "max_forms"
)  # fmt: skip
"""The keys of `[encoder]` that such an encoder has settled: its sizes, and what its vocabulary was counted with."""
