from __future__ import annotations

import os
import signal

import pytest
import torch

from ner_distill.training import processes
from ner_distill.training.processes import StopSignals, numbers_of


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_signals_that_come_together_are_one_wish_to_stop(first: signal.Signals) -> None:
    with StopSignals() as signals:
        assert not signals.received
        os.kill(os.getpid(), first)
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.received


def test_a_later_second_signal_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "ONE_WISH", 0.0)
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.received
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)


def test_afterwards_signals_do_what_they_did_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_numbers_of_mixed_floats_are_what_each_is_by_itself() -> None:
    values = [torch.tensor(0.1), torch.tensor(0.1, dtype=torch.float64), torch.tensor(0.1, dtype=torch.bfloat16)]
    assert numbers_of(values) == [value.item() for value in values]
    assert numbers_of([torch.tensor(0.1)]) == [torch.tensor(0.1).item()]
    assert numbers_of([]) == []
