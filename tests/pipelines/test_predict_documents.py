"""`predict` and `label-unlabeled` on documents."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ner_distill.data.store.store import SoftLabelStore
from tests.commands import ok, run
from tests.world import World

SENTENCES = ["😀 Ann Miller lives in Oslo.", "It rains in\nVienna today.", "Dr. Tom Baker works for Orion Bank."]
DOCUMENT = f"{SENTENCES[0]} {SENTENCES[1]}\n\n{SENTENCES[2]}"


def records(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("documents") / "a.jsonl"
    lines = [
        {"id": "a", "body": {"text": DOCUMENT}},
        {"id": "b", "body": {"text": " "}},
        {"id": "c", "body": {"text": "Oslo."}},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def predicted(world: World, *arguments: str | Path, stdin: str = "") -> str:
    return ok("predict", "--model", world.student, *arguments, stdin=stdin).out


def test_entities_of_sentences_stand_at_their_places_in_the_document(world: World, documents: Path) -> None:
    split = ("--text", documents, "--text-key", "body.text", "--split-sentences")
    found = records(predicted(world, *split, "--format", "jsonl"))
    assert [(row["id"], row["text"]) for row in found] == [("a", DOCUMENT), ("b", " "), ("c", "Oslo.")]
    alone = records(predicted(world, *SENTENCES, "--format", "jsonl"))
    places = [DOCUMENT.index(sentence) for sentence in SENTENCES]
    moved = [
        {**entity, "start": entity["start"] + place, "end": entity["end"] + place}
        for row, place in zip(alone, places, strict=True)
        for entity in row["entities"]
    ]
    assert found[0]["entities"] == moved
    assert len(moved) >= 3
    assert all(DOCUMENT[one["start"] : one["end"]] == one["text"] for one in moved)


def test_other_formats_hold_the_document_as_well(world: World, documents: Path, tmp_path: Path) -> None:
    split = ("--text", documents, "--text-key", "body.text", "--split-sentences")
    alone = predicted(world, *SENTENCES)
    assert predicted(world, *split).startswith(
        alone.removesuffix("\n").replace("Oslo].\n", "Oslo]. ").replace("today.\n", "today.\n\n")
    )
    columns = predicted(world, *SENTENCES, " ", "Oslo.", "--format", "conll")
    assert predicted(world, *split, "--format", "conll") == columns
    page = predicted(world, *split, "--format", "html")
    text = re.sub(r"<bdi[^>]*>[^<]*</bdi>|</?mark[^>]*>", "", page)
    assert page.count("<article>") == 3
    assert DOCUMENT in text
    ok("predict", "--model", world.student, *split, "--out", tmp_path / "out.conll")
    assert (tmp_path / "out.conll").read_text("utf-8") == columns


def test_lines_and_files_of_standard_input_are_documents(world: World) -> None:
    stdin = "Ann Miller left. Tom Baker stayed.\n\nIt rains.\n"
    lines = predicted(world, "--split-sentences", stdin=stdin)
    assert re.sub(r"\[[A-Z]+ ([^]]*)\]", r"\1", lines) == stdin
    (whole,) = records(predicted(world, "--split-sentences", "--documents", "file", "--format", "jsonl", stdin=stdin))
    assert (whole["id"], whole["text"]) == ("stdin", stdin.removesuffix("\n"))


def test_a_store_has_the_sentences_of_documents(world: World, documents: Path, tmp_path: Path) -> None:
    label = ("label-unlabeled", "--teacher", world.teacher, "--text", documents, "--text-key", "body.text")
    out = tmp_path / "soft"
    ok(*label, "--split-sentences", "--lang", "en", "--out", out)
    store = SoftLabelStore.open(out)
    assert sorted(row.id for row in store.iter_rows()) == ["a#1", "a#2", "a#3", "c#1"]
    assert store.manifest.settings["text_key"] == "body.text"
    assert store.manifest.settings["split_sentences"].endswith(", en")
    done = run(*label, "--out", out, "--resume")
    assert done.code == 2
    assert "split_sentences" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split-sentences", "--lang", "in Spanish"], "--lang in Spanish: expected the code of a language"),
        (["--lang", "es"], "--lang es: is for --split-sentences; give that as well"),
        (["--documents", "file"], "whose records are documents already; --documents file is for text files"),
        (["--text-key", "text"], "expected the key 'text' (--text-key), found id, body.text"),
    ],
)
def test_what_documents_cannot_be_is_said(arguments: list[str], message: str, world: World, documents: Path) -> None:
    done = run("predict", "--model", world.student, "--text", documents, *arguments)
    assert done.code != 0
    assert message in done.err
