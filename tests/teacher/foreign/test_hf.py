import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    pipeline,
)

from benchmarks.checkpoints import save, sizes
from ner_distill.data.sentence import Sentence
from ner_distill.errors import ConfigError
from ner_distill.nn.encoders.huggingface import quiet
from ner_distill.teacher.foreign.hf import MENDED, NO_PIECES, WINDOWS, HuggingFaceTeacher
from tests import architectures
from tests.foreign import BIO, classifier, generated


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return classifier(tmp_path_factory.mktemp("hf") / "model")


@pytest.fixture(scope="module")
def teacher(checkpoint: Path) -> HuggingFaceTeacher:
    return HuggingFaceTeacher.load(str(checkpoint), {})


def test_probabilities_are_those_of_the_first_piece_one_sentence_at_a_time(
    checkpoint: Path, teacher: HuggingFaceTeacher
) -> None:
    """Of each type, as an I that continues nothing is read as B."""
    tokenizer, model = (
        AutoTokenizer.from_pretrained(checkpoint),
        AutoModelForTokenClassification.from_pretrained(checkpoint),
    )
    sentences = generated(60)
    for sentence, said in zip(sentences, teacher.answers(sentences), strict=True):
        encoded = tokenizer(list(sentence.words), is_split_into_words=True, return_tensors="pt")
        owners = encoded.word_ids()
        firsts = [owners.index(word) for word in range(len(sentence.words))]
        with torch.inference_mode():
            probs = model.eval()(**encoded).logits[0].softmax(-1).numpy()[firsts]
        np.testing.assert_allclose(said.probs[:, 0], probs[:, 0], atol=1e-5)
        np.testing.assert_allclose(
            said.probs[:, 1::2] + said.probs[:, 2::2], probs[:, 1::2] + probs[:, 2::2], atol=1e-5
        )


def test_best_tags_and_scores_are_those_of_transformers_own_pipeline(
    checkpoint: Path, teacher: HuggingFaceTeacher
) -> None:
    with quiet():
        own = pipeline("token-classification", model=str(checkpoint), ignore_labels=[], device=-1)
    sentences = generated(500, seed=1)
    texts = [" ".join(sentence.words) for sentence in sentences]
    before = teacher.counts[MENDED]
    furthest, mended = 0.0, 0
    for sentence, said, pieces in zip(sentences, teacher.answers(sentences), own(texts), strict=True):
        starts = np.cumsum([0, *(len(word) + 1 for word in sentence.words[:-1])]).tolist()
        by_start = {piece["start"]: piece for piece in pieces}
        best = said.probs.argmax(1)
        for word, start in enumerate(starts):
            tag = ("O", *(f"{prefix}-{label}" for label in teacher.types for prefix in "BI"))[best[word]]
            if tag != by_start[start]["entity"]:
                assert (tag[0], by_start[start]["entity"][0], tag[1:]) == ("B", "I", by_start[start]["entity"][1:])
                mended += 1
            else:
                furthest = max(furthest, abs(float(by_start[start]["score"]) - float(said.probs[word, best[word]])))
    assert furthest < 1e-5
    assert mended == teacher.counts[MENDED] - before


def test_answers_do_not_depend_on_the_batch(teacher: HuggingFaceTeacher) -> None:
    sentences = generated(20, seed=2)
    for sentence, together in zip(sentences, teacher.answers(sentences), strict=True):
        np.testing.assert_allclose(teacher.answers([sentence])[0].probs, together.probs, atol=1e-5)


def random_classifier(path: Path, name: str, **sizes: int) -> str:
    """Where a token classifier of this architecture lies, with weights so large that its answers differ."""
    tags = dict(enumerate(("O", "B-PER", "I-PER")))
    config = AutoConfig.for_model(
        name, vocab_size=len(architectures.WORDS), pad_token_id=0, hidden_size=32, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=32, id2label=tags, **sizes,
    )  # fmt: skip
    with quiet():
        model = AutoModelForTokenClassification.from_config(config)
        for parameter in model.parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.5)
        model.save_pretrained(path)
    architectures.tokenizer().save_pretrained(path)
    return str(path)


def test_a_model_that_reads_across_the_padding_answers_alike_in_every_batch(tmp_path: Path) -> None:
    """MobileBERT reads the vectors beside each piece, at the end of a sentence those of the padding."""
    sizes = {"embedding_size": 16, "intra_bottleneck_size": 16, "true_hidden_size": 16}
    teacher = HuggingFaceTeacher.load(random_classifier(tmp_path, "mobilebert", **sizes), {})
    short, long = Sentence("1", ("Ann",)), Sentence("2", ("Ann", "sings", "in", "Oslo", "."))
    [alone], [beside, _] = teacher.answers([short]), teacher.answers([short, long])
    np.testing.assert_allclose(alone.probs, beside.probs, atol=1e-5)


def test_a_model_whose_answer_hangs_on_the_padding_is_refused(tmp_path: Path) -> None:
    place = random_classifier(tmp_path, "nystromformer")
    with pytest.raises(ConfigError, match="nystromformer answers otherwise on a sentence beside a longer one"):
        HuggingFaceTeacher.load(place, {})


def test_words_without_pieces_are_o_and_change_nothing_else(teacher: HuggingFaceTeacher) -> None:
    before = teacher.counts[NO_PIECES]
    words = ("Peter", "lives", "in", "Brussels")
    # At the ends: between two words, an O ends the entity that they may be of.
    plain, odd = (teacher.answers([Sentence("s", one)])[0].probs for one in (words, ("\u200b", *words, " ")))
    np.testing.assert_allclose(odd[1:-1], plain, atol=1e-5)
    assert odd[[0, -1]].tolist() == [[1, 0, 0, 0, 0]] * 2
    assert teacher.counts[NO_PIECES] - before == 2
    assert teacher.answers([Sentence("s", ("\u200b",))])[0].probs.tolist() == [[1, 0, 0, 0, 0]]


def test_a_long_sentence_is_read_in_windows(tmp_path: Path) -> None:
    teacher = HuggingFaceTeacher.load(str(classifier(tmp_path, positions=32)), {})
    (long,) = generated(1, seed=3)
    sentence = Sentence("long", long.words * 40)
    (said,) = teacher.answers([sentence])
    assert said.probs.shape == (len(sentence.words), len(BIO))
    np.testing.assert_allclose(said.probs.sum(1), 1, atol=1e-5)
    assert teacher.counts[WINDOWS] == 1


def test_pickled_weights_are_refused_with_a_way_out(tmp_path: Path, checkpoint: Path) -> None:
    for file in checkpoint.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"pytorch_model.bin only.*can run code.*convert it to model.safetensors"):
        HuggingFaceTeacher.load(str(tmp_path), {})


def test_code_of_the_checkpoint_is_not_run(tmp_path: Path) -> None:
    classifier(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {
        "model_type": "mine",
        "auto_map": {"AutoConfig": "mine.Config", "AutoModelForTokenClassification": "mine.M"},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ConfigError):
        HuggingFaceTeacher.load(str(tmp_path), {})
    assert not (tmp_path / "ran").exists()


def test_what_is_no_token_classifier_is_refused(tmp_path: Path, checkpoint: Path) -> None:
    save(BertForMaskedLM, BertConfig(**sizes(layers=1, hidden=16, heads=2)), tmp_path, 0)
    with pytest.raises(ConfigError, match=r"is no token classifier \(BertForMaskedLM\)"):
        HuggingFaceTeacher.load(str(tmp_path), {})


def test_the_fingerprint_is_of_the_weights_and_of_what_nameless_tags_mean(tmp_path: Path, checkpoint: Path) -> None:
    one = HuggingFaceTeacher.load(str(checkpoint), {}).fingerprint()
    assert HuggingFaceTeacher.load(str(checkpoint), {"PER": "PERSON"}).fingerprint() == one
    nameless = classifier(tmp_path / "a", ("LABEL_0", "LABEL_1", "LABEL_2"))
    meant, otherwise = ({"LABEL_0": "", "LABEL_1": tag, "LABEL_2": "I-X"} for tag in ("B-X", "B-Y"))
    assert (
        HuggingFaceTeacher.load(str(nameless), meant).fingerprint()
        != HuggingFaceTeacher.load(str(nameless), otherwise).fingerprint()
        != one
    )
