"""README runs as printed, from top to bottom."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest

from tests import checkpoints, corpora
from tests.printed import ROOT, blocks_of, run_printed

_SERVE = "ner-distill serve exported\n"
_TWO_TEACHERS = """\
for name in a b voted; do
    folds=(); [ $name != voted ] || folds=(--folds 5)
    ner-distill train-teacher --train sample/en/train.conll --dev sample/en/dev.conll --out runs/$name "${folds[@]}"
done
"""
"""What the text says that the commands after it need."""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_readme_runs_from_top_to_bottom(tmp_path: Path) -> None:
    texts = [" ".join(sentence.words) for sentence in corpora.sentences(50, seed=1)]
    bert = checkpoints.bert(tmp_path / "bert", texts, positions=128, layers=4)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serving = (
        f"ner-distill serve exported --port {port} & server=$!; trap 'kill $server' EXIT\n"
        f"until curl -sf http://127.0.0.1:{port}/health; do kill -0 $server; sleep 1; done\n"
    )
    changes = {
        "make quickstart": "",  # the first block has it
        _SERVE: serving,
        "127.0.0.1:8000": f"127.0.0.1:{port}",
        "--minutes 20": "--minutes 0.1",
        "bert-base-multilingual-cased": str(bert),
    }
    script = "\n".join(blocks_of(ROOT / "README.md"))
    for printed, run in changes.items():
        assert printed in script
        script = script.replace(printed, run)
    before, first, after = script.partition("ner-distill label-unlabeled --teacher runs/a=2")
    assert first
    work = run_printed(f"{before}{_TWO_TEACHERS}{first}{after}", tmp_path)
    made = {"exported/model.int8.onnx", "review.html", "corrected.jsonl", "varied.jsonl", "teacher.toml", "runs/t"}
    assert {name for name in made if not (work / name).exists()} == set()
