"""README runs as printed, from top to bottom."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests import checkpoints, corpora
from tests.printed import ROOT, blocks_of, run_printed

_FREE_PORT = "import socket; free = socket.create_server(('127.0.0.1', 0)); print(free.getsockname()[1])"
_SERVE = f"""\
port=$(python -c "{_FREE_PORT}")
ner-distill serve exported --port $port & server=$!
trap 'kill $server' EXIT
curl -sf --retry 60 --retry-delay 1 --retry-connrefused http://127.0.0.1:$port/health
"""
_TEACHERS = """\
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
    changes = {
        "make quickstart": "",  # the first block has it
        "ner-distill serve exported\n": _SERVE,
        "curl http://127.0.0.1:8000": "curl -f http://127.0.0.1:$port",
        "--minutes 20": "--minutes 0.1",
        "bert-base-multilingual-cased": str(bert),
    }
    script = "\n".join(blocks_of(ROOT / "README.md"))
    for printed, run in changes.items():
        assert printed in script
        script = script.replace(printed, run)
    before, first, after = script.partition("ner-distill label-unlabeled --teacher runs/a=2")
    assert first
    work = run_printed(f"{before}{_TEACHERS}{first}{after}", tmp_path)
    made = {"exported/model.int8.onnx", "review.html", "corrected.jsonl", "varied.jsonl", "teacher.toml", "runs/t"}
    assert {name for name in made if not (work / name).exists()} == set()
