from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from ner_distill.data.features.words import WordFeaturizer
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.data.tagset import TagSet
from ner_distill.training import soft_data
from ner_distill.training.labelled import LabelledData
from ner_distill.training.plans import ListedPlan, StreamedPlan, interleaved_stream, plan_of
from ner_distill.training.soft_data import SHARDS_TOGETHER, SoftData
from tests import corpora
from tests.commands import ok
from tests.world import World


def counted(process: int, processes: int) -> Iterator[int]:
    """Of 0 to 10 those of a process."""
    return iter(range(process, 11, processes))


# Lists


def test_the_micro_batches_of_a_step_stand_side_by_side_and_are_shared() -> None:
    plan = ListedPlan(range(11))
    assert (plan.steps(2, 2), plan.exact) == (3, True)
    assert list(plan.taken(2, 0, 2, first=0)) == [[0, 2], [4, 6], [8, 10]]
    assert list(plan.taken(2, 1, 2, first=0)) == [[1, 3], [5, 7], [9]]
    assert list(plan.taken(2, 1, 2, first=2)) == [[9]]


def test_a_process_without_a_micro_batch_takes_part_in_the_step() -> None:
    assert list(ListedPlan(range(5)).taken(2, 1, 2, first=0)) == [[1, 3], []]


# Streams


@pytest.mark.parametrize("first", [0, 1, 2, 5, 6])
@pytest.mark.parametrize("accumulate", [1, 2, 3])
def test_a_stream_that_is_gone_on_with_gives_what_was_left(first: int, accumulate: int) -> None:
    plan = StreamedPlan(counted, 11)
    every = list(plan.taken(accumulate, 0, 2, first=0))
    assert [one for step in every for one in step] == [0, 2, 4, 6, 8, 10]
    assert list(plan.taken(accumulate, 0, 2, first=first)) == every[first:]


def test_the_steps_of_a_stream_are_those_expected() -> None:
    plan = StreamedPlan(counted, 11.3)
    assert [plan.steps(*shape) for shape in ((1, 1), (2, 1), (2, 2), (99, 9))] == [11, 6, 3, 1]
    assert not plan.exact


def test_a_list_becomes_a_plan_and_a_stream_is_one() -> None:
    stream = StreamedPlan(counted, 11)
    assert plan_of(stream) is stream
    assert list(plan_of([1, 2]).taken(1, 0, 1, first=0)) == [[1], [2]]


@pytest.mark.parametrize("expected", [5, 20, 80])
def test_gold_is_spread_over_a_stream_whatever_was_expected(expected: int) -> None:
    found = list(interleaved_stream(iter(range(20)), expected, [100, 101, 102, 103]))
    assert [one for one in found if one < 100] == list(range(20))
    assert [one for one in found if one >= 100] == [100, 101, 102, 103]


def test_where_as_many_come_as_expected_gold_is_spread_evenly() -> None:
    found = list(interleaved_stream(iter(range(20)), 20, [100, 101, 102, 103]))
    assert [found.index(one) for one in (100, 101, 102, 103)] == [3, 9, 15, 21]


# Of a store


@pytest.fixture
def featurizer() -> WordFeaturizer:
    return WordFeaturizer.counted([sentence.words for sentence in corpora.sentences(40)], "word")


@pytest.fixture
def many(world: World, tmp_path: Path) -> SoftLabelStore:
    """A store of more shards than are planned together."""
    out = tmp_path / "many"
    ok("label-unlabeled", "--teacher", world.teacher, "--text", world.raw, "--out", out, "--shard-size", "3")
    return SoftLabelStore.open(out)


def streamed(monkeypatch: pytest.MonkeyPatch, data: SoftData) -> StreamedPlan:
    monkeypatch.setattr(data, "_large", True)
    plan = data.plan(1)
    assert isinstance(plan, StreamedPlan)
    return plan


def taken(plan: StreamedPlan, process: int = 0, processes: int = 1) -> list[tuple[str, list[int]]]:
    return [one for step in plan.taken(1, process, processes, first=0) for one in step]


def test_one_process_streams_what_would_be_listed(
    monkeypatch: pytest.MonkeyPatch, many: SoftLabelStore, featurizer: WordFeaturizer
) -> None:
    data = SoftData(many, featurizer, budget=64, seed=1, without=[0, 4])
    listed = data.listed(1)
    assert taken(streamed(monkeypatch, data)) == listed


def test_processes_stream_all_blocks_once_and_shards_of_their_own(
    monkeypatch: pytest.MonkeyPatch, many: SoftLabelStore, featurizer: WordFeaturizer
) -> None:
    gold = LabelledData(corpora.sentences(30), featurizer, TagSet(corpora.LABELS), budget=64, seed=1)
    data = SoftData(many, featurizer, budget=64, seed=1, gold=gold)
    plan = streamed(monkeypatch, data)
    own = [taken(plan, process, 2) for process in range(2)]
    soft = [sorted(block for kind, blocks in one if kind == "soft" for block in blocks) for one in own]
    assert sorted(soft[0] + soft[1]) == list(range(many.block_count))
    shards = [set(many.first_blocks.searchsorted(blocks, side="right").tolist()) for blocks in soft]
    assert not shards[0] & shards[1]
    assert min(map(len, shards)) >= SHARDS_TOGETHER
    assert sorted(i for one in own for kind, rows in one if kind == "gold" for i in rows) == list(range(30))


def test_the_length_of_a_streamed_epoch_is_told_nearly(
    monkeypatch: pytest.MonkeyPatch, many: SoftLabelStore, featurizer: WordFeaturizer
) -> None:
    monkeypatch.setattr(soft_data, "MEASURED_SHARDS", 8)
    data = SoftData(many, featurizer, budget=64, seed=1)
    plan = streamed(monkeypatch, data)
    assert plan.steps(1, 1) == pytest.approx(len(data.listed(1)), rel=0.25)


def test_a_few_shards_are_read_for_the_first_batch_of_a_stream(
    monkeypatch: pytest.MonkeyPatch, many: SoftLabelStore, featurizer: WordFeaturizer
) -> None:
    data = SoftData(many, featurizer, budget=64, seed=1)
    monkeypatch.setattr(soft_data, "MEASURED_SHARDS", 2)
    plan = streamed(monkeypatch, data)
    read: set[int] = set()
    real = many.blocks_of
    monkeypatch.setattr(many, "blocks_of", lambda shard: read.add(shard) or real(shard))
    list(islice(plan.taken(1, 0, 1, first=0), 1))
    assert len(read) == SHARDS_TOGETHER < len(many.manifest.shards)


def test_gold_is_spread_where_no_batch_of_soft_labels_was_expected() -> None:
    """As where all shards that were measured are empty."""
    assert list(interleaved_stream(iter("ab"), 0.0, "12")) == ["a", "1", "2", "b"]
