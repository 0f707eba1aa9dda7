import re
import subprocess
import sys
from pathlib import Path

import pytest

from ner_distill.views.highlight import Entity, entities_html, hue_of
from tests.parsed import Parsed

TEXT = "The University of New York Rangers met Ann ."


def at(part: str, label: str, score: float = 0.9) -> Entity:
    start = TEXT.index(part)
    return start, start + len(part), label, score


def marks(entities: list[Entity], text: str = TEXT) -> list[str]:
    """What each mark holds, with its types behind the text."""
    return Parsed(entities_html(text, entities), "mark").inside


def test_a_mark_has_the_text_its_type_and_its_score() -> None:
    page = Parsed(entities_html(TEXT, [at("Ann", "PER", 0.987)]), "mark")
    assert page.inside == ["AnnPER"]
    assert page.tags("mark")[0]["title"] == "PER 0.99"
    assert page.text == TEXT.replace("Ann", "AnnPER")


def test_an_inner_entity_is_a_mark_in_a_mark() -> None:
    assert marks([at("New York", "LOC"), at("University of New York", "ORG")]) == [
        "University of New YorkLOCORG",
        "New YorkLOC",
    ]


def test_equal_borders_are_both_there() -> None:
    assert sorted(marks([at("New York", "LOC"), at("New York", "GPE")])) == ["New YorkGPE", "New YorkGPELOC"]


def test_of_two_that_cross_the_later_one_goes_on_behind_the_end_of_the_other() -> None:
    crossing = [at("University of New York", "ORG"), at("York Rangers", "TEAM")]
    assert marks(crossing) == ["University of New YorkORG", "York", " RangersTEAM"]


def test_three_that_cross_leave_the_text_whole() -> None:
    text = "abcdefgh"
    page = Parsed(entities_html(text, [(0, 4, "1", 1), (2, 6, "2", 1), (3, 8, "3", 1), (3, 5, "4", 1)]), "mark")
    assert re.sub(r"\d", "", page.text) == text
    assert "".join(re.findall(r"\d", page.text)) == "1423"  # each type once, where its entity ends


def test_markup_in_text_and_type_stays_text() -> None:
    text = "</div><script>alert(1)</script> & <b>"
    label = '"><img src=x onerror=alert(1)>'
    page = Parsed(entities_html(text, [(6, 14, label, 0.5)]))
    assert page.text == text[:14] + label + text[14:]
    assert {tag for tag, _ in page.found} == {"div", "mark", "bdi"}
    assert {key for _, attrs in page.found for key in attrs} == {"dir", "style", "title"}


def test_text_without_entities_is_the_text() -> None:
    assert Parsed(entities_html("a < b", [])).text == "a < b"
    assert Parsed(entities_html("", [])).text == ""


@pytest.mark.parametrize(("start", "end"), [(3, 3), (2, 1), (-1, 2), (40, 45)])
def test_an_entity_that_is_no_part_of_the_text_is_an_error(start: int, end: int) -> None:
    with pytest.raises(ValueError, match=f"X from {start} to {end}: expected a part of the text of 44 characters"):
        entities_html(TEXT, [(start, end, "X", 1.0)])


def test_usual_types_have_different_hues() -> None:
    assert len({hue_of(label) for label in ("PER", "LOC", "ORG", "MISC", "DATE", "TIME")}) == 6
    assert hue_of("Gène") == hue_of("Gène")


def test_it_imports_nothing_heavy() -> None:
    code = "import sys, ner_distill.views.highlight; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert set(done.stdout.split()) & {"torch", "numpy", "rich", "pydantic", "typer"} == set()
