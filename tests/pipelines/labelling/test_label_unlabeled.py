import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
from torch import Tensor

from ner_distill.data.formats.documents import Document
from ner_distill.data.formats.readers import RawSources, read_raw
from ner_distill.data.formats.report import ReadReport
from ner_distill.data.sentence import Sentence
from ner_distill.data.store.columns import SoftRow
from ner_distill.data.store.entries import ShardEntry
from ner_distill.data.store.quantised import quantise, restored
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.data.store.writer import StoreWriter
from ner_distill.pipelines.labelling.labeller import Labeller
from ner_distill.pipelines.labelling.shard_buffer import Answer
from ner_distill.runs.build import load_run
from ner_distill.runs.facts import fingerprint
from ner_distill.runtime.inference import predict_sentences
from tests import corpora
from tests.commands import ok, run, settings, snapshot
from tests.world import World

ROOT = Path(__file__).resolve().parents[3]


EXACT = ("--store-precision", "exact")


def rows(store: Path) -> list[SoftRow]:
    return list(SoftLabelStore.open(store, verify=True).iter_rows())


def label(world: World, out: Path, *options: str | Path, teachers: tuple[Path, ...] = ()) -> list[SoftRow]:
    """Label the raw text of the world; the rows."""
    named = [part for teacher in teachers or (world.teacher,) for part in ("--teacher", teacher)]
    size = () if "--shard-size" in options else ("--shard-size", "20")
    ok("label-unlabeled", *named, "--text", world.raw, "--out", out, *size, *options)
    return rows(out)


def probs(labelled: list[SoftRow]) -> dict[str, npt.NDArray[np.float32]]:
    """By id: the order of rows is one of batches."""
    return {row.id: row.probs.astype(np.float32) for row in labelled}


@pytest.fixture(scope="module")
def second(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A worse teacher that often disagrees."""
    out = tmp_path_factory.mktemp("second") / "teacher"
    ok("train-teacher", "--train", world.train, "--dev", world.dev, "--out", out,
       *settings(*corpora.SMALL, "optim.epochs=3", "seed=5"))  # fmt: skip
    return out


def test_every_sentence_is_labelled_once_with_its_words(world: World) -> None:
    expected = [tuple(line.split()) for line in world.raw.read_text("utf-8").splitlines()]
    found = {row.id: row.words for row in rows(world.soft)}
    assert [found.pop(f"raw.txt:{number}") for number in range(1, 81)] == expected
    assert not found


def test_shard_k_holds_the_kth_window_of_the_input(world: World) -> None:
    store = SoftLabelStore.open(world.soft)
    for shard in range(4):
        ids = {row.id for block in store.read_shard(shard) for row in block.rows}
        assert ids == {f"raw.txt:{number}" for number in range(20 * shard + 1, 20 * shard + 21)}


def test_most_probable_tags_are_those_that_the_teacher_predicts(world: World) -> None:
    built = load_run(world.teacher)
    stream = read_raw([world.raw], unit="word")
    predicted = {
        sentence.id: tuple(span for span, _ in spans)
        for sentence, spans in predict_sentences(built.tagger, built.featurizer, built.info.tagset, stream)
    }
    stored = {row.id: built.info.tagset.decode(row.probs.argmax(1).tolist()) for row in rows(world.soft)}
    assert sum(stored[id] == spans for id, spans in predicted.items()) >= 78  # marginals and best path may differ


def test_pairs_have_similarities_that_tell_types_apart(world: World) -> None:
    alike, different = [], []
    for block in SoftLabelStore.open(world.soft).read_shard(0):
        tags = [(row.probs.argmax(1) + 1) // 2 for row in block.rows]
        for (row, word, other_row, other_word), similarity in zip(block.pairs, block.similarity, strict=True):
            same = tags[row][word] == tags[other_row][other_word]
            (alike if same else different).append(float(similarity))
    assert np.mean(alike) > np.mean(different) + 0.2


def test_labelling_twice_writes_the_same_bytes(world: World, tmp_path: Path) -> None:
    label(world, tmp_path / "again")
    assert snapshot(tmp_path / "again") == snapshot(world.soft)


def test_a_store_is_compact_unless_it_is_asked_for_exactly(world: World, tmp_path: Path) -> None:
    exact = label(world, tmp_path / "exact", *EXACT)
    assert SoftLabelStore.open(tmp_path / "exact").manifest.store_precision == "exact"
    assert SoftLabelStore.open(world.soft).manifest.store_precision == "compact"
    for mine, its in zip(rows(world.soft), exact, strict=True):
        assert (mine.id, mine.words, mine.keep.tolist()) == (its.id, its.words, its.keep.tolist())
        np.testing.assert_array_equal(mine.probs, restored(quantise(its.probs), its.probs.shape[1]))


def test_a_resumed_store_keeps_its_form(world: World, tmp_path: Path) -> None:
    label(world, tmp_path / "soft", *EXACT)
    before = snapshot(tmp_path / "soft")
    (tmp_path / "soft" / "part-00001.parquet").unlink()
    label(world, tmp_path / "soft", "--resume")
    assert snapshot(tmp_path / "soft") == before


def test_pairs_of_a_labelling_are_drawn_again(world: World) -> None:
    drawn = [row for k in range(4) for row in pq.read_table(world.soft / f"part-0000{k}.parquet")["drawn"].to_pylist()]
    assert sum(drawn) > 0.8 * len(drawn)  # but for ties of two tags


def test_batches_change_probabilities_by_no_more_than_rounding(world: World, tmp_path: Path) -> None:
    alone, together = (probs(label(world, tmp_path / size, "--batch-words", size, *EXACT)) for size in ("1", "100000"))
    for id, expected in alone.items():
        np.testing.assert_allclose(together[id], expected, atol=1e-3)


def test_several_teachers_are_averaged(world: World, second: Path, tmp_path: Path) -> None:
    both = probs(label(world, tmp_path / "both", *EXACT, teachers=(world.teacher, second)))
    one = probs(label(world, tmp_path / "one", *EXACT))
    other = probs(label(world, tmp_path / "other", *EXACT, teachers=(second,)))
    for id, mean in both.items():
        np.testing.assert_allclose(mean, (one[id] + other[id]) / 2, atol=2e-3)


def test_min_votes_drops_the_words_of_entities_that_only_one_teacher_predicts(
    world: World, second: Path, tmp_path: Path
) -> None:
    found = label(world, tmp_path / "both", "--min-votes", "2", teachers=(world.teacher, second))
    spans = []
    for run_of in (world.teacher, second):
        built = load_run(run_of)
        stream = read_raw([world.raw], unit="word")
        answers = predict_sentences(built.tagger, built.featurizer, built.info.tagset, stream)
        spans.append({sentence.id: {span for span, _ in of} for sentence, of in answers})
    dropped = 0
    for row in found:
        disputed = {word for span in spans[0][row.id] ^ spans[1][row.id] for word in range(span.start, span.end)}
        assert {word for word, kept in enumerate(row.keep.tolist()) if not kept} == disputed
        dropped += len(disputed)
    assert dropped


def test_min_votes_of_one_type_drops_entities_of_that_type_alone(world: World, second: Path, tmp_path: Path) -> None:
    both = {"teachers": (world.teacher, second)}
    every = label(world, tmp_path / "every", "--min-votes", "2", **both)
    found = label(world, tmp_path / "one", "--min-votes", "PER=2", **both)
    built = load_run(world.teacher), load_run(second)
    texts = [Sentence(row.id, row.words) for row in found]
    spans = [
        {sentence.id: {span for span, _ in of if span.label == "PER"} for sentence, of in answers}
        for answers in (predict_sentences(one.tagger, one.featurizer, one.info.tagset, texts) for one in built)
    ]
    dropped = 0
    for row, whole in zip(found, every, strict=True):
        disputed = {word for span in spans[0][row.id] ^ spans[1][row.id] for word in range(span.start, span.end)}
        assert {word for word, kept in enumerate(row.keep.tolist()) if not kept} == disputed
        dropped += int((row.keep != whole.keep).sum())
    assert dropped  # of other types


def test_a_store_of_votes_by_type_goes_on_with_the_same_votes_alone(world: World, second: Path, tmp_path: Path) -> None:
    teachers = ("--teacher", world.teacher, "--teacher", second)
    given = ("label-unlabeled", *teachers, "--text", world.raw, "--out", tmp_path / "soft")
    ok(*given, "--min-votes", "PER=2")
    assert SoftLabelStore.open(tmp_path / "soft").manifest.settings["min_votes"] == ("1", "PER=2")
    ok(*given, "--min-votes", "PER=2", "--resume")
    done = run(*given, "--min-votes", "LOC=2", "--resume")
    assert done.code == 2
    assert "settings.min_votes: the store has ['1', 'PER=2'], this run has ['1', 'LOC=2']" in done.err


@pytest.mark.parametrize(
    ("votes", "said"),
    [
        ("PRE=2", "--min-votes PRE=2: no such type; the data has LOC, ORG, PER"),
        ("PER=3", "--min-votes PER=3: expected 1 to 2, the number of teachers"),
        ("PER=0", "--min-votes PER=0: expected 1 to 2, the number of teachers"),
        ("PER", "--min-votes PER: expected a whole number, or TYPE=number"),
    ],
)
def test_votes_that_cannot_be_are_refused(votes: str, said: str, world: World, second: Path, tmp_path: Path) -> None:
    teachers = ("--teacher", world.teacher, "--teacher", second)
    done = run("label-unlabeled", *teachers, "--text", world.raw, "--out", tmp_path / "x", "--min-votes", votes)
    assert (done.code, said in done.err, (tmp_path / "x").exists()) == (2, True, False)


def test_min_confidence_drops_words_whose_best_tag_is_less_probable(world: World, tmp_path: Path) -> None:
    found = label(world, tmp_path / "sure", "--min-confidence", "0.9")
    for row in found:
        best = row.probs.astype(np.float32).max(1)
        near = np.abs(best - 0.9) < 1e-3
        assert ((row.keep == (best >= 0.9)) | near).all()
    assert not all(row.keep.all() for row in found)


def test_limit_stops_after_so_many_sentences(world: World, tmp_path: Path) -> None:
    assert {row.id for row in label(world, tmp_path / "few", "--limit", "30")} == {
        f"raw.txt:{number}" for number in range(1, 31)
    }


def test_labels_of_the_text_are_ignored(world: World, tmp_path: Path) -> None:
    ok("label-unlabeled", "--teacher", world.teacher, "--text", world.dev, "--out", tmp_path / "soft")
    assert {row.words for row in rows(tmp_path / "soft")} == {s.words for s in corpora.sentences(20, seed=2)}


def test_input_is_read_no_further_than_the_shard_being_labelled(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = 0

    documents = RawSources.documents

    def counted(self: RawSources, report: ReadReport) -> Iterator[Document]:
        nonlocal taken
        for document in documents(self, report):
            taken += 1
            yield document

    ahead: list[int] = []
    add = StoreWriter.add

    def watched(self: StoreWriter, entry: ShardEntry) -> None:
        ahead.append(taken - 20 * (entry.index + 1))
        add(self, entry)

    monkeypatch.setattr(RawSources, "documents", counted)
    monkeypatch.setattr(StoreWriter, "add", watched)
    label(world, tmp_path / "soft")
    assert ahead == [0, 0, 0, 0]


def test_store_of_standard_input_says_so_in_its_ids(world: World, tmp_path: Path) -> None:
    ok("label-unlabeled", "--teacher", world.teacher, "--text", "-", "--out", tmp_path / "soft", stdin="It rains .\n")
    assert [row.id for row in rows(tmp_path / "soft")] == ["stdin:1"]


def test_moved_teacher_is_the_same_teacher(world: World, tmp_path: Path) -> None:
    (tmp_path / "moved").symlink_to(world.teacher)
    assert fingerprint(tmp_path / "moved") == fingerprint(world.teacher)


def test_resuming_a_complete_store_changes_nothing(world: World, tmp_path: Path) -> None:
    label(world, tmp_path / "soft")
    before = snapshot(tmp_path / "soft")
    label(world, tmp_path / "soft", "--resume")
    assert snapshot(tmp_path / "soft") == before


def test_resume_where_nothing_was_begun_begins(world: World, tmp_path: Path) -> None:
    label(world, tmp_path / "soft", "--resume")
    assert snapshot(tmp_path / "soft") == snapshot(world.soft)


def test_overwrite_replaces_a_store_and_leaves_no_old_shard(world: World, tmp_path: Path) -> None:
    label(world, tmp_path / "soft", "--shard-size", "5")
    label(world, tmp_path / "soft", "--overwrite")
    assert snapshot(tmp_path / "soft") == snapshot(world.soft)


def test_bad_line_late_in_the_text_keeps_the_shards_before_it(world: World, tmp_path: Path) -> None:
    text = tmp_path / "raw.txt"
    text.write_bytes(3 * world.raw.read_bytes() + b"caf\xe9 .\n")
    done = run("label-unlabeled", "--teacher", world.teacher, "--text", text, "--out", tmp_path / "soft",
               "--shard-size", "60")  # fmt: skip
    assert done.code == 2
    assert f"{text}:241: expected UTF-8" in done.err
    store = SoftLabelStore.open(tmp_path / "soft", allow_incomplete=True)
    assert [shard.index for shard in store.manifest.shards] == [0, 1, 2, 3]


# ---- lines too long for the encoder, and for the user


@pytest.fixture
def long_line(world: World, tmp_path: Path) -> Path:
    """Three times the raw text as its first line, and after it the raw text."""
    text = world.raw.read_text("utf-8")
    path = tmp_path / "long.txt"
    path.write_text(3 * text.replace("\n", " ") + "\n" + text, "utf-8")
    return path


def test_a_line_in_windows_is_labelled_as_its_sentences_are(world: World, long_line: Path, tmp_path: Path) -> None:
    ok("label-unlabeled", "--teacher", world.teacher, "--text", long_line, "--out", tmp_path / "soft")
    found = {row.id: row for row in rows(tmp_path / "soft")}
    whole, sentences = found["long.txt:1"], [found[f"long.txt:{number}"] for number in range(2, 82)]
    expected = np.concatenate([row.probs.argmax(1) for row in 3 * sentences])
    assert len(whole.words) > 3 * 512
    assert (whole.probs.argmax(1) == expected).mean() > 0.95


def test_pairs_of_a_line_in_windows_lie_close_together_and_all_over_it(
    world: World, long_line: Path, tmp_path: Path
) -> None:
    ok("label-unlabeled", "--teacher", world.teacher, "--text", long_line, "--out", tmp_path / "soft")
    (block,) = [
        block for block in SoftLabelStore.open(tmp_path / "soft").read_shard(0) if block.rows[0].id == "long.txt:1"
    ]
    words = block.pairs[:, [1, 3]]
    assert np.abs(words[:, 0] - words[:, 1]).max() < 512
    assert words.max() > len(block.rows[0].words) - 512
    assert len(block.pairs) > 100


def test_a_long_line_changes_nothing_of_the_sentences_beside_it(world: World, long_line: Path, tmp_path: Path) -> None:
    ok("label-unlabeled", "--teacher", world.teacher, "--text", long_line, "--out", tmp_path / "with")
    ok("label-unlabeled", "--teacher", world.teacher, "--text", world.raw, "--out", tmp_path / "without")
    others = [row for row in rows(tmp_path / "with") if row.id != "long.txt:1"]
    for row, expected in zip(others, rows(tmp_path / "without"), strict=True):
        assert row.words == expected.words
        assert np.array_equal(row.probs, expected.probs)


def test_sentences_longer_than_max_words_are_left_out_and_counted(
    world: World, long_line: Path, tmp_path: Path
) -> None:
    done = ok("label-unlabeled", "--teacher", world.teacher, "--text", long_line, "--out", tmp_path / "soft",
              "--max-words", "100")  # fmt: skip
    assert len(rows(tmp_path / "soft")) == 80
    assert "1 sentences of more than --max-words words are not in the store" in done.err
    assert SoftLabelStore.open(tmp_path / "soft").manifest.summary["sentences longer than max_words"] == 1


def test_a_shard_of_which_every_sentence_is_too_long_is_empty(world: World, long_line: Path, tmp_path: Path) -> None:
    ok("label-unlabeled", "--teacher", world.teacher, "--text", long_line, "--out", tmp_path / "soft",
       "--max-words", "100", "--shard-size", "1")  # fmt: skip
    assert len(rows(tmp_path / "soft")) == 80
    ok("train-student", "--soft", tmp_path / "soft", "--out", tmp_path / "student", "--set", "optim.epochs=1")


def test_out_of_memory_names_the_line_and_resume_goes_on_without_it(
    world: World, long_line: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Labeller._answer

    def full(self: Labeller, collated: list[dict[str, Tensor]], *args: object) -> Answer:
        if (collated[0]["mask"].sum(1) == 512).any():
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 10 bytes.")
        return answer(self, collated, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Labeller, "_answer", full)
    text = tmp_path / "turned.txt"
    text.write_text("".join(reversed(long_line.read_text("utf-8").splitlines(keepends=True))), "utf-8")
    command = ("label-unlabeled", "--teacher", world.teacher, "--text", text, "--out", tmp_path / "soft",
               "--shard-size", "20")  # fmt: skip
    done = run(*command)
    assert done.code == 1
    assert "out of memory at sentence turned.txt:81" in done.err
    assert "--resume" in done.err
    assert len(SoftLabelStore.open(tmp_path / "soft", allow_incomplete=True).manifest.shards) == 4
    ok(*command, "--resume", "--max-words", "100")
    assert len(rows(tmp_path / "soft")) == 80


# One process that loads the libraries and forks: each child labels until the parent kills it.
KILLER = """
import os, random, signal, sys, time
from pathlib import Path
import torch
import ner_distill.pipelines.labelling.label_unlabeled
from ner_distill.cli import main
torch.set_num_threads(1)
teacher, text, out, kills = sys.argv[1:]
sys.argv = ["ner-distill", "label-unlabeled", "--teacher", teacher, "--text", text, "--out", out,
            "--shard-size", "3", "--resume"]

def label():
    try:
        main()
    except SystemExit as end:
        assert not end.code, end.code

rng, killed = random.Random(4), 0
for _ in range(int(kills)):
    child = os.fork()
    if child == 0:
        label()
        os._exit(0)
    before = len(list(Path(out).glob("part-*"))) if Path(out).exists() else 0
    until, goal = time.monotonic() + 60, before + rng.randint(1, 4)
    while time.monotonic() < until and len(list(Path(out).glob("part-*"))) < goal:
        time.sleep(0.001)
    time.sleep(rng.uniform(0, 0.02))
    os.kill(child, signal.SIGKILL)
    killed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
label()
print(killed)
"""


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_killed_and_resumed_gives_the_rows_of_an_uninterrupted_run(world: World, tmp_path: Path, kills: int) -> None:
    text = corpora.write_text(tmp_path / "raw.txt", corpora.sentences(150, seed=8))
    options = ("--teacher", world.teacher, "--text", text, "--shard-size", "3")
    ok("label-unlabeled", *options, "--out", tmp_path / "whole")
    done = subprocess.run(
        [sys.executable, "-c", KILLER, str(world.teacher), str(text), str(tmp_path / "killed"), str(kills)],
        capture_output=True, text=True, cwd=ROOT, check=True, timeout=300,
    )  # fmt: skip
    assert int(done.stdout.splitlines()[-1]) == kills, "the labelling ended before it was killed: nothing was tested"
    assert snapshot(tmp_path / "killed") == snapshot(tmp_path / "whole")
