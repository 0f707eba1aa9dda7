"""One thread answers many requests together."""

from __future__ import annotations

import pytest

from ner_distill.serving.batcher import TURN, Batcher, Closed
from tests.answering import BROKEN, Capitals

IN_TIME = 20


def labels_of(found: list[list[tuple[object, ...]]]) -> list[list[object]]:
    return [[entity[2] for entity in own] for own in found]


def test_what_arrives_while_a_batch_is_computed_is_the_next_batch() -> None:
    model = Capitals()
    model.gate.clear()
    batcher = Batcher(model)
    jobs = [batcher.submit(["Ana"])]
    assert model.asked.wait(IN_TIME)
    jobs += [batcher.submit(["Bob", "x"]), batcher.submit(["ROME"])]
    model.gate.set()
    answers = [job.future.result(IN_TIME) for job in jobs]
    assert model.calls == [["Ana"], ["Bob", "x", "ROME"]]
    assert [labels_of(own) for own in answers] == [[["PER"]], [["PER"], []], [["LOC"]]]
    batcher.close()


def test_the_first_of_an_idle_time_waits_for_others_where_it_is_told_to() -> None:
    model = Capitals()
    batcher = Batcher(model, wait=60)
    jobs = [batcher.submit([text]) for text in ("Ana", "Bob")]
    batcher.close(IN_TIME)  # ends the wait, and answers those who are there
    assert [labels_of(job.future.result(0)) for job in jobs] == [[["PER"]], [["PER"]]]
    assert model.calls == [["Ana", "Bob"]]


def test_a_large_request_is_answered_in_turns_and_does_not_hold_up_a_small_one() -> None:
    model = Capitals()
    model.gate.clear()
    batcher = Batcher(model)
    texts = ["Ana " * (TURN // 4), "Bob", "Eva " * (TURN // 4), "x"]
    large, small = batcher.submit(texts), batcher.submit(["Rome"])
    assert model.asked.wait(IN_TIME)
    model.gate.set()
    assert [len(own) for own in large.future.result(IN_TIME)] == [TURN // 4, 1, TURN // 4, 0]
    assert small.future.result(IN_TIME)[0][0].text == "Rome"
    order = [text.split()[0] for call in model.calls for text in call]
    assert order.index("Rome") < order.index("Bob")
    batcher.close()


def test_a_failure_concerns_only_the_request_that_causes_it(capsys: pytest.CaptureFixture[str]) -> None:
    model = Capitals()
    model.gate.clear()
    batcher = Batcher(model)
    batcher.submit(["first"])
    assert model.asked.wait(IN_TIME)
    jobs = [batcher.submit(["Ana"]), batcher.submit(["Bob", BROKEN]), batcher.submit(["Eva"])]
    model.gate.set()
    with pytest.raises(RuntimeError, match="the model is broken"):
        jobs[1].future.result(IN_TIME)
    assert [labels_of(jobs[place].future.result(IN_TIME)) for place in (0, 2)] == [[["PER"]], [["PER"]]]
    assert batcher.alive
    batcher.close()
    assert capsys.readouterr().err.count("RuntimeError: the model is broken") == 1


def test_a_cancelled_request_is_not_computed() -> None:
    model = Capitals()
    model.gate.clear()
    batcher = Batcher(model)
    first = batcher.submit(["first"])
    assert model.asked.wait(IN_TIME)
    given_up, kept = batcher.submit(["Ana"]), batcher.submit(["Bob"])
    assert given_up.future.cancel()
    assert first.future.cancel()  # begun already: its answer is dropped
    assert (first.begun, given_up.begun) == (True, False)
    model.gate.set()
    kept.future.result(IN_TIME)
    assert model.calls == [["first"], ["Bob"]]
    batcher.close()


def test_closing_answers_what_waits_and_takes_no_more() -> None:
    batcher = Batcher(Capitals())
    job = batcher.submit(["Ana"])
    batcher.close()
    assert labels_of(job.future.result(0)) == [["PER"]]
    assert not batcher.alive
    with pytest.raises(Closed):
        batcher.submit(["Bob"])


def test_closing_in_a_hurry_fails_what_waits() -> None:
    model = Capitals()
    model.gate.clear()
    batcher = Batcher(model)
    batcher.submit(["first"])
    assert model.asked.wait(IN_TIME)
    job = batcher.submit(["Ana"])
    batcher.close(0)
    with pytest.raises(Closed):
        job.future.result(0)
    model.gate.set()


def test_a_request_without_texts_has_its_answer_at_once() -> None:
    batcher = Batcher(Capitals())
    assert batcher.submit([]).future.result(0) == []
    batcher.close()
