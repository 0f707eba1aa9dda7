from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from ner_distill.config import OptimConfig
from ner_distill.console import Reporter
from ner_distill.errors import RunError, TrainingError
from ner_distill.teacher.adversarial import Fgm
from ner_distill.teacher.model import TeacherObjective, TermWeights
from ner_distill.teacher.perturbations import OnVectors
from ner_distill.teacher.regularize import LogSum
from ner_distill.training.checkpoint import checkpoints
from ner_distill.training.fit import Fit, OwnBest, TrainingTask
from ner_distill.training.optim import rate_factor
from ner_distill.training.processes import make_accelerator
from ner_distill.training.records import Records
from ner_distill.training.reduction import buckets_of
from tests.pipelines.training import (
    EVERY_STEP,
    LENGTHS,
    RESUMABLE,
    UNEQUAL,
    Data,
    make_batch,
    new_fit,
    new_teacher,
    score_of,
    watch_gradients,
)

ROOT = Path(__file__).resolve().parents[2]
BIG = tuple(itertools.chain(*UNEQUAL))


def run_script(*command: str) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def assert_same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor], **tolerance: float) -> None:
    assert sorted(found) == sorted(wanted)
    for name, tensor in wanted.items():
        torch.testing.assert_close(found[name], tensor, **(tolerance or {"rtol": 0, "atol": 0}))


def lines_of(directory: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (directory / "metrics.jsonl").read_text("utf-8").splitlines()]


# ---- accumulation and several processes


def gradients_by_hand(sentences: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """Of the mean over all words plus half the mean over all pairs, sentence by sentence, word by word."""
    teacher = new_teacher()
    tagger, similarity = teacher.tagger, teacher.similarity
    words = pairs = 0
    entities = alike = torch.zeros(())
    for sentence in sentences:
        batch = make_batch([sentence])
        vectors = tagger.vectors(batch.inputs)[0]
        for place in range(LENGTHS[sentence]):
            entities = entities - tagger.head.project(vectors)[place].log_softmax(-1)[batch.tags[0, place]]
            words += 1
        for first, second, target in pairs_of(batch):
            cosine = (vectors[first] @ vectors[second]) / (vectors[first].norm() * vectors[second].norm())
            chance = torch.sigmoid(similarity.scale * cosine + similarity.shift)
            alike = alike - (target * chance.log() + (1 - target) * (1 - chance).log())
            pairs += 1
    (entities / words + 0.5 * alike / pairs).backward()
    return {name: parameter.grad for name, parameter in teacher.named_parameters()}


def pairs_of(batch):
    if batch.pairs is None:
        return []
    return [(*pair, target) for pair, target in zip(batch.pairs.tolist(), batch.pair_targets.tolist(), strict=True)]


@pytest.mark.parametrize(("plan", "accumulate"), [((BIG,), 1), (UNEQUAL, 5), (UNEQUAL, 8)])
def test_accumulating_unequal_batches_gives_the_gradient_of_one_big_batch(tmp_path, plan, accumulate):
    fit = new_fit(tmp_path, plan=plan, accumulate=accumulate)
    gradients = watch_gradients(fit)
    fit.run()
    assert len(gradients) == 1
    assert_same(gradients[0], gradients_by_hand(BIG), rtol=1e-5, atol=1e-7)


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    """What two processes left: 5 micro-batches in steps of 4, so that the second process has none of the last step."""
    directory = tmp_path_factory.mktemp("two")
    torchrun = ("torch.distributed.run", "--nproc_per_node=2")
    run_script(*torchrun, "-m", "tests.pipelines.training", "processes", str(directory))
    return directory


@pytest.mark.parametrize("how", ["gradients", "buckets", "fgm"])
def test_two_processes_give_the_gradient_of_one_big_batch_also_where_one_has_no_batch(tmp_path, two_processes, how):
    model = new_teacher()
    adversary = Fgm(OnVectors([model.tagger.encoder.embedding]), epsilon=0.5) if how == "fgm" else None
    fit = new_fit(tmp_path, accumulate=4, lr=0.0, model=model, adversary=adversary)
    gradients = watch_gradients(fit)
    fit.run()
    assert len(gradients) == 2
    assert len(list(two_processes.glob(f"{how}-*.safetensors"))) == 4
    for step, rank in itertools.product(range(2), range(2)):
        found = load_file(two_processes / f"{how}-{step}-{rank}.safetensors")
        assert_same(found, gradients[step], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("how", ["buckets", "fgm"])
def test_buckets_are_sent_while_the_last_pass_runs_where_it_has_their_gradients(two_processes, how):
    first, second = (json.loads((two_processes / f"{how}-early-{rank}.json").read_text()) for rank in range(2))
    assert first[0] > 1
    assert second[0] == 0, "its last batch has no pairs, and the similarity's parameters are sent first"
    assert second[1] == 0, "it has no batch"


def test_buckets_hold_every_parameter_once_from_the_last_on_and_one_type_of_number():
    parameters = [nn.Parameter(torch.zeros(size)) for size in (3, 40, 2, 2)]
    parameters.insert(3, nn.Parameter(torch.zeros(2, dtype=torch.float64)))
    buckets = buckets_of(parameters, bucket_bytes=16)
    assert [[len(one) for one in bucket] for bucket in buckets] == [[2], [2], [2], [40], [3]]
    assert [len(bucket) for bucket in buckets_of(parameters[:3], bucket_bytes=2**20)] == [3]


def test_two_processes_with_streams_of_their_own_go_on_until_both_are_through(tmp_path, two_processes):
    fit = new_fit(tmp_path, plan=UNEQUAL[:3], accumulate=2, epochs=1)
    gradients = watch_gradients(fit)
    fit.run()
    assert len(list(two_processes.glob("streamed-*"))) == 2 * 2 * 2  # steps, processes, epochs
    for rank in range(2):  # the first step: later ones have other rates, as an epoch has about 1.5 steps
        assert_same(load_file(two_processes / f"streamed-0-{rank}.safetensors"), gradients[0], rtol=1e-5, atol=1e-7)
    for step in range(4):
        first, second = (load_file(two_processes / f"streamed-{step}-{rank}.safetensors") for rank in range(2))
        assert_same(first, second)


def test_two_processes_end_with_the_same_weights(two_processes):
    assert_same(load_file(two_processes / "weights-0"), load_file(two_processes / "weights-1"))


def test_two_processes_write_each_epoch_once(two_processes):
    assert [line["epoch"] for line in lines_of(two_processes / "moving")] == [1, 2]


def test_resuming_with_another_number_of_processes_is_refused(two_processes):
    fit = new_fit(two_processes / "moving", accumulate=2, epochs=2)
    with pytest.raises(RunError, match="random states of 1 processes, found 2"):
        fit.run(resume=True)


def test_a_batch_in_which_nothing_counts_is_left_out(tmp_path):
    def gradients_of(directory, plan):
        fit = new_fit(directory, plan=plan, accumulate=2)
        counts = fit.objective.counts
        fit.objective.counts = lambda batch: counts(batch) if len(batch.mask) > 1 else {"entities": 0.0}
        gradients = watch_gradients(fit)
        fit.run()
        return gradients[0]

    assert_same(gradients_of(tmp_path / "a", [(1, 2), (0,)]), gradients_of(tmp_path / "b", [(1, 2)]))


def test_adversarial_passes_of_accumulated_batches_add_up(tmp_path):
    """The perturbation depends on each sentence alone, so it must not matter how sentences are batched."""

    def gradients_of(directory, plan, accumulate):
        teacher = new_teacher()
        adversary = Fgm(OnVectors([teacher.tagger.encoder.embedding]), epsilon=0.5)
        fit = new_fit(directory, plan=plan, accumulate=accumulate, model=teacher, adversary=adversary)
        gradients = watch_gradients(fit)
        fit.run()
        return gradients[0]

    one = gradients_of(tmp_path / "one", [BIG], 1)
    assert_same(gradients_of(tmp_path / "five", UNEQUAL, 5), one, rtol=1e-4, atol=1e-6)


def test_clipping_limits_the_norm_of_the_whole_gradient(tmp_path):
    free, clipped = new_fit(tmp_path / "a", plan=[BIG]), new_fit(tmp_path / "b", plan=[BIG], clip=0.01)
    seen, limited = watch_gradients(free), watch_gradients(clipped)
    free.run()
    clipped.run()
    norm = torch.cat([tensor.flatten() for tensor in seen[0].values()]).norm()
    assert norm > 0.01
    assert_same(limited[0], {name: 0.01 * tensor / norm for name, tensor in seen[0].items()}, rtol=1e-3, atol=1e-9)


def test_two_precisions_may_follow_each_other_in_one_process():
    assert make_accelerator("bf16").mixed_precision == "bf16"
    assert make_accelerator("fp32").mixed_precision == "no"


@pytest.mark.parametrize(("precision", "expected"), [("bf16", True), ("fp32", False)])
def test_epochs_are_scored_in_the_precision_of_the_training(precision, expected, tmp_path):
    seen = []

    def evaluate(model):
        seen.append(torch.is_autocast_enabled("cpu"))
        return {"score": 0.5}

    new_fit(tmp_path, epochs=2, evaluate=evaluate, precision=precision).run()
    assert seen == [expected, expected]


# ---- resume


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The weights, metrics, result and directory of a training that nothing interrupted."""
    directory = tmp_path_factory.mktemp("uninterrupted")
    fit = new_fit(directory, **RESUMABLE)
    result = fit.run()
    return fit.model.state_dict(), lines_of(directory), result, directory


def assert_went_on_as_if_nothing_happened(directory, fit, uninterrupted):
    weights, lines, result, _ = uninterrupted
    again = fit.run(resume=True)
    assert_same(fit.model.state_dict(), weights)
    assert (again.best_score, again.best_epoch, again.step) == (result.best_score, result.best_epoch, result.step)
    without_time = [{**line, "seconds": 0} for line in lines]
    assert [{**line, "seconds": 0} for line in lines_of(directory)] == without_time


def test_a_training_killed_four_times_ends_with_identical_weights_and_no_doubled_line(tmp_path, uninterrupted):
    run_script("tests.pipelines.training", "kill", str(tmp_path))
    assert [line["epoch"] for line in lines_of(tmp_path)] == [1, 2], "the last kill was before the epoch's checkpoint"
    assert_went_on_as_if_nothing_happened(tmp_path, new_fit(tmp_path, **RESUMABLE), uninterrupted)
    assert list((tmp_path / "checkpoints").glob("*.tmp")) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_says_how_to_resume(tmp_path, uninterrupted, number):
    fit = new_fit(tmp_path, **RESUMABLE)
    sums, sent = fit.objective.sums, False

    def interrupted(batch):
        nonlocal sent
        if fit.progress.step == 7 and not sent:  # weights of one epoch are averaged already
            sent = True
            os.kill(os.getpid(), number)
        return sums(batch)

    fit.objective.sums = interrupted
    with pytest.raises(TrainingError, match="after step 8.*`resume`"):
        fit.run()
    assert_went_on_as_if_nothing_happened(tmp_path, new_fit(tmp_path, **RESUMABLE), uninterrupted)


def test_signals_are_handled_as_before_after_a_training(tmp_path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    new_fit(tmp_path).run()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_resuming_a_finished_training_changes_nothing(tmp_path, uninterrupted):
    shutil.copytree(uninterrupted[-1], tmp_path, dirs_exist_ok=True)
    assert_went_on_as_if_nothing_happened(tmp_path, new_fit(tmp_path, **RESUMABLE), uninterrupted)


def test_resuming_before_the_first_checkpoint_begins_anew(tmp_path, uninterrupted):
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 1}\n')
    assert_went_on_as_if_nothing_happened(tmp_path, new_fit(tmp_path, **RESUMABLE), uninterrupted)


def test_half_a_line_of_metrics_is_written_anew(tmp_path, uninterrupted, monkeypatch):
    fit = new_fit(tmp_path, **RESUMABLE)
    add = Records.add

    def killed(records, *args):
        add(records, *args)
        if fit.progress.epoch == 2:
            records.path.write_text(records.path.read_text("utf-8")[:-20], "utf-8")
            raise KeyboardInterrupt

    monkeypatch.setattr(Records, "add", killed)
    with pytest.raises(KeyboardInterrupt):
        fit.run()
    monkeypatch.undo()
    assert_went_on_as_if_nothing_happened(tmp_path, new_fit(tmp_path, **RESUMABLE), uninterrupted)


@pytest.mark.parametrize("name", ["model", "optimizer", "average", "random-0", "progress"])
def test_a_truncated_file_of_a_checkpoint_is_named(tmp_path, uninterrupted, name):
    shutil.copytree(uninterrupted[-1], tmp_path, dirs_exist_ok=True)
    (file,) = checkpoints(tmp_path / "checkpoints")[-1].glob(f"{name}.*")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(RunError, match=file.name):
        new_fit(tmp_path, **RESUMABLE).run(resume=True)


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    new_fit(tmp_path).run()
    other = new_teacher()
    other.tagger.encoder.layer = nn.Linear(4, 6, bias=False)
    with pytest.raises(RunError, match="not of this model"):
        new_fit(tmp_path, model=other).run(resume=True)


# ---- a full disk, a loss that is no number


def full_disk(*_args: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_stops_with_a_clear_error_and_the_checkpoint_before_stays(tmp_path, monkeypatch, uninterrupted):
    fit = new_fit(tmp_path, checkpoint_minutes=EVERY_STEP, **RESUMABLE)
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: full_disk() if fit.progress.step == 5 else fsync(handle))
    with pytest.raises(TrainingError, match=r"safetensors.*the disk is full.*`resume`"):
        fit.run()
    monkeypatch.undo()
    assert [path.name for path in (tmp_path / "checkpoints").glob("step-*")] == ["step-000000004-epoch-0001"]
    assert_went_on_as_if_nothing_happened(tmp_path, new_fit(tmp_path, **RESUMABLE), uninterrupted)


def test_out_of_memory_names_the_sentences_of_the_step_and_the_checkpoint_before_stays(tmp_path, monkeypatch):
    fit = new_fit(tmp_path, checkpoint_minutes=EVERY_STEP, **RESUMABLE)
    passes = fit._passes

    def full(*args):
        if fit.progress.step == 3:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 64 bytes.")
        passes(*args)

    monkeypatch.setattr(fit, "_passes", full)
    with pytest.raises(TrainingError, match=r"out of memory at sentences? train\.conll:\d.*`max_words`.*`resume`"):
        fit.run()
    assert [path.name for path in (tmp_path / "checkpoints").glob("step-*")] == ["step-000000003-epoch-0001"]


def test_other_errors_of_torch_stay_what_they_are(tmp_path, monkeypatch):
    fit = new_fit(tmp_path)

    def wrong(*_args):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(fit, "_passes", wrong)
    with pytest.raises(RuntimeError, match="mat1"):
        fit.run()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_under_the_metrics_gives_a_clear_error(tmp_path):
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    with pytest.raises(TrainingError, match=r"metrics\.jsonl.*the disk is full.*`resume`"):
        new_fit(tmp_path).run()


def spoil(fit, step: int, value: float) -> None:
    sums = fit.objective.sums

    def spoilt(batch):
        terms = sums(batch)
        return {name: term * (value if fit.progress.step == step - 1 else 1) for name, term in terms.items()}

    fit.objective.sums = spoilt


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_before_the_weights_change(tmp_path, value, uninterrupted):
    fit = new_fit(tmp_path, checkpoint_minutes=EVERY_STEP, **RESUMABLE)
    spoil(fit, 5, value)
    with pytest.raises(TrainingError, match=r"step 5 \(epoch 2\).*step-000000004.*optim\.lr"):
        fit.run()
    assert all(torch.isfinite(tensor).all() for tensor in fit.model.state_dict().values())
    assert_went_on_as_if_nothing_happened(tmp_path, new_fit(tmp_path, **RESUMABLE), uninterrupted)


def test_a_first_step_that_is_no_number_says_that_nothing_was_saved(tmp_path):
    fit = new_fit(tmp_path)
    spoil(fit, 1, float("nan"))
    with pytest.raises(TrainingError, match="no checkpoint was due"):
        fit.run()


def test_a_gradient_that_is_no_number_stops_though_the_loss_is_one(tmp_path):
    fit = new_fit(tmp_path)
    sums = fit.objective.sums

    def steep(batch):
        terms = sums(batch)
        zero = fit.model.tagger.head.project.bias.sum() * 0
        return {**terms, "entities": terms["entities"] + zero.abs().sqrt()}  # the slope at 0 is infinite

    fit.objective.sums = steep
    with pytest.raises(TrainingError, match=r"step 1 .*gradient norm nan"):
        fit.run()


# ---- between epochs


def scripted(scores, seen):
    """An evaluation that gives these scores, one an epoch, and keeps the weights that it was given."""
    coming = iter(scores)

    def evaluate(model):
        seen.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return {"score": next(coming)}

    return evaluate


def test_patience_stops_and_the_best_weights_are_restored(tmp_path):
    seen = []
    fit = new_fit(tmp_path, epochs=9, patience=2, evaluate=scripted([0.5, 0.6, 0.4, 0.5, 0.9], seen))
    result = fit.run()
    assert len(seen) == 4
    assert (result.best_score, result.best_epoch, result.step) == (0.6, 1, 20)
    assert_same(fit.model.state_dict(), seen[1])
    assert not torch.equal(seen[1]["tagger.head.project.weight"], seen[3]["tagger.head.project.weight"])
    assert not fit.model.training


def test_of_equal_scores_the_later_weights_are_kept_and_patience_runs_on(tmp_path):
    seen = []
    fit = new_fit(tmp_path, epochs=9, patience=2, evaluate=scripted([0.0, 0.0, 0.0, 0.9], seen))
    result = fit.run()
    assert (len(seen), result.best_score, result.best_epoch) == (3, 0.0, 2)
    assert_same(fit.model.state_dict(), seen[2])


@pytest.mark.parametrize("settings", [{}, {"swa": True, "swa_start": 0.3}], ids=["plain", "averaged"])
def test_without_a_score_the_last_weights_are_kept(tmp_path, settings):
    seen = []
    fit = new_fit(tmp_path / "none", epochs=3, evaluate=None, **settings)
    assert fit.run().best_epoch == 2
    new_fit(tmp_path / "scored", epochs=3, evaluate=scripted([0.9, 0.5, 0.1], seen), **settings).run()
    assert_same(fit.model.state_dict(), seen[2])
    assert "score" not in json.loads((tmp_path / "none" / "metrics.jsonl").read_text().splitlines()[0])


def test_patience_goes_on_counting_after_a_resume(tmp_path):
    seen = []
    first = new_fit(tmp_path, epochs=9, patience=3, evaluate=scripted([0.6, 0.4], seen))
    with pytest.raises(StopIteration):
        first.run()
    second = new_fit(tmp_path, epochs=9, patience=3, evaluate=scripted([0.4, 0.4, 0.9], seen))
    assert second.run(resume=True).best_epoch == 0
    assert_same(second.model.state_dict(), seen[0])


def test_evaluation_is_without_dropout_and_training_with_it(tmp_path):
    modes = []

    def evaluate(model):
        modes.append(model.training)
        return {"score": 0.0}

    fit = new_fit(tmp_path, epochs=2, evaluate=evaluate)
    sums = fit.objective.sums
    fit.objective.sums = lambda batch: modes.append(fit.model.training) or sums(batch)
    fit.run()
    assert modes == [True] * 5 + [False] + [True] * 5 + [False]


def test_swa_is_the_plain_average_of_the_weights_at_the_ends_of_the_late_epochs(tmp_path):
    ends, given = [], []

    def evaluate(model):
        ends.append({name: tensor.clone() for name, tensor in fit.model.state_dict().items()})
        given.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return {"score": float(len(ends))}

    fit = new_fit(tmp_path, epochs=5, swa=True, swa_start=0.4, evaluate=evaluate)
    fit.run()
    for epoch in (0, 1):
        assert_same(given[epoch], ends[epoch])
    for epoch in (2, 3, 4):
        mean = {name: torch.stack([end[name] for end in ends[2 : epoch + 1]]).mean(0) for name in ends[0]}
        assert_same(given[epoch], mean, rtol=1e-5, atol=1e-7)
    assert_same(fit.model.state_dict(), given[4])


def ema_by_hand(states, decay):
    """The moving average after each of the steps; a step's weights count 1 − d of all, d = min(decay, (1+n)/(10+n))."""
    averages = [states[0]]
    for number, state in enumerate(states[1:], 1):
        kept = min(decay, (1 + number) / (10 + number))
        averages.append({name: kept * averages[-1][name] + (1 - kept) * state[name] for name in state})
    return averages


def test_ema_is_the_moving_average_of_the_weights_of_every_step_and_is_what_is_kept(tmp_path):
    states, given = [], []

    def evaluate(model):
        given.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return {"score": float(len(given))}

    fit = new_fit(tmp_path, epochs=3, ema=0.6, evaluate=evaluate)
    step = fit.optimizer.step
    fit.optimizer.step = lambda: (
        step() or states.append({name: tensor.double() for name, tensor in fit.model.state_dict().items()})
    )
    fit.run()
    averages = ema_by_hand(states, 0.6)
    for epoch in range(3):
        found = {name: tensor.double() for name, tensor in given[epoch].items()}
        assert_same(found, averages[5 * epoch + 4], rtol=1e-5, atol=1e-6)
    assert_same(fit.model.state_dict(), given[2])
    assert not torch.allclose(states[-1]["tagger.head.project.weight"], averages[-1]["tagger.head.project.weight"])


def test_an_average_changes_nothing_of_the_training_itself(tmp_path):
    plain, averaged = new_fit(tmp_path / "a", epochs=3), new_fit(tmp_path / "b", epochs=3, ema=0.9)
    seen, others = watch_gradients(plain), watch_gradients(averaged)
    plain.run()
    averaged.run()
    for one, other in zip(seen, others, strict=True):
        assert_same(other, one)


@pytest.mark.parametrize(
    "settings", [{"ema": 0.7, "average_lr": 0.2}, {"swa": True, "swa_start": 0.3, "average_lr": 0.5}]
)
@pytest.mark.parametrize("stopped_at", [4, 6, 10])
def test_a_training_with_any_average_stopped_anywhere_goes_on_bit_for_bit(tmp_path, settings, stopped_at):
    """5 micro-batches in 3 steps an epoch: stopped amid the second, at its end, and in the last."""
    settings = {**RESUMABLE, "swa": False, **settings}
    whole, first = new_fit(tmp_path / "whole", **settings), new_fit(tmp_path / "cut", **settings)
    whole.run()
    sums = first.objective.sums

    def interrupted(batch):
        if first.progress.step == stopped_at:
            os.kill(os.getpid(), signal.SIGTERM)
            first.objective.sums = sums
        return sums(batch)

    first.objective.sums = interrupted
    with pytest.raises(TrainingError, match="`resume`"):
        first.run()
    second = new_fit(tmp_path / "cut", **settings)
    second.run(resume=True)
    assert_same(second.model.state_dict(), whole.model.state_dict())
    assert_same(second.average.state_dict(), whole.average.state_dict())
    assert second.progress.averaged == whole.progress.averaged


def test_metrics_hold_the_mean_loss_per_word_and_per_pair_of_the_epoch(tmp_path):
    fit = new_fit(tmp_path, plan=UNEQUAL, lr=0.0, accumulate=2)
    fit.run()
    batch = make_batch(BIG)
    terms, counts = fit.objective.sums(batch), fit.objective.counts(batch)
    wanted = {name: terms[name].item() / counts[name] for name in terms}
    assert lines_of(tmp_path)[0]["loss"] == pytest.approx(wanted, rel=1e-5)


def test_tensorboard_gets_the_figures_of_every_epoch(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    new_fit(tmp_path, epochs=2, evaluate=scripted([0.25, 0.5], [])).run()
    board = EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    assert [(event.step, event.value) for event in board.Scalars("score")] == [(5, 0.25), (10, 0.5)]


# ---- what changes between epochs: a frozen encoder, weights of the terms


def encoders_at_the_ends_of_epochs(directory, **settings):
    """The encoder's weights after each epoch, the first entry those before training; and the training."""
    teacher = new_teacher(dropout=settings.pop("dropout", 0.0))
    seen = [{name: tensor.clone() for name, tensor in teacher.tagger.encoder.state_dict().items()}]

    def evaluate(_model):
        seen.append({name: tensor.clone() for name, tensor in teacher.tagger.encoder.state_dict().items()})
        return {"score": float(fit.progress.epoch)}

    fit = new_fit(directory, model=teacher, evaluate=evaluate, **settings)
    fit.frozen = list(teacher.tagger.encoder.parameters())
    return seen, fit


def test_a_frozen_encoder_stays_as_it_is_for_so_many_epochs_and_moves_afterwards(tmp_path):
    seen, fit = encoders_at_the_ends_of_epochs(tmp_path, epochs=4, freeze_epochs=2)
    head = fit.model.tagger.head.project.weight.clone()
    fit.run()
    for epoch in (1, 2):
        assert_same(seen[epoch], seen[0])
    for name, tensor in seen[2].items():
        assert not torch.equal(seen[3][name], tensor), name
        assert not torch.equal(seen[4][name], seen[3][name]), name
    assert not torch.equal(fit.model.tagger.head.project.weight, head)


def test_the_head_learns_while_the_encoder_is_frozen_and_no_gradient_of_the_encoder_is_made(tmp_path):
    _, fit = encoders_at_the_ends_of_epochs(tmp_path, freeze_epochs=1)
    gradients = watch_gradients(fit)
    fit.run()
    learning = {"tagger.head.project.weight", "tagger.head.project.bias"}
    assert all(learning <= set(step) <= learning | {"similarity.scale", "similarity.shift"} for step in gradients)


def test_freezing_leaves_frozen_what_was_frozen_and_the_rest_free(tmp_path):
    teacher = new_teacher()
    teacher.tagger.encoder.embedding.weight.requires_grad_(False)
    task = TrainingTask(
        teacher,
        TeacherObjective(teacher, TermWeights(similarity=0.5)),
        Data(),
        [{"params": [parameter for parameter in teacher.parameters() if parameter.requires_grad], "lr": 0.1}],
        score_of,
        frozen=list(teacher.tagger.encoder.parameters()),
    )
    fit = Fit(task, OptimConfig(epochs=2, freeze_epochs=1), tmp_path, seed=13, reporter=Reporter(quiet=True))
    fit.run()
    fixed = {name for name, parameter in teacher.named_parameters() if not parameter.requires_grad}
    assert fixed == {"tagger.encoder.embedding.weight"}


FREEZING = {**RESUMABLE, "freeze_epochs": 2}


@pytest.mark.parametrize("stopped_at", [2, 5, 8])
def test_a_training_stopped_before_or_after_the_thaw_goes_on_bit_for_bit(tmp_path, stopped_at):
    """3 steps an epoch: amid the frozen epochs, at their last step, and after them; the weights of terms change."""

    def training(directory):
        _, fit = encoders_at_the_ends_of_epochs(directory, **FREEZING)
        fit.weighting = LogSum(["similarity"])
        return fit

    whole, first, second = training(tmp_path / "whole"), training(tmp_path / "cut"), training(tmp_path / "cut")
    whole.run()
    sums = first.objective.sums

    def interrupted(batch):
        if first.progress.step == stopped_at:
            os.kill(os.getpid(), signal.SIGTERM)
            first.objective.sums = sums
        return sums(batch)

    first.objective.sums = interrupted
    with pytest.raises(TrainingError, match="`resume`"):
        first.run()
    assert first.progress.step < whole.progress.step
    second.run(resume=True)
    assert_same(second.model.state_dict(), whole.model.state_dict())
    assert second.weighting.running == whole.weighting.running


# ---- parts that have a best epoch of their own


def training_with_parts(directory, scores, seen=None, **settings):
    """A training whose similarity is kept from the best epoch by `own`. scores: (score, own) of each epoch."""
    given = iter(scores)

    def evaluate(model):
        if seen is not None:
            seen.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        score, own = next(given)
        return {"score": score, "own": own}

    fit = new_fit(directory, evaluate=evaluate, **settings)
    fit.own_best = OwnBest("own", ("similarity.",))
    return fit


@pytest.mark.parametrize("settings", [{}, {"swa": True, "swa_start": 0.3}, {"ema": 0.5}])
def test_parts_are_kept_from_their_own_best_epoch_and_the_rest_from_the_best_of_all(tmp_path, settings):
    seen = []
    scores = [(0.2, 0.9), (0.5, 0.3), (0.7, 0.4), (0.1, 0.8)]
    fit = training_with_parts(tmp_path, scores, seen, epochs=4, **settings)
    progress = fit.run()
    assert (progress.best_epoch, progress.own_best_epoch) == (2, 0)
    for name, tensor in fit.model.state_dict().items():
        assert torch.equal(tensor, seen[0 if name.startswith("similarity.") else 2][name]), name
    assert not torch.equal(seen[0]["similarity.scale"], seen[2]["similarity.scale"])


@pytest.mark.parametrize("stopped_at", [3, 7])
def test_a_stopped_training_keeps_the_best_of_parts_bit_for_bit(tmp_path, stopped_at):
    """3 steps an epoch; the parts are best in the first, the score in the third."""
    scores = [(0.2, 0.9), (0.5, 0.3), (0.7, 0.4), (0.1, 0.8)]
    whole = training_with_parts(tmp_path / "whole", scores, **RESUMABLE)
    whole.run()
    first = training_with_parts(tmp_path / "cut", scores, **RESUMABLE)
    sums = first.objective.sums

    def interrupted(batch):
        if first.progress.step == stopped_at:
            os.kill(os.getpid(), signal.SIGTERM)
            first.objective.sums = sums
        return sums(batch)

    first.objective.sums = interrupted
    with pytest.raises(TrainingError, match="`resume`"):
        first.run()
    second = training_with_parts(tmp_path / "cut", scores[first.progress.epoch :], **RESUMABLE)
    second.run(resume=True)
    assert_same(second.model.state_dict(), whole.model.state_dict())
    assert second.progress.own_best_epoch == whole.progress.own_best_epoch == 0


def test_a_checkpoint_from_before_there_were_parts_goes_on(tmp_path):
    scores = [(0.2, 0.9), (0.5, 0.3), (0.7, 0.4)]
    first = training_with_parts(tmp_path, scores[:1], epochs=3)
    with pytest.raises(StopIteration):
        first.run()
    file = checkpoints(tmp_path / "checkpoints")[-1] / "progress.json"
    progress = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps({key: progress[key] for key in progress if not key.startswith("own_best")}), "utf-8")
    (tmp_path / "checkpoints" / "best-parts.safetensors").unlink()
    second = training_with_parts(tmp_path, scores[1:], epochs=3)
    assert second.run(resume=True).own_best_epoch == 2


def test_patience_waits_for_parts_that_still_gain(tmp_path):
    scores = [(0.9, 0.1), (0.5, 0.2), (0.4, 0.3), (0.3, 0.2), (0.2, 0.1), (0.1, 0.1)]
    fit = training_with_parts(tmp_path, scores, epochs=6, patience=2)
    assert fit.run().epoch == 5


# ---- the rate


def test_the_rate_rises_in_a_line_and_falls_in_a_cosine():
    rise = [rate_factor(done / 100, 0.1) for done in range(11)]
    assert rise[0] == pytest.approx(0.04)
    assert rise[10] == pytest.approx(1.0)
    steps = [after - before for before, after in itertools.pairwise(rise)]
    assert steps == pytest.approx([0.096] * 10)
    assert rate_factor(0.55, 0.1) == pytest.approx(0.5)
    assert rate_factor(1.0, 0.1) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("warmup", "first", "last"), [(0.0, 1.0, 0.0), (1.0, 0.04, 1.0)])
def test_the_rate_without_and_with_only_warmup(warmup, first, last):
    assert rate_factor(0.0, warmup) == pytest.approx(first)
    assert rate_factor(1.0, warmup) == pytest.approx(last, abs=1e-12)


def test_the_rate_stays_where_the_cosine_ends_and_weights_are_averaged():
    def rates(places):
        return [rate_factor(done, 0.1, end=0.7, last=0.4) for done in places]

    assert rates([0.0, 0.05, 0.1]) == pytest.approx([0.04, 0.52, 1.0])
    assert rates([0.4, 0.7]) == pytest.approx([0.7, 0.4])  # half way, and the end
    assert rates([0.7, 0.8, 0.99]) == [0.4, 0.4, 0.4]


@pytest.mark.parametrize(
    ("settings", "late"),
    [
        ({"swa": True, "average_lr": 0.3}, 0.3),
        ({"ema": 0.9, "average_lr": 0.4}, 0.4),
        ({"swa": True}, None),
        ({"ema": 0.9}, None),
    ],
)
def test_only_an_average_with_a_rate_of_its_own_keeps_the_rate_up(tmp_path, settings, late):
    fit = new_fit(tmp_path, epochs=4, swa_start=0.5, **settings)
    rates, step = [], fit.optimizer.step
    fit.optimizer.step = lambda: rates.append(fit.optimizer.param_groups[0]["lr"]) or step()
    fit.run()
    usual = [0.05 * rate_factor(number / 20, fit.settings.warmup) for number in range(20)]
    if late is None:
        assert rates == usual
    else:
        assert rates[10:] == pytest.approx([0.05 * late] * 10)
        assert rates[2] == pytest.approx(0.05)


def test_every_group_has_its_own_rate_times_the_factor(tmp_path):
    teacher = new_teacher()
    fit = new_fit(tmp_path, epochs=2, warmup=0.5, model=teacher)
    fit.optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(1))], "lr": 2.0})
    fit.base_rates.append(2.0)
    rates = []
    step = fit.optimizer.step
    fit.optimizer.step = lambda: rates.append([group["lr"] for group in fit.optimizer.param_groups]) or step()
    fit.run()
    factors = [rate_factor(number / 10, 0.5) for number in range(10)]
    assert rates == [pytest.approx([0.05 * factor, 2.0 * factor]) for factor in factors]


def test_kinds_of_batches_keep_their_proportion_however_many_make_a_step(tmp_path):
    kinds = [{"soft": 4.0, "similarity": 2.0}, {"soft": 3.0, "similarity": 0.0}, {"gold": 5.0}, {"soft": 0.0}]
    fit = new_fit(tmp_path)
    assert fit._shares(kinds, ["gold", "similarity", "soft"]) == pytest.approx(
        {"gold": 1 / 3, "similarity": 2 / 3, "soft": 2 / 3}
    )
    assert fit._shares(kinds[2:3], ["gold", "similarity", "soft"])["gold"] == 1.0
