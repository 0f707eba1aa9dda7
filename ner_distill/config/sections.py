"""The configuration: frozen models of the TOML file; `config_file.py` reads and checks it.

No class of the package needs this module: constructors take plain values.
"""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Dropout = Annotated[float, Field(ge=0.0, lt=1.0)]
Rate = Annotated[float, Field(gt=0.0)]
Count = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0.0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]  # what numpy and torch both take
Auto = Literal["auto", "off"] | Annotated[float, Field(ge=0.0)]


class Section(BaseModel):
    """A table of the configuration file: frozen, no unknown keys, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _as_tuple(value: object) -> object:
    """TOML has lists; a frozen model holds tuples."""
    return tuple(value) if isinstance(value, list) else value


def _as_files(value: object) -> object:
    """One file may stand for a list of one."""
    return (value,) if isinstance(value, str) else _as_tuple(value)


class EncoderConfig(Section):
    """What turns a sentence into one vector per word."""

    name: str = Field("scratch", description='"scratch", a Hugging Face model id, or a directory')
    start: str = Field(
        "", description="directory of pretrain with starting weights and vocabulary; name may say it (scratch only)"
    )
    layers: Count = Field(1, description="transformer layers (scratch only)")
    hidden: Count = Field(160, description="width of the vectors (scratch only)")
    heads: Count = Field(8, description="attention heads (scratch only); must divide hidden")
    word_dim: Count = Field(64, description="width of word embeddings (scratch only)")
    bigram_dim: Count = Field(64, description="width of character-bigram embeddings (scratch only, Chinese)")
    bigrams: bool = Field(True, description="character bigrams (scratch only, Chinese)")
    char_filters: Count = Field(50, description="filters of each width of the character CNN (scratch only)")
    min_count: Count = Field(2, description="rarer words share the unknown word's vector (scratch only)")
    max_forms: Annotated[int, Field(ge=0)] = Field(
        0, description="keep only so many of the most frequent words and bigrams, 0 = all (scratch only)"
    )
    unknown: Fraction = Field(0.15, description="chance of hiding a word in training (scratch only)")
    dropout: Dropout = Field(0.2, description="dropout inside the layers (scratch; FLAT over a pretrained encoder)")
    embedding_dropout: Dropout = Field(0.4, description="dropout on the embeddings (scratch only)")
    pooling: Literal["first", "mean"] = Field(
        "first", description="which pieces make a word's vector (pretrained only)"
    )
    layer_mix: bool = Field(False, description="learned mix of the last four layers per word (pretrained only)")
    max_pieces: Annotated[int, Field(ge=8)] = Field(
        512, description="longer sentences are read in overlapping windows of so many pieces (scratch: words)"
    )


FileName = Annotated[str, Field(min_length=1)]
Files = Annotated[tuple[FileName, ...], pydantic.BeforeValidator(_as_files)]


class LatticeConfig(Section):
    """What the words of a lexicon tell of a sentence's characters."""

    kind: Literal["none", "flat", "soft-lexicon", "softword", "ex-softword"] = Field(
        "none", description="FLAT layers over characters and words, or features of each character"
    )
    lexicon: Files = Field((), description="word lists: a word a line, a tab and its frequency where known")
    segmenter: Literal["none", "pkuseg"] = Field("none", description="words of a segmenter, beside those of a lexicon")
    segmenter_model: str = Field("", description="the segmenter's model directory (train-segmenter makes one)")
    max_length: Annotated[int, Field(ge=2)] = Field(
        8, description="longer lexicon words are left out (Chinese characters; elsewhere 100 letters)"
    )
    min_count: Count = Field(2, description="words matched less in training share one vector (flat, soft-lexicon)")
    word_dim: Count = Field(64, description="width of the words' vectors (softword: of its marks)")
    vectors: str = Field("", description="word2vec text file for the words, of width word_dim (flat, soft-lexicon)")
    tune_vectors: bool = Field(
        True, description="train what was read from `vectors`, or leave it as it is (words without one are trained)"
    )
    raw_text: Files = Field((), description="more text to count frequencies on (soft-lexicon)")
    unknown: Fraction = Field(0.3, description="chance of hiding a lexicon word in training (flat, soft-lexicon)")
    dropout: Dropout = Field(0.4, description="dropout on the words' vectors (flat)")
    fusion: Literal["ff", "two", "attn", "gate"] = Field("ff", description="how four distances become one (flat)")
    positions: Literal["fixed", "learned"] = Field("fixed", description="sinusoids, or learned tables (flat)")
    shared_positions: bool = Field(True, description="one table for the four distances, where learned (flat)")
    scaled: bool = Field(True, description="divide the scores by the root of the width (flat)")
    layers: Count = Field(1, description="FLAT layers over a pretrained encoder (scratch: encoder.layers)")
    heads: Count = Field(8, description="their heads; must divide the encoder's width (scratch: encoder.heads)")


class FeaturesConfig(Section):
    """What else is known of a word beside its context."""

    pinyin: bool = Field(False, description="how characters are read: letters of their pinyin, by a CNN")
    glyph: bool = Field(False, description="what characters are made of: their components, by a CNN")
    spelling_dim: Count = Field(64, description="width of the vectors of pinyin and of glyph")
    gazetteers: dict[str, Files] = Field({}, description='lists of known entities: {TYPE = "file" or ["file", ...]}')
    gazetteer_dim: Count = Field(32, description="width of the vector of what the lists say")
    char_vectors: str = Field(
        "", description="word2vec text file for words (characters); its width must be encoder.word_dim (scratch only)"
    )
    bigram_vectors: str = Field(
        "", description="the same for character bigrams; its width must be encoder.bigram_dim (scratch only)"
    )
    tune_vectors: bool = Field(True, description="train what was read from these two files, or leave it as it is")


HeadKind = Literal[
    "auto", "token", "crf", "crf-per-type", "global-pointer", "efficient-global-pointer", "additive-pointer", "mrc"
]


class HeadConfig(Section):
    """What turns word vectors into entities."""

    kind: HeadKind = Field(
        "auto",
        description="tags: token, crf; entities that may nest: crf-per-type, the pointers, mrc "
        "(auto: crf, but token for a pretrained student)",
    )
    dropout: Dropout = Field(0.1, description="dropout on the word vectors before the head")
    head_dim: Count = Field(64, description="width of queries and keys (additive: of its hidden layer) (pointers)")
    rotary: bool = Field(True, description="rotary positions: scores know how far two words are apart (global ones)")
    max_span: Annotated[int, Field(ge=0)] = Field(
        0, description="longer entities are left out of training and never found, in words; 0 = any (pointers)"
    )
    reading_weight: Weight = Field(
        0.0, description="weight of the reading-comprehension objective: expected overlap with the entity (pointers)"
    )
    questions: str = Field(
        "", description='TOML file with a question for each type, TYPE = "..." (mrc; empty: made from their names)'
    )
    boundary_weight: Weight = Field(
        0.0, description="weight of a second head that finds entities whatever their type (teacher only)"
    )
    main_type: str = Field("", description="a type that a further head finds alone (teacher only)")
    main_type_weight: Weight = Field(0.0, description="weight of that head's loss (teacher only)")
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        0.0, description="share of the target that goes to all tags alike (teacher only)"
    )
    dropout_samples: Count = Field(
        1, description="dropout masks of one encoding, whose losses are averaged (teacher only)"
    )
    task_weighting: Literal["sum", "log-sum"] = Field(
        "sum", description="how the two tasks' losses are joined: summed, or their logarithms (teacher only)"
    )


class SimilarityConfig(Section):
    """The second task of the teacher: do two words carry the same entity type?"""

    weight: Weight = Field(
        0.5, description="weight of this task in the joint loss; 0 switches it off, as loss.kind = pu does"
    )
    encoder: Literal["shared", "separate"] = Field("shared", description="share the recogniser's encoder or not")
    pairs_per_sentence: Annotated[int, Field(ge=0)] = Field(32, description="sampled pairs per encoded sentence")
    target: Literal["type", "tag"] = Field("type", description="what two words must share to be alike")
    scale: Literal["learned", "source"] = Field(
        "learned",
        description='"source": sigmoid(cos) as published, which lies in [0.27, 0.73]; "learned": sigmoid(a cos + b)',
    )


class AdversarialConfig(Section):
    """Training against the worst small change of the embeddings."""

    kind: Literal["none", "fgm", "pgd", "freelb", "vat"] = Field(
        "none",
        description="one step (fgm) or several (pgd, freelb) against the loss, or against the model's own answer (vat)",
    )
    epsilon: Rate = Field(1.0, description="length of the perturbation")
    alpha: Rate = Field(0.3, description="length of each step (pgd, freelb)")
    steps: Count = Field(3, description="steps (pgd, freelb)")
    on: Literal["vectors", "weights"] = Field(
        "vectors", description="perturb each sentence's embedded vectors, or the embedding matrices (not FLAT's words)"
    )
    raw_text: Files = Field((), description="text without labels to learn from too: an answer needs none (vat)")


class RegularizeConfig(Section):
    """What keeps a teacher from learning its sentences by heart; 0 is off."""

    r_drop: Weight = Field(0.0, description="weight of the agreement of two dropout passes (R-Drop)")
    simcse: Weight = Field(0.0, description="weight of telling sentences apart over two dropout passes (SimCSE)")
    mixup: Weight = Field(0.0, description="weight of the loss on mixed word vectors of two sentences")
    mixup_beta: Rate = Field(0.5, description="both parameters of the distribution that mixing shares are drawn from")


Share = Annotated[float, Field(gt=0.0, lt=1.0)]


class LossConfig(Section):
    """What labels say: everything, or only what is labelled (positive and unlabelled learning)."""

    kind: Literal["likelihood", "pu"] = Field(
        "likelihood", description="pu: a word without a label may be of a type all the same, as in dictionary labels"
    )
    prior: dict[str, Share] = Field(
        {}, description="share of all words that are of a type, {TYPE = 0.05}; what is not given is estimated (pu)"
    )
    prior_from: Literal["train", "dev"] = Field(
        "train",
        description="estimated from the labelled part of the training data, or taken from development data that "
        "is labelled in full (pu)",
    )
    bounded: bool = Field(False, description="abs(y - f) as published, which learns slowly, or the log-loss (pu)")
    joint: bool = Field(True, description="types compete while they are learned; false: a binary task each (pu)")
    gamma: Rate | Literal["usual"] = Field(
        "usual", description="weight of labels that are missed (pu; usual: 1, or 1 / prior of each type if bounded)"
    )


class OptimConfig(Section):
    """The training loop."""

    epochs: Count | Literal["auto"] = Field(
        "auto", description="passes over the training data (auto: scratch 12, with loss.kind pu 6, pretrained 5)"
    )
    lr: Rate | Literal["auto"] = Field(
        "auto", description="learning rate of the encoder (auto: scratch 2e-3, pretrained 3e-5)"
    )
    head_lr: Rate | Literal["auto"] = Field(
        "auto", description="learning rate of new layers (auto: scratch lr, pretrained 1e-3)"
    )
    crf_lr: Rate = Field(1e-2, description="learning rate of the CRF's transitions")
    warmup: Fraction = Field(0.1, description="share of the training in which the rate rises")
    weight_decay: Weight = Field(0.01, description="AdamW's weight decay (not on biases and norms)")
    batch_words: Count | Literal["auto"] = Field(
        "auto",
        description="words (pretrained: pieces) of a batch, padding included "
        "(auto: scratch 512, with loss.kind pu 2048, pretrained 1024)",
    )
    accumulate: Count = Field(1, description="batches that make one step")
    layer_decay: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        1.0, description="each lower layer of the encoder learns at this times the rate of the one above; 1 = alike"
    )
    freeze_epochs: Annotated[int, Field(ge=0)] = Field(
        0, description="first epochs in which a pretrained encoder stays as it is"
    )
    clip: Weight = Field(5.0, description="largest norm of the gradient; 0 = no clipping")
    swa: bool = Field(False, description="average the weights of the last epochs")
    swa_start: Fraction = Field(0.7, description="share of the training after which averaging starts")
    patience: Annotated[int, Field(ge=0)] = Field(
        0, description="stop after so many epochs without a better score; 0 = never"
    )
    precision: Literal["fp32", "bf16"] = Field("fp32", description="bf16 needs a device that has it")
    checkpoint_minutes: Weight = Field(
        2.0, description="minutes between checkpoints inside an epoch; 0 = only at its end"
    )


class DistillConfig(Section):
    """The student's loss."""

    divergence: Literal["mse", "kl", "ce"] = Field(
        "kl", description="how far the student's tags are from the teacher's; \"mse\" is the source's"
    )
    temperature: Rate = Field(1.0, description="softens both sides (kl and ce)")
    alpha: Auto = Field("auto", description='the teacher\'s confidence on a word: "auto", a number, or "off" (= 1)')
    beta: Auto = Field("auto", description='the certainty of a pair\'s similarity: "auto", a number, or "off" (= 1)')
    gamma: Auto = Field("auto", description='do the teacher\'s two tasks agree: "auto", a number, or "off" (= 1)')
    beta_floor: Fraction = Field(
        0.5, description="added to beta, which is then cut at 1 (the authors' code: 0.5; paper: 0)"
    )
    similarity_weight: Weight = Field(0.5, description="weight of the similarity term")
    gold_weight: Weight = Field(1.0, description="weight of the loss on gold sentences, where given")


class InitConfig(Section):
    """Where a Hugging Face student begins, other than at a checkpoint."""

    teacher: str = Field("", description="run of a teacher with a pretrained encoder, whose layers the student copies")
    layers: Annotated[tuple[int, ...], pydantic.BeforeValidator(_as_tuple)] = Field(
        (), description="which layers to copy, lowest first; negative ones count from the top"
    )


class TeacherConfig(Section):
    """Everything that `train-teacher` can be told."""

    seed: Seed = Field(13, description="of everything that is drawn at random")
    encoder: EncoderConfig = EncoderConfig()
    lattice: LatticeConfig = LatticeConfig()
    features: FeaturesConfig = FeaturesConfig()
    head: HeadConfig = HeadConfig()
    similarity: SimilarityConfig = SimilarityConfig()
    adversarial: AdversarialConfig = AdversarialConfig()
    regularize: RegularizeConfig = RegularizeConfig()
    loss: LossConfig = LossConfig()
    optim: OptimConfig = OptimConfig()


class StudentConfig(Section):
    """Everything that `train-student` can be told."""

    seed: Seed = Field(13, description="of everything that is drawn at random")
    encoder: EncoderConfig = EncoderConfig(
        hidden=96,
        heads=6,
        word_dim=48,
        bigram_dim=32,
        char_filters=24,
        max_forms=6000,
        unknown=0.05,
        dropout=0.1,
        embedding_dropout=0.2,
    )
    head: HeadConfig = HeadConfig()
    init: InitConfig = InitConfig()
    optim: OptimConfig = OptimConfig()
    distill: DistillConfig = DistillConfig()


class MaskConfig(Section):
    """Which words are masked in pretraining."""

    kind: Literal["word", "span"] = Field("word", description="single words, or stretches of up to ten (SpanBERT)")
    share: Annotated[float, Field(gt=0.0, le=0.5)] = Field(0.15, description="share of the words that are masked")
    lexicon: Files = Field((), description="word lists: characters that make one of their words are masked together")


class PretrainConfig(Section):
    """Everything that `pretrain` can be told."""

    seed: Seed = Field(13, description="of everything that is drawn at random")
    minutes: Weight = Field(0.0, description="length of the training, whatever it reads in that time; 0: optim.epochs")
    simcse: Weight = Field(0.0, description="weight of telling sentences apart over two dropout passes (SimCSE)")
    encoder: EncoderConfig = EncoderConfig(
        min_count=3, max_forms=30_000, unknown=0.0, dropout=0.1, embedding_dropout=0.1
    )
    mask: MaskConfig = MaskConfig()
    optim: OptimConfig = OptimConfig()


START_FILE = "encoder.toml"
"""Written by `pretrain` beside a scratch encoder's weights: what they are the weights of."""

START_SHAPE = (
    "layers", "hidden", "heads", "word_dim", "bigram_dim", "bigrams", "char_filters", "min_count", "max_forms"
)  # fmt: skip
"""The keys of `[encoder]` that such an encoder has settled: its sizes, and what its vocabulary was counted with."""
