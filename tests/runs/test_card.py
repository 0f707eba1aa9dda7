from pathlib import Path

import pytest

from ner_distill.runs.card import is_as_written, may_be_removed, signed

TEXT = "# Ein Modell für Namen\n\n- eins\n"


@pytest.fixture
def card(tmp_path: Path) -> Path:
    path = tmp_path / "README.md"
    path.write_text(signed(TEXT), "utf-8")
    return path


def test_a_card_as_it_was_written_is_known(card: Path) -> None:
    assert is_as_written(card)
    assert may_be_removed(card)


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("eins", "zwei"),
        lambda text: text.replace("- eins\n", "- eins \n"),
        lambda text: f"{text}\nMore.\n",
        lambda text: f"More.\n{text}",
        lambda text: TEXT,
        lambda text: "",
        lambda text: text[len(TEXT) :],
        lambda text: text.replace("\n", "\r\n"),
    ],
    ids=["word", "blank", "below", "above", "no last line", "empty", "only the last line", "line ends"],
)
def test_a_card_of_which_anything_was_changed_is_a_persons(card: Path, edit) -> None:
    card.write_bytes(edit(card.read_text("utf-8")).encode("utf-8"))
    assert not is_as_written(card)
    assert not may_be_removed(card)


def test_what_cannot_be_read_is_a_persons(card: Path, tmp_path: Path) -> None:
    card.write_bytes(b"\xff\xfe")
    assert not may_be_removed(card)
    assert not may_be_removed(tmp_path / "none" / "README.md")


def test_other_files_are_not_asked(tmp_path: Path) -> None:
    assert may_be_removed(tmp_path / "report.html")
