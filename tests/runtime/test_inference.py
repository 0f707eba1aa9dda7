from collections.abc import Iterator, Sequence

import pytest
import torch
from torch import Tensor, nn

from ner_distill.data.features.windows import Window, cut_windows
from ner_distill.data.sentence import Sentence, Span
from ner_distill.data.tagset import TagSet
from ner_distill.errors import TrainingError
from ner_distill.nn.heads import SpanHead, Spans, TagHead
from ner_distill.runtime import inference
from ner_distill.runtime.inference import find_entities, parameters_of, predict_sentences, predict_spans

TAGS = TagSet(("X",))


class Numbers:
    """A featurizer of words that are tag ids."""

    def __init__(self, limit: int = 10**6) -> None:
        self.batches: list[tuple[int, int]] = []
        self.limit = limit

    def features(self, words: Sequence[str]) -> list[int]:
        return [int(word) for word in words]

    def windows(self, features: list[int]) -> list[Window]:
        return cut_windows(len(features), self.limit) or [Window(0, 0, 0, 0)]

    def cut(self, features: list[int], start: int, end: int) -> list[int]:
        return features[start:end]

    def size(self, features: list[int]) -> int:
        return len(features)

    def collate(self, batch: Sequence[list[int]]) -> dict[str, Tensor]:
        width = max(map(len, batch))
        self.batches.append((len(batch), width))
        tags = torch.tensor([row + [1] * (width - len(row)) for row in batch])
        return {"tags": tags, "mask": torch.tensor([[i < len(row) for i in range(width)] for row in batch])}


class Scorer(TagHead):
    """Says the tag that the word is, with probability 0.9 for B and 0.8 for all others."""

    loss = None  # never asked for

    def decode(self, vectors: Tensor, mask: Tensor) -> Tensor:
        return vectors[..., 0].long()

    def log_probs(self, vectors: Tensor, mask: Tensor) -> Tensor:
        tags = vectors[..., 0].long()
        best = torch.where(tags == 1, 0.9, 0.8)[..., None]
        probs = ((1 - best) / 2).expand(*tags.shape, 3).clone()
        return probs.scatter(-1, tags[..., None], best).log()


class Echo(nn.Module):
    """A tagger that finds what the featurizer wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, 2))
        self.head = Scorer()

    def vectors(self, inputs: dict[str, Tensor]) -> Tensor:
        return inputs["tags"][..., None].float()


def sentence(*tags: int) -> Sentence:
    return Sentence("s", tuple(map(str, tags)))


@pytest.mark.parametrize("budget", [1, 5, 1000])
def test_results_are_in_the_order_of_the_input_without_padding(budget: int) -> None:
    features = [[0, 1], [1, 2, 2, 0], [0], [1, 2, 0], [0, 0]]
    found = find_entities(Echo(), Numbers(), TAGS, features, scores=False, budget=budget)  # type: ignore[arg-type]
    assert [tuple(span for span, _ in entities) for entities in found] == [TAGS.decode(tags) for tags in features]


def test_a_batch_keeps_to_the_budget() -> None:
    numbers = Numbers()
    features = [[0] * n for n in (1, 3, 2, 9, 4, 4)]
    find_entities(Echo(), numbers, TAGS, features, scores=False, budget=8)  # type: ignore[arg-type]
    assert all(rows * width <= 8 or rows == 1 for rows, width in numbers.batches)
    assert len(numbers.batches) < 6


class Nests(SpanHead):
    """A span head: wherever the words are 1, 2 the two of them with 0.7, and the second alone with 0.6."""

    loss = log_probs = span_probs = None  # never asked for

    def find(self, vectors: Tensor, mask: Tensor) -> tuple[Spans, Tensor]:
        words = vectors[..., 0].long()
        rows, starts = ((words[:, :-1] == 1) & (words[:, 1:] == 2) & mask[:, 1:]).nonzero().T
        zero = torch.zeros_like(rows)
        outer, inner = (
            torch.stack([rows, starts, starts + 2, zero], 1),
            torch.stack([rows, starts + 1, starts + 2, zero], 1),
        )
        places = torch.stack([outer, inner], 1).flatten(0, 1)
        return Spans(places), torch.tensor([0.7, 0.6]).repeat(len(rows))


@pytest.mark.parametrize("budget", [3, 1000])
def test_entities_of_a_span_head_may_nest_and_keep_their_own_probability(budget: int) -> None:
    echo = Echo()
    echo.head = Nests()
    features = [[0, 1, 2], [1], [1, 2, 1, 2]]
    found = find_entities(echo, Numbers(), TAGS, features, scores=True, budget=budget)  # type: ignore[arg-type]
    pair = [Span(0, 2, "X"), Span(1, 2, "X")]
    assert [[span for span, _ in entities] for entities in found] == [
        [Span(1, 3, "X"), Span(2, 3, "X")], [], [*pair, Span(2, 4, "X"), Span(3, 4, "X")]
    ]  # fmt: skip
    assert [prob for _, prob in found[0]] == pytest.approx([0.7, 0.6])


def test_score_of_an_entity_is_the_mean_over_its_words() -> None:
    [(_, spans)] = predict_sentences(Echo(), Numbers(), TAGS, [sentence(0, 1, 2, 1)])  # type: ignore[arg-type]
    assert [span for span, _ in spans] == [Span(1, 3, "X"), Span(3, 4, "X")]
    assert [score for _, score in spans] == pytest.approx([0.85, 0.9])


def test_no_sentence_gives_no_result() -> None:
    assert predict_spans(Echo(), Numbers(), TAGS, []) == []  # type: ignore[arg-type]


def test_a_stream_is_read_one_window_at_a_time() -> None:
    taken = 0

    def stream() -> Iterator[Sentence]:
        nonlocal taken
        for _ in range(100):
            taken += 1
            yield sentence(0, 1)

    answers = predict_sentences(Echo(), Numbers(), TAGS, stream(), window=10)  # type: ignore[arg-type]
    assert taken == 0
    for _ in range(11):
        next(answers)
    assert taken == 20


def test_parameters_are_counted() -> None:
    assert parameters_of(Echo()) == 6


@pytest.mark.parametrize("limit", [4, 5, 6, 7, 8, 30])
@pytest.mark.parametrize("shift", range(5))
def test_entities_of_a_long_sentence_are_found_once_and_whole(limit: int, shift: int) -> None:
    tags = [0] * shift + [1, 2, 0, 1, 1, 2, 0, 0, 1, 2] * 3
    numbers = Numbers(limit)
    found = find_entities(Echo(), numbers, TAGS, [[1, 0], tags, [1, 2]], scores=True, budget=16)  # type: ignore[arg-type]
    assert [tuple(span for span, _ in entities) for entities in found] == [
        TAGS.decode(row) for row in ([1, 0], tags, [1, 2])
    ]
    assert max(width for _, width in numbers.batches) <= limit


def test_where_memory_runs_out_the_sentences_of_the_batch_are_named() -> None:
    class Full(Echo):
        def vectors(self, inputs: dict[str, Tensor]) -> Tensor:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")

    with pytest.raises(TrainingError, match=r"out of memory at sentence raw\.txt:7\. .*`max_words` N.*`batch_words`"):
        find_entities(Full(), Numbers(), TAGS, [[0, 1]], scores=False, ids=["raw.txt:7"])  # type: ignore[arg-type]


def test_few_sentences_of_many_words_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "GROUP_WORDS", 5)
    read: list[int] = []

    def stream() -> Iterator[Sentence]:
        for number in range(6):
            read.append(number)
            yield sentence(0, 1, 2)

    next(predict_sentences(Echo(), Numbers(), TAGS, stream()))  # type: ignore[arg-type]
    assert read == [0, 1]


@pytest.mark.parametrize(
    ("able", "expected"),
    [({"avx512_bf16": True}, True), ({"amx_bf16": True, "avx512_bf16": False}, True), ({"avx512_f": True}, False)],
)
def test_a_processor_has_bf16_where_it_multiplies_in_it(
    able: dict[str, bool], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    assert inference.has_bf16(torch.device("cpu")) is expected


def test_a_torch_that_does_not_tell_of_bf16_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not inference.has_bf16(torch.device("cpu"))
