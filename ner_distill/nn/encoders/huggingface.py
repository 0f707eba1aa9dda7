"""Everything that is named after transformers: loading, limits of encoders, quirks of versions."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from logging import ERROR
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub.utils import logging as hub_logging
from safetensors import SafetensorError
from tokenizers.normalizers import Prepend, Sequence
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor, nn
from transformers import (
    MODEL_FOR_MASKED_LM_MAPPING,
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForTokenClassification,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.utils.hub import cached_file, extract_commit_hash

from ner_distill.errors import ConfigError, NerDistillError, is_out_of_memory
from ner_distill.files import share
from ner_distill.hub import cache_where_unreachable, offline_advice, unreachable
from ner_distill.nn.encoders.architectures import (
    encoder_kind,
    guarded,
    has_token_classifier,
    require_encoder,
    settled,
)
from ner_distill.nn.encoders.backbone import ADVICE, UNPADDED, embedding_of, embedding_table

# Their positions begin after that of the padding piece, so that 514 positions hold 512 pieces.
OFFSET_POSITIONS = frozenset(
    [
        "camembert",
        "data2vec-text",
        "ibert",
        "longformer",
        "mpnet",
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
    ]
)


@dataclass(frozen=True)
class OnHub:
    """A checkpoint of the Hugging Face hub; revision: a branch, a tag or a commit, None for the newest."""

    id: str
    revision: str | None


PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5", "flax_model.msgpack")


def load_backbone_config(name: str | Path) -> PretrainedConfig:
    """The configuration of a directory or of an id on the Hugging Face hub. Raises ConfigError."""
    where = located(name)
    if isinstance(where, Path) and not (where / "config.json").is_file():
        raise ConfigError(f"{name}: no config.json in this directory; expected a Hugging Face checkpoint")
    with _explained(name):
        config: PretrainedConfig = AutoConfig.from_pretrained(**_place(where), trust_remote_code=False)
    if encoder_kind(config) is AutoModel and getattr(config, "is_encoder_decoder", False):
        raise ConfigError(
            f"{name}: {config.model_type} is an encoder with a decoder, and transformers does not part them; {ADVICE}"
        )
    return settled(config)


def load_backbone(name: str | Path) -> PreTrainedModel:
    """The encoder of a checkpoint: fp32, evaluation mode, no pooler.

    name: a directory with config.json and model.safetensors, or an id on the hub. No code of the checkpoint is
    run and no pickle is read. Raises ConfigError where it is not found, is no encoder or is incomplete.
    """
    config = load_backbone_config(name)
    require_encoder(name, config)
    backbone, missing = _load(encoder_kind(config), name, config)
    _require_none([key for key in missing if "pooler" not in key], name)
    _hide_padding(backbone)
    return _stripped(backbone)


def _hide_padding(model: PreTrainedModel) -> None:
    """MobileBERT reads the vectors beside each piece: zero at padding, as beyond an end."""
    if model.config.model_type == "mobilebert" and model.config.trigram_input:
        backbone = model.base_model
        assert isinstance(backbone, PreTrainedModel)
        with torch.no_grad():
            embedding_of(backbone).weight[model.config.pad_token_id] = 0.0


def load_masked_lm(name: str | Path) -> tuple[PreTrainedModel, bool]:
    """The encoder of a checkpoint with a layer that guesses masked pieces, fp32; and is that layer the checkpoint's?

    Else it has fresh weights. Raises ConfigError as `load_backbone` does.
    """
    config = load_backbone_config(name)
    require_encoder(name, config)
    if type(config) not in MODEL_FOR_MASKED_LM_MAPPING:
        raise ConfigError(f"{name}: transformers cannot guess masked pieces with {config.model_type}; {ADVICE}")
    model, missing = _load(AutoModelForMaskedLM, name, config)
    _require_none([key for key in missing if key.startswith(f"{model.base_model_prefix}.")], name)
    return model, not missing


def save_backbone(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, directory: Path) -> None:
    """Write the encoder of a model, without what stands on it, and its tokenizer: `AutoModel` loads the directory."""
    backbone = model.base_model
    assert isinstance(backbone, PreTrainedModel)
    save_checkpoint(backbone, tokenizer, directory)


def save_checkpoint(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, directory: Path) -> None:
    """Write config.json, model.safetensors and the tokenizer's files, for whoever the umask lets read them."""
    with quiet():
        model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    share(*directory.glob("*.safetensors"))


def build_backbone(config: PretrainedConfig) -> PreTrainedModel:
    """An encoder of this shape with fresh weights: fp32, no pooler."""
    with guarded("encoder", config), quiet():
        kind = encoder_kind(config)
        backbone: PreTrainedModel = kind.from_config(settled(copy.deepcopy(config)), dtype=torch.float32)
    return _stripped(backbone)


def build_classifier(config: PretrainedConfig, tags: tuple[str, ...]) -> PreTrainedModel:
    """A token classifier of this shape with fresh weights and these tags, fp32."""
    if not has_token_classifier(config):
        raise ConfigError(f"transformers has no token classifier for {config.model_type}; {ADVICE}")
    config = _with_tags(config, tags)
    with guarded("encoder", config), quiet():
        model: PreTrainedModel = AutoModelForTokenClassification.from_config(config, dtype=torch.float32)
    return model


def load_classifier(name: str | Path) -> PreTrainedModel:
    """The token classifier of a checkpoint: fp32, evaluation mode. Raises ConfigError where weights do not fit it."""
    model, missing = _load(AutoModelForTokenClassification, name, load_backbone_config(name))
    _require_none(missing, name)
    _hide_padding(model)
    model.eval()
    return model


def load_classifier_config(name: str | Path) -> PretrainedConfig:
    """The configuration of a checkpoint. Raises ConfigError where that is no token classifier of transformers' own."""
    config = load_backbone_config(name)
    said = list(config.architectures or ())
    if not has_token_classifier(config) or (said and not any(one.endswith("ForTokenClassification") for one in said)):
        found = ", ".join(said) or config.model_type
        raise ConfigError(
            f"{name}: is no token classifier ({found}); expected a model such as BertForTokenClassification"
        )
    return config


def logits_of(model: PreTrainedModel, pieces: Tensor, mask: Tensor) -> Tensor:
    """The logits (rows, pieces, tags) of a token classifier.

    pieces: (rows, pieces) long; mask: (rows, pieces) bool, True = not padding, which stands at the end of a row.
    """
    if model.config.model_type not in UNPADDED:
        logits: Tensor = model(input_ids=pieces, attention_mask=mask.long()).logits
        return logits
    lengths = mask.sum(dim=1)
    found: Tensor | None = None
    for length in lengths.unique().tolist():
        rows = (lengths == length).nonzero()[:, 0]
        own = model(input_ids=pieces[rows, :length]).logits
        found = own.new_zeros(*pieces.shape, own.shape[-1]) if found is None else found
        found = found.index_copy(0, rows, nn.functional.pad(own, (0, 0, 0, pieces.shape[1] - length)))
    assert found is not None, "no rows"
    return found


def checkpoint_files(name: str | Path, settings: str = "config.json") -> list[Path]:
    """The files of a checkpoint that decide what it answers, sorted; of one of the hub those in the cache.

    settings: a file that it must have. Raises ConfigError where the hub has it not.
    """
    where = located(name)
    if isinstance(where, OnHub):
        where = _cached(name, where, settings).parent
    return sorted(path for path in where.iterdir() if path.suffix in (".json", ".txt", ".model", ".safetensors"))


def commit_of(name: str | Path) -> str | None:
    """The commit that an id of the hub stands for now; None of a directory, and where neither hub nor cache says it."""
    try:
        where = located(name)
        found = _cached(name, where, "config.json") if isinstance(where, OnHub) else None
    except ConfigError:
        return None
    commit: str | None = extract_commit_hash(str(found), None) if found is not None else None
    return commit


def load_weights_of(names: Collection[str], name: str | Path, config: PretrainedConfig) -> dict[str, Tensor]:
    """The weights of these names of a checkpoint, read as a token classifier; none where it lacks one of them."""
    model, missing = _load(AutoModelForTokenClassification, name, config, lenient=True)
    state = model.state_dict()
    return {} if set(names) & set(missing) else {key: state[key] for key in names}


def load_tokenizer(name: str | Path) -> PreTrainedTokenizerFast:
    """The fast tokenizer of a checkpoint, which reads a word by itself as it does behind a blank. Raises ConfigError.

    One that reads no blank at the beginning of a text stays so: a training by characters has made it.
    """
    with _explained(name):
        place = _place(located(name))
        tokenizer = AutoTokenizer.from_pretrained(**place, trust_remote_code=False)
        if tokenizer.is_fast and _reads_bytes(tokenizer) and not _takes_words(tokenizer):
            tokenizer = AutoTokenizer.from_pretrained(**place, trust_remote_code=False, add_prefix_space=True)
            pre_tokenizer = tokenizer.backend_tokenizer.pre_tokenizer
            if isinstance(pre_tokenizer, ByteLevel):  # the generic class keeps what tokenizer.json says
                pre_tokenizer.add_prefix_space = True
        if tokenizer.is_fast and not _takes_words(tokenizer):
            _put_blank_before(tokenizer)
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ConfigError(f"{name}: has no fast tokenizer ({type(tokenizer).__name__}); expected a tokenizer.json")
    # Without any vocabulary file transformers makes a tokenizer of nothing but its special pieces.
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise ConfigError(
            f"{name}: no vocabulary found; expected tokenizer.json, vocab.txt, a SentencePiece model or vocab.json "
            "with merges.txt"
        )
    return tokenizer


def check_vocabulary(backbone: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, name: str | Path) -> None:
    """Raises ConfigError where the tokenizer knows pieces that the encoder has no vector for."""
    if max(tokenizer.get_vocab().values()) >= len(table := embedding_table(backbone)):
        raise ConfigError(
            f"{name}: its tokenizer has {len(tokenizer)} pieces, its encoder only {len(table)}; "
            "they do not belong together"
        )


def position_limit(config: PretrainedConfig) -> int | None:
    """Pieces that the encoder has positions for, special ones included; None where there is no limit."""
    positions = getattr(config, "max_position_embeddings", None)
    if not isinstance(positions, int) or positions <= 0:
        return None
    if config.model_type in OFFSET_POSITIONS:
        padding = config.pad_token_id
        return positions - (padding if isinstance(padding, int) else 1) - 1
    return positions


def _stripped(backbone: PreTrainedModel) -> PreTrainedModel:
    """Without the pooler, which no tagger uses and which would get no gradient; some call it all the same."""
    if getattr(backbone, "pooler", None) is not None:
        setattr(backbone, "pooler", nn.Identity())  # noqa: B010 (declared as a module that is always there)
    backbone.eval()
    return backbone


def _reads_bytes(tokenizer: Any) -> bool:
    pre_tokenizer = tokenizer.backend_tokenizer.pre_tokenizer
    return pre_tokenizer is not None and b'"ByteLevel"' in pre_tokenizer.__getstate__()


def _takes_words(tokenizer: Any) -> bool:
    """Is a word by itself read like a word after a space? Or can it be: has it a setting (Metaspace), or no blanks?"""
    if '"Metaspace"' in tokenizer.backend_tokenizer.to_str():
        return True
    by_word = tokenizer(["a"], is_split_into_words=True, add_special_tokens=False)["input_ids"]
    alone, behind, text = (tokenizer(it, add_special_tokens=False)["input_ids"] for it in ("a", " a", "a a"))
    return bool(by_word + by_word == text or alone == behind)


def _put_blank_before(tokenizer: Any) -> None:
    """Let the tokenizer read a blank before whatever it is given, word or text.

    For byte-level tokenizers that first cut texts by a pattern (Llama 3, EuroBERT), whose part for bytes would put it
    before each part of a word, and for those that replace blanks by a mark (Gemma, mmBERT).
    """
    backend = tokenizer.backend_tokenizer
    own = [] if backend.normalizer is None else [backend.normalizer]
    backend.normalizer = Sequence([Prepend(" "), *own])


def located(name: str | Path) -> Path | OnHub:
    """Where a checkpoint is: a directory, or on the hub, as ID or ID@REVISION.

    Raises ConfigError for a path that leads nowhere.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    text = str(name)
    id, at, revision = text.partition("@")
    like_a_path = isinstance(name, Path) or path.is_absolute() or id.startswith((".", "~")) or id.count("/") > 1
    if like_a_path or path.exists():
        raise ConfigError(
            f"{name}: no such directory; expected one with a Hugging Face checkpoint, or an id on the Hugging Face hub"
        )
    if at and not (id and revision):
        raise ConfigError(f"{name}: expected ID@REVISION of the Hugging Face hub, with a branch, a tag or a commit")
    return OnHub(id, revision or None)


def _place(where: Path | OnHub) -> dict[str, Any]:
    """Where a checkpoint is, as `from_pretrained` takes it."""
    if isinstance(where, OnHub):
        return {"pretrained_model_name_or_path": where.id, "revision": where.revision or "main"}
    return {"pretrained_model_name_or_path": where}


def _cached(name: str | Path, where: OnHub, file: str) -> Path:
    """A file of a checkpoint of the hub, in the cache; fetched where it is not there. Raises ConfigError."""
    with _explained(name):
        found = cached_file(where.id, file, revision=where.revision)
    return Path(str(found))


def _with_tags(config: PretrainedConfig, tags: tuple[str, ...]) -> PretrainedConfig:
    config = settled(copy.deepcopy(config))
    config.id2label = dict(enumerate(tags))
    config.label2id = {tag: index for index, tag in enumerate(tags)}
    return config


def _load(
    kind: Any, name: str | Path, config: PretrainedConfig, *, lenient: bool = False
) -> tuple[PreTrainedModel, list[str]]:
    """The model of a checkpoint, fp32, and the names of its weights that the checkpoint lacks.

    lenient: a weight of another shape is left at random, instead of an error.
    """
    where = located(name)
    if isinstance(where, Path) and not any(where.glob("model*.safetensors")):
        pickles = [name for name in PICKLES if (where / name).exists()]
        if pickles:
            raise ConfigError(
                f"{where}: has its weights as {pickles[0]} only, which is not read because such a file can run code; "
                "convert it to model.safetensors (load and save_pretrained, where you trust it)"
            )
        raise ConfigError(f"{where}: no model.safetensors in this directory")
    with guarded(str(name), config), _explained(name):
        model, report = kind.from_pretrained(
            **_place(where),
            config=config,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            ignore_mismatched_sizes=lenient,
            output_loading_info=True,
        )
    return model, sorted(report["missing_keys"])


def _require_none(missing: list[str], name: str | Path) -> None:
    """transformers leaves weights that it does not find at random values, with a remark in its log."""
    if missing:
        raise ConfigError(
            f"{name}: its weights do not fit its config.json: {len(missing)} missing, such as {missing[0]}; "
            "get the checkpoint again"
        )


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no remarks of transformers and the hub: what matters of them is raised or counted."""
    level, hub_level = transformers.logging.get_verbosity(), hub_logging.get_verbosity()
    bars = transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity_error()
    hub_logging.set_verbosity(ERROR)
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(level)
        hub_logging.set_verbosity(hub_level)
        if bars:
            transformers.logging.enable_progress_bar()


@contextmanager
def _explained(name: str | Path) -> Iterator[None]:
    """Turns what transformers raises over a checkpoint into a ConfigError; the hub is asked for an id alone."""
    on_hub = isinstance(located(name), OnHub)
    try:
        with quiet(), cache_where_unreachable() if on_hub else nullcontext(True) as online:
            yield
    except SafetensorError as error:
        raise ConfigError(f"{name}: model.safetensors is damaged ({error}); get it again") from None
    except NerDistillError:
        raise
    except Exception as error:  # files of a checkpoint may hold anything, and its readers raise whatever Python has
        if is_out_of_memory(error):
            raise
        if on_hub and not online:
            raise ConfigError(
                f"{name}: could not be loaded: {unreachable()} and its cache lacks it; {offline_advice()}"
            ) from None
        reason = " ".join(str(error).split())[:300].rstrip(".")
        raise ConfigError(
            f"{name}: could not be loaded: {reason}. Expected an id that the Hugging Face hub or its cache has, or a "
            "directory"
        ) from None
