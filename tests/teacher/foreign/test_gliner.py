import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.checkpoints import bert
from ner_distill.data.sentence import Sentence, Span
from ner_distill.errors import ConfigError
from ner_distill.nn.spans import tag_log_probs
from ner_distill.teacher.foreign.gliner import FLOOR, GlinerTeacher, tags_of
from tests.foreign import generated

Found = dict[str, tuple[str, float]]
SENTENCE = Sentence("s", ("Ana", "lives", "in", "New", "York", "."))


class FakeModel:
    """Finds the texts that it is told, as GLiNER says what it finds."""

    def __init__(self, found: Found) -> None:
        self.found, self.asked = found, list[str]()

    def inference(self, texts: list[str], labels: list[str], **settings: Any) -> list[list[dict[str, Any]]]:
        assert settings["flat_ner"] is False
        assert settings["multi_label"] is True
        self.asked += texts
        return [
            [
                {
                    "start": text.index(surface),
                    "end": text.index(surface) + len(surface),
                    "label": label,
                    "score": score,
                }
                for surface, (label, score) in self.found.items()
                if surface in text
            ]
            for text in texts
        ]


def teacher(found: Found, longest: int = 100) -> GlinerTeacher:
    return GlinerTeacher("gliner:fake", FakeModel(found), ("person", "place"), longest=longest)


def test_spans_have_their_scores_in_the_words_that_are_given() -> None:
    (said,) = teacher({"Ana": ("person", 0.9), "New York": ("place", 0.8), "York": ("place", 0.3)}).answers([SENTENCE])
    expected = ((Span(0, 1, "person"), 0.9), (Span(3, 5, "place"), 0.8), (Span(4, 5, "place"), 0.3))
    assert said.spans == expected


def test_what_begins_inside_a_word_has_the_whole_word_with_the_highest_score() -> None:
    (said,) = teacher({"Yor": ("place", 0.4), "ork": ("place", 0.6)}).answers([SENTENCE])
    assert said.spans == ((Span(4, 5, "place"), 0.6),)


def test_tags_follow_from_spans_as_for_our_own_heads() -> None:
    spans = [(Span(0, 2, "a"), 0.7), (Span(1, 2, "a"), 0.2), (Span(1, 3, "b"), 0.4)]
    odds = torch.full((1, 2, 3, 3), -torch.inf)
    for span, p in spans:
        odds[0, "ab".index(span.label), span.start, span.end - 1] = float(np.log(p / (1 - p)))
    expected = tag_log_probs(odds, torch.ones(1, 3, dtype=torch.bool))[0].exp().numpy()
    np.testing.assert_allclose(tags_of(spans, 3, ("a", "b")), expected, atol=1e-6)


def test_a_sure_span_leaves_finite_probabilities() -> None:
    probs = tags_of([(Span(0, 1, "a"), 1.0)], 2, ("a",))
    np.testing.assert_allclose(probs, [[0, 1, 0], [1, 0, 0]], atol=1e-5)


def test_a_long_sentence_is_read_in_windows_and_spans_come_once() -> None:
    made = teacher({"w7": ("place", 0.5), "w12 w13": ("place", 0.6)}, longest=8)
    (said,) = made.answers([Sentence("s", tuple(f"w{n}" for n in range(20)))])
    assert said.spans == ((Span(7, 8, "place"), 0.5), (Span(12, 14, "place"), 0.6))
    assert said.probs.shape == (20, 5)
    assert made.counts["sentences in windows"] == 1


def test_it_has_to_be_asked_for_types() -> None:
    with pytest.raises(ConfigError, match="finds any types; say which: `types`"):
        GlinerTeacher.load("x", ())


def checkpoint(directory: Path, **settings: Any) -> Path:
    (directory / "gliner_config.json").write_text(json.dumps({"model_name": "x", "encoder_config": {}, **settings}))
    (directory / "model.safetensors").write_bytes(b"")
    return directory


def test_a_checkpoint_that_names_code_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("gliner")
    checkpoint(tmp_path, encoder_config={"auto_map": {"AutoModel": "mine.M"}})
    with pytest.raises(ConfigError, match="names code of its own"):
        GlinerTeacher.load(str(tmp_path), ("person",))


def test_a_checkpoint_without_safetensors_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("gliner")
    checkpoint(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ConfigError, match="has no model.safetensors"):
        GlinerTeacher.load(str(tmp_path), ("person",))


def test_a_missing_library_is_named_with_its_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "gliner", None)
    with pytest.raises(ConfigError, match=r"gliner is not installed: pip install 'ner-distill\[gliner\]'"):
        GlinerTeacher.load("x", ("person",))


def test_a_built_model_says_what_it_says_by_itself(tmp_path: Path) -> None:
    gliner = pytest.importorskip("gliner")
    types = ["person", "place"]
    config = gliner.GLiNERConfig(
        model_name=str(bert(tmp_path / "encoder")), hidden_size=32, max_width=6, max_len=48, span_mode="markerV0"
    )
    torch.manual_seed(0)
    gliner.GLiNER.from_config(config).save_pretrained(tmp_path / "model", safe_serialization=True)
    own = gliner.GLiNER.from_pretrained(str(tmp_path / "model"), local_files_only=True)
    sentences = generated(20)
    texts = [" ".join(sentence.words) for sentence in sentences]
    found = own.inference(texts, types, flat_ner=False, threshold=FLOOR, multi_label=True)
    for sentence, said, entities in zip(
        sentences, GlinerTeacher.load(str(tmp_path / "model"), types).answers(sentences), found, strict=True
    ):
        ends = np.cumsum([len(word) + 1 for word in sentence.words]) - 1
        expected: dict[Span, float] = {}
        for one in entities:
            first, last = (int(np.searchsorted(ends, place)) for place in (one["start"] + 1, one["end"]))
            span = Span(first, last + 1, one["label"])
            expected[span] = max(one["score"], expected.get(span, 0.0))
        assert said.spans is not None
        assert dict(said.spans) == pytest.approx(expected, abs=1e-5)
