"""Who may import whom.

`cli → commands → serving, views → pipelines → training → runs → teacher, student, runtime → nn, data → config, errors`.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "ner_distill"

# "": the version in ner_distill/__init__.py. "tagger" goes along with exported models: it imports nothing of ours.
BASE = {"", "errors", "files", "holding", "hub", "directories", "places", "console", "options", "tagger"}
DATA = BASE | {"config", "data"}
MODELS = DATA | {"nn", "runtime", "teacher", "student", "runs"}
MAY_IMPORT = {
    "": {"", "data", "errors", "face", "tagger"},
    "tagger": set(),
    "face": MODELS | {"executing", "training", "pipelines", "views"},
    "errors": {""},
    "files": BASE,
    "holding": {"errors"},
    "hub": {""},
    "directories": BASE,
    "places": {"errors", "files", "holding", "places"},
    "console": BASE,
    "options": {"", "errors", "options", "places"},
    "config": BASE | {"config"},
    "data": DATA,
    "nn": BASE | {"nn"},
    "runtime": DATA | {"nn", "runtime"},
    "teacher": DATA | {"nn", "teacher"},
    "student": DATA | {"nn", "student"},
    "runs": MODELS,
    "executing": BASE | {"executing"},
    "training": MODELS | {"training"},
    "pipelines": MODELS | {"executing", "training", "pipelines"},
    "views": MODELS | {"executing", "training", "pipelines", "views"},
    "serving": MODELS | {"serving"},
    "spacy_component": {"", "errors", "face", "files", "tagger"},
    "commands": MODELS | {"executing", "training", "pipelines", "views", "serving", "commands"},
    "cli": BASE | {"commands"},
    "__main__": {"cli"},
}

# The foreign stays in few places; for types alone (`if TYPE_CHECKING:`) it may be named anywhere.
ONLY_IN = {
    "transformers": {
        "nn/encoders/architectures.py",
        "nn/encoders/huggingface.py",
        "data/features/pieces.py",
        "data/features/vocabularies.py",
        "student/hf.py",
    },
    "typer": {"cli.py", "commands/"},
    "accelerate": {"training/", "pipelines/pretraining/"},
    "datasets": {"data/", "pipelines/pretraining/text.py"},
    "fsspec": {"places/"},
    "icu4py": {"data/formats/splitting.py"},
    "fastapi": {"serving/"},
    "uvicorn": {"serving/"},
    "spacy": {
        "data/formats/tools/docbin.py",
        "data/formats/writing/docbin.py",
        "face.py",
        "spacy_component.py",
        "teacher/foreign/spacy_pipeline.py",
    },
    "ray": {"executing/ray_cluster.py"},
    "gliner": {"teacher/foreign/gliner.py"},
}
TORCH_IN_DATA = {"batching.py", "features"}
FILES = sorted(PACKAGE.rglob("*.py"))


def imports_of(file: Path, root: Path = ROOT, *, types: bool = True) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything that a file imports, in functions too; `from a import b` gives `a.b`.

    types=False leaves out what is imported under `if TYPE_CHECKING:`.
    """
    package = file.relative_to(root).parent.parts
    tree = ast.parse(file.read_text(encoding="utf-8"))
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    for_types = {inner for block in blocks for statement in block.body for inner in ast.walk(statement)}
    for node in ast.walk(tree):
        if node in for_types and not types:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


@cache
def libraries_of(file: Path) -> frozenset[str]:
    """The first names of what a file imports other than for types."""
    return frozenset(name.split(".")[0] for _, name in imports_of(file, types=False))


def layer_of(name: str) -> str | None:
    """The layer of a dotted name, None for what is not ours: `ner_distill.data.sentence.Span` gives `data`."""
    parts = name.split(".")
    if parts[0] != "ner_distill":
        return None
    return parts[1] if len(parts) > 1 and parts[1] in MAY_IMPORT else ""


def layer_of_file(file: Path, root: Path = ROOT) -> str:
    parts = file.relative_to(root).with_suffix("").parts[1:]
    return "" if parts == ("__init__",) else parts[0]


def forbidden_imports(file: Path, root: Path = ROOT) -> list[str]:
    """`file:line: layer imports layer` for each import that the layers forbid."""
    layer = layer_of_file(file, root)
    return [
        f"{file.relative_to(root)}:{line}: {layer} may not import {name}"
        for line, name in imports_of(file, root)
        if (target := layer_of(name)) is not None and target not in MAY_IMPORT[layer]
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_file_imports_only_from_its_layer_and_below(file):
    assert layer_of_file(file) in MAY_IMPORT, f"{file} is in no layer: add it to MAY_IMPORT and docs/architecture.md"
    assert forbidden_imports(file) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("nn/a.py", "from ner_distill.data.sentence import Span"),
        ("nn/a.py", "from ..data import sentence"),
        ("nn/heads/a.py", "from ...data import sentence"),
        ("data/a.py", "def f():\n    import ner_distill.nn.losses"),
        ("teacher/a.py", "from ner_distill import student"),
        ("pipelines/a.py", "from ner_distill.cli import main"),
    ],
)
def test_the_check_sees_relative_imports_and_those_in_functions(tmp_path, path, source):
    file = tmp_path / "ner_distill" / path
    file.parent.mkdir(parents=True)
    file.write_text(source)
    assert len(forbidden_imports(file, tmp_path)) == 1


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_is_imported_only_where_it_belongs(library):
    users = {file.relative_to(PACKAGE).as_posix() for file in FILES if library in libraries_of(file)}
    allowed = ONLY_IN[library]
    assert [user for user in sorted(users) if not any(user == one or user.startswith(one) for one in allowed)] == []


def test_data_imports_torch_only_where_batches_are_made():
    users = {
        file.relative_to(PACKAGE / "data").parts[0]
        for file in PACKAGE.glob("data/**/*.py")
        for _, name in imports_of(file)
        if name.split(".")[0] == "torch"
    }
    assert users <= TORCH_IN_DATA


@pytest.mark.skipif(not (PACKAGE / "cli.py").exists(), reason="there is no command line yet")
def test_importing_the_command_line_imports_nothing_heavy():
    code = "import sys, ner_distill.cli; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    imported = set(done.stdout.split())
    assert "ner_distill" in imported
    assert (
        imported & {"torch", "transformers", "datasets", "pyarrow", "pydantic", "sklearn", "numpy", "spacy", "fastapi"}
        == set()
    )
