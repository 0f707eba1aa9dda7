"""`hf:DIR_OR_ID`: any token classifier of transformers. No code of the checkpoint is run, and no pickle is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import torch

from ner_distill.data.batching import plan_batches
from ner_distill.data.features.pieces import NO_PIECES, PieceFeatures, PieceFeaturizer, reads_inside
from ner_distill.data.sentence import Sentence
from ner_distill.files import sha256_of
from ner_distill.nn.encoders.backbone import FLOAT32_ALONE, LIKE_BERT, layers_of
from ner_distill.nn.encoders.huggingface import (
    check_vocabulary,
    checkpoint_files,
    load_classifier,
    load_classifier_config,
    load_tokenizer,
    logits_of,
    position_limit,
)
from ner_distill.nn.encoders.packed import can_be_packed, packed_states
from ner_distill.nn.encoders.trial import TrialInputs, try_teacher
from ner_distill.nn.int8 import no_int8, quantize_layers
from ner_distill.teacher.foreign.base import ForeignTeacher, Said
from ner_distill.teacher.foreign.schemes import TagScheme, is_unnamed

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

WINDOWS = "sentences in windows"
MENDED = "I tags that continue nothing, read as B"
_BUDGET = 4096  # pieces of a batch, until `prepare` says otherwise


class HuggingFaceTeacher(ForeignTeacher):
    """A token classifier: the probability of a tag at a word is that at the word's first piece.

    Sentences that are too long for the model are read in windows; words of which its tokenizer makes nothing are not
    read, and are O.
    """

    def __init__(
        self,
        name: str,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        scheme: TagScheme,
        fingerprint: str = "",
    ) -> None:
        unread = f"{name}: tags that name no entity type are read as O: {', '.join(scheme.unread)}"
        super().__init__(name, scheme.types, remarks=[unread] if scheme.unread else [])
        self.scheme = scheme
        self.float32_alone = model.config.model_type in FLOAT32_ALONE
        self._model, self._fingerprint = model, fingerprint
        self._featurizer = PieceFeaturizer(tokenizer, positions=position_limit(model.config))
        self._device, self._budget = next(model.parameters()).device, _BUDGET

    @classmethod
    def load(cls, place: str, given: Mapping[str, str]) -> HuggingFaceTeacher:
        """The classifier of a directory, or of an id on the hub. given: what the user said of tags without a name.

        Raises ConfigError for what is no token classifier, or has no safetensors.
        """
        name = f"hf:{place}"
        config = load_classifier_config(place)
        tags = {int(number): str(tag) for number, tag in (config.id2label or {}).items()}
        names = [tags.get(number, f"LABEL_{number}") for number in range(len(tags))]
        scheme = TagScheme.of(names, given, name)
        tokenizer = load_tokenizer(place)
        model = load_classifier(place)
        check_vocabulary(model, tokenizer, place)
        pieces = PieceFeaturizer(tokenizer, positions=position_limit(model.config))
        try_teacher(name, model, TrialInputs(**pieces.trial_batches()))
        settings = repr(sorted((key, value) for key, value in given.items() if is_unnamed(key)))
        settings += "read without blanks" * reads_inside(tokenizer)
        files = [sha256_of(file) for file in checkpoint_files(place)]
        return cls(name, model, tokenizer, scheme, sha256("".join([*files, settings]).encode()).hexdigest())

    def fingerprint(self) -> str:
        return self._fingerprint

    def prepare(self, device: torch.device, budget: int) -> None:
        cast(torch.nn.Module, self._model).to(device)
        self._device, self._budget = device, budget

    def quantize(self) -> None:
        if self._model.config.model_type not in LIKE_BERT:
            raise no_int8(self.name)
        quantize_layers(layers_of(self._encoder))

    @property
    def _encoder(self) -> PreTrainedModel:
        return cast("PreTrainedModel", self._model.base_model)

    def size(self, sentence: Sentence) -> int:
        return self._featurizer.size(self._featurizer.features(sentence.words))

    def answers(self, sentences: Sequence[Sentence]) -> list[Said]:
        read = [self._read(sentence.words) for sentence in sentences]
        full = [index for index, (words, _) in enumerate(read) if words.any()]
        probs = [np.eye(1, len(self.scheme.into), dtype=np.float32).repeat(len(words), 0) for words, _ in read]
        sizes = [self._featurizer.size(read[index][1]) for index in full]
        for batch in plan_batches(sizes, budget=self._budget, seed=None):
            indices = [full[place] for place in batch]
            for index, own in zip(indices, self._probs([read[index][1] for index in indices]), strict=True):
                probs[index] = np.zeros((len(read[index][0]), own.shape[1]), np.float32)
                probs[index][read[index][0]] = own
        said = []
        for own, (words, _) in zip(probs, read, strict=True):
            tags, mended = self.scheme.bio(own)
            tags[~words] = np.eye(1, tags.shape[1], dtype=np.float32)
            self.counts[MENDED] += mended
            self.counts[NO_PIECES] += int((~words).sum())
            said.append(Said(tags))
        return said

    def _read(self, words: Sequence[str]) -> tuple[npt.NDArray[np.bool_], PieceFeatures]:
        """Which words have a piece, and the features of these."""
        features = self._featurizer.features(words)
        has = np.array([self._featurizer.has_pieces(word) for word in words], np.bool_)
        if not has.all():
            features = self._featurizer.features([word for word, own in zip(words, has, strict=True) if own])
        self.counts[WINDOWS] += len(features.windows) > 1
        return has, features

    def _probs(self, batch: Sequence[PieceFeatures]) -> list[npt.NDArray[np.float32]]:
        """(words, tags of the model) of each sentence."""
        inputs = {key: value.to(self._device) for key, value in self._featurizer.collate(batch).items()}
        pieces, shown, mask = inputs["pieces"], inputs["piece_mask"], inputs["mask"]
        wanted = inputs["word_piece"][mask]
        with torch.inference_mode():
            if can_be_packed(self._encoder, pieces):
                model: Any = self._model
                logits = model.classifier(packed_states(self._encoder, pieces, shown, wanted))
            else:
                logits = logits_of(self._model, pieces, shown).flatten(0, 1)[wanted]
            probs = logits.float().softmax(-1).cpu().numpy()
        return np.split(probs, np.cumsum([len(features.lengths) for features in batch])[:-1])
