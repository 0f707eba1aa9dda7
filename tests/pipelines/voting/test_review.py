"""The review page as a file, and decisions merged back; how the page behaves is in tests/browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ner_distill.data.formats.readers import read_corpus
from ner_distill.data.sentence import Sentence, Span
from ner_distill.errors import ConfigError, DataError, RunError
from ner_distill.options.labels import ApplyReviewOptions, ReviewOptions
from ner_distill.pipelines.voting.apply_review import Applied, summary
from ner_distill.pipelines.voting.apply_review import apply_review as apply
from ner_distill.pipelines.voting.review import review as collect
from ner_distill.pipelines.voting.review_files import hash_of
from ner_distill.views.review import page_of
from tests.commands import ok, run

WORDS = ["Ann", "Lee", "of", "Acme", "Bank", "."]


def entity(start: int, end: int, label: str, suspicion: float = 0.5, **more: Any) -> dict[str, Any]:
    base = {"given": True, "votes": 1, "of": 4, "prob": 1 - suspicion, "decision": "keep", "instead": None}
    return {"start_word": start, "end_word": end, "label": label, "suspicion": suspicion, **base, **more}


def write_lines(path: Path, *records: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records), "utf-8")
    return path


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    return write_lines(
        tmp_path / "votes.jsonl",
        {"id": "s1", "words": WORDS, "entities": [entity(0, 2, "PER", 0.1), entity(3, 4, "ORG", 0.9)]},
        {"id": "s2", "words": ["Oslo"], "entities": [entity(0, 1, "LOC", 0.4)]},
        {"id": "s3", "words": ["no"], "entities": []},
    )


class _Elements(HTMLParser):
    """The attributes of all elements, and the text of scripts and styles by their order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: str | None = None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._open = tag if tag in ("script", "style") else self._open
        if tag in ("script", "style"):
            self.texts.append((str(dict(attrs).get("id") or tag), ""))

    def handle_endtag(self, tag: str) -> None:
        self._open = None if tag == self._open else self._open

    def handle_data(self, data: str) -> None:
        if self._open:
            name, text = self.texts[-1]
            self.texts[-1] = (name, text + data)


def review(votes: Path, out: Path, **options: Any) -> dict[str, Any]:
    content = collect(ReviewOptions(votes=votes, out=out, **options))
    out.write_text(page_of(content), "utf-8")
    return content


def apply_review(decisions: list[Path], data: list[Path], out: Path, **options: Any) -> Applied:
    return apply(ApplyReviewOptions(decisions=decisions, data=data, out=out, **options))


def made(votes: Path, **options: Any) -> tuple[dict[str, Any], _Elements]:
    out = votes.with_name("page.html")
    found = review(votes, out, **options)
    return found, _Elements(out.read_text("utf-8"))


def content_of(page: _Elements) -> dict[str, Any]:
    content = json.loads(dict(page.texts)["data"])
    assert isinstance(content, dict)
    return content


def test_page_asks_for_the_most_suspicious_entity_first(votes: Path) -> None:
    content = content_of(made(votes)[1])
    asked = [content["sentences"][s]["entities"][e]["label"] for s, e in content["queue"]]
    assert asked == ["ORG", "LOC", "PER"]


def test_limit_keeps_the_most_suspicious_and_says_how_many_are_left_out(votes: Path) -> None:
    found, page = made(votes, limit=1)
    assert (len(found["queue"]), found["left_out"], len(found["sentences"])) == (1, 2, 1)
    assert [one["id"] for one in content_of(page)["sentences"]] == ["s1"]


def test_entities_below_the_suspicion_are_not_asked_about(votes: Path) -> None:
    assert len(made(votes, min_suspicion=0.4)[0]["queue"]) == 2


def test_page_may_be_made_from_the_directory_of_the_votes(votes: Path) -> None:
    assert len(review(votes.parent, votes.with_name("page.html"))["queue"]) == 3


def test_text_that_looks_like_markup_ends_no_script(tmp_path: Path) -> None:
    words = ["</script>", "<script>alert(1)</script>", "<!--", "{{script}}", "&lt;", "\u2028"]
    votes = write_lines(tmp_path / "v.jsonl", {"id": "<b>", "words": words, "entities": [entity(0, 2, "</style>")]})
    page = made(votes)[1]
    assert [name for name, _ in page.texts] == ["style", "data", "script"]
    assert content_of(page)["sentences"][0]["words"] == words


def test_half_of_a_surrogate_pair_is_refused_with_its_line(tmp_path: Path) -> None:
    votes = tmp_path / "v.jsonl"
    record = {"id": "s", "words": ["a\\b", "\ud83d"], "entities": [entity(0, 2, "X")]}
    votes.write_text(json.dumps(record) + "\n", "utf-8")
    with pytest.raises(DataError, match=r"v\.jsonl:1: "):
        review(votes, tmp_path / "page.html")


def test_page_loads_nothing_from_elsewhere(votes: Path) -> None:
    links = [attrs.get(name) for _, attrs in made(votes)[1].found for name in ("src", "href", "action", "data")]
    assert [link for link in links if link is not None] == ["data:,"]


def test_policy_allows_exactly_the_script_and_style_of_the_page(votes: Path) -> None:
    page = made(votes)[1]
    policy = next(attrs["content"] for _, attrs in page.found if "http-equiv" in attrs)
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    texts = dict(page.texts)
    for name in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(texts[name].encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}';" in policy
    assert "unsafe" not in policy


def test_no_file_of_the_page_names_an_address() -> None:
    folder = Path(__file__).parents[3] / "ner_distill" / "views" / "review"
    assert [file.name for file in folder.rglob("*.*") if re.search(r"https?:|//\w+\.\w", file.read_text("utf-8"))] == []


def test_hash_is_that_of_the_words_joined_by_unit_separators() -> None:
    assert hash_of(["ab", "c"]) == hashlib.sha256(b"ab\x1fc").hexdigest()
    assert hash_of(["ab", "c"]) != hash_of(["a", "bc"])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"entities": [entity(0, 9, "X")]}, "ends at word 9, but there are 1 words"),
        ({"entities": [entity(1, 1, "X")]}, "start_word 1 must be below end_word 1"),
        ({"entities": [entity(0, 1, "X", votes="many")]}, r"entities\[0\]\.votes"),
        ({"words": None}, "words"),
    ],
)
def test_line_that_is_no_vote_is_named(votes: Path, change: dict[str, Any], problem: str) -> None:
    with votes.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"id": "s4", "words": ["x"], "entities": [], **change}) + "\n")
    with pytest.raises(DataError, match=rf"votes\.jsonl:4: expected votes.*{problem}"):
        review(votes, votes.with_name("page.html"))


def test_nothing_to_review_is_said(votes: Path) -> None:
    with pytest.raises(ConfigError, match=r"3 entities, none with a suspicion of 0\.95; lower `min_suspicion`"):
        review(votes, votes.with_name("page.html"), min_suspicion=0.95)


def test_page_is_not_overwritten_unasked(votes: Path) -> None:
    review(votes, votes.with_name("page.html"))
    with pytest.raises(RunError, match="exists already"):
        review(votes, votes.with_name("page.html"))


def test_votes_on_other_data_are_refused(votes: Path) -> None:
    data = write_lines(votes.with_name("data.jsonl"), {"id": "s1", "words": ["other"], "tags": ["O"]})
    with pytest.raises(DataError, match=r"votes on other data .* of 3 sentences 3 .* first is s1"):
        review(votes, votes.with_name("page.html"), data=[data])


def test_votes_on_this_data_are_accepted(votes: Path) -> None:
    records = [{**json.loads(line), "entities": []} for line in votes.read_text("utf-8").splitlines()]
    data = write_lines(votes.with_name("data.jsonl"), *records)
    assert len(review(votes, votes.with_name("page.html"), data=[data])["queue"]) == 3


# ---- decisions merged into the data


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_lines(
        tmp_path / "data.jsonl",
        {"id": "s1", "words": WORDS, "tags": ["B-PER", "I-PER", "O", "B-ORG", "O", "O"]},
        {"id": "s2", "words": ["Oslo", "it"], "tags": ["B-LOC", "O"], "keep": [False, False]},
    )


def decided(path: Path, words: list[str], *decisions: dict[str, Any], id: str = "s1") -> Path:
    return write_lines(path, {"id": id, "hash": hash_of(words), "decisions": list(decisions)})


def on(start: int, end: int, label: str, decision: str, *spans: tuple[int, int, str]) -> dict[str, Any]:
    into = [{"start_word": s, "end_word": e, "label": kind} for s, e, kind in spans]
    return {"start_word": start, "end_word": end, "label": label, "decision": decision, "spans": into}


def merged(data: Path, *decisions: dict[str, Any]) -> tuple[Applied, list[tuple[Span, ...] | None]]:
    out = data.with_name("out.jsonl")
    applied = apply_review([decided(data.with_name("d.jsonl"), WORDS, *decisions)], [data], out)
    return applied, [sentence.spans for sentence in read_corpus([out]).sentences]


PER, ORG, LOC = Span(0, 2, "PER"), Span(3, 4, "ORG"), Span(0, 1, "LOC")


def test_accepted_entity_stays(data: Path) -> None:
    applied, spans = merged(data, on(3, 4, "ORG", "accept"))
    assert spans == [(PER, ORG), (LOC,)]
    assert (applied.kept, applied.changed) == (1, 0)


def test_accepted_entity_that_only_models_found_is_added(data: Path) -> None:
    applied, spans = merged(data, on(4, 5, "ORG", "accept"))
    assert spans[0] == (PER, ORG, Span(4, 5, "ORG"))
    assert (applied.added, applied.changed) == (1, 1)


def test_rejected_entity_is_removed(data: Path) -> None:
    applied, spans = merged(data, on(0, 2, "PER", "reject"))
    assert spans[0] == (ORG,)
    assert (applied.removed, applied.absent) == (1, 0)


def test_rejected_entity_that_the_data_does_not_have_changes_nothing(data: Path) -> None:
    applied, spans = merged(data, on(0, 1, "PER", "reject"))
    assert spans[0] == (PER, ORG)
    assert (applied.removed, applied.absent, applied.changed) == (0, 1, 0)


def test_corrected_entity_is_replaced_by_all_its_spans(data: Path) -> None:
    applied, spans = merged(data, on(0, 2, "PER", "correct", (0, 1, "PER"), (1, 2, "LOC")))
    assert spans[0] == (Span(0, 1, "PER"), Span(1, 2, "LOC"), ORG)
    assert applied.corrected == 1


def test_order_of_decisions_says_nothing(data: Path) -> None:
    both = [on(3, 4, "ORG", "correct", (3, 5, "ORG")), on(3, 5, "ORG", "accept")]
    expected = (PER, Span(3, 5, "ORG"))
    assert merged(data, *both)[1][0] == expected
    data.with_name("out.jsonl").unlink()
    assert merged(data, *reversed(both))[1][0] == expected


def test_merging_twice_is_merging_once(data: Path) -> None:
    decisions = [on(3, 4, "ORG", "correct", (3, 5, "ORG")), on(0, 2, "PER", "reject")]
    merged(data, *decisions)
    out = data.with_name("out.jsonl")
    again = apply_review([data.with_name("d.jsonl")], [out], data.with_name("again.jsonl"))
    assert data.with_name("again.jsonl").read_bytes() == out.read_bytes()
    assert again.changed == 0


def test_words_that_were_masked_count_again_where_a_person_decided(data: Path) -> None:
    decisions = decided(data.with_name("d.jsonl"), ["Oslo", "it"], on(0, 1, "LOC", "accept"), id="s2")
    apply_review([decisions], [data], data.with_name("out.jsonl"))
    assert read_corpus([data.with_name("out.jsonl")]).sentences[1].keep == (True, False)


def doubted(start: int, end: int, label: str, decision: str = "weight") -> dict[str, Any]:
    return {"start_word": start, "end_word": end, "label": label, "decision": decision}


def reviewed(
    data: Path, doubts: list[dict[str, Any]], *files: list[dict[str, Any]], before: float = 1.0, **carriers: Any
) -> Sentence:
    """The first sentence after decisions, a list a file, where voting left doubts and carriers; its weight before."""
    first, *others = (json.loads(line) for line in data.read_text("utf-8").splitlines())
    write_lines(data, {**first, **carriers}, *others)
    paths = []
    for number, decisions in enumerate(files):
        record = {"id": "s1", "hash": hash_of(WORDS), "decisions": decisions, "doubts": doubts, "weight": before}
        paths.append(write_lines(data.with_name(f"d{number}.jsonl"), record))
    out = data.with_name("out.jsonl")
    apply_review(paths, [data], out)
    return read_corpus([out]).sentences[0]


TWO = [doubted(0, 2, "PER"), doubted(3, 5, "ORG")]


@pytest.mark.parametrize(
    "files",
    [
        pytest.param([[on(0, 2, "PER", "accept"), on(3, 5, "ORG", "reject")]], id="one file"),
        pytest.param([[on(0, 2, "PER", "accept")], [on(3, 5, "ORG", "accept")]], id="two reviewers"),
        pytest.param([[on(0, 2, "PER", "accept"), on(3, 4, "ORG", "correct", (3, 5, "ORG"))]], id="corrected into"),
    ],
)
def test_a_sentence_weighs_1_again_where_all_its_doubts_are_decided(data: Path, files: list[Any]) -> None:
    assert reviewed(data, TWO, *files, weight=0.49).weight == 1


@pytest.mark.parametrize(("before", "lowered"), [(0.5, 0.35), (2.0, 1.4), (0.5, 0.5)])
def test_it_weighs_what_it_did_before_the_votes(data: Path, before: float, lowered: float) -> None:
    decisions = [on(0, 2, "PER", "accept"), on(3, 5, "ORG", "reject")]
    assert reviewed(data, TWO, decisions, before=before, weight=lowered).weight == before


@pytest.mark.parametrize(
    "decisions", [[on(0, 2, "PER", "accept")], [on(0, 2, "PER", "accept"), on(3, 4, "ORG", "accept")]]
)
def test_a_sentence_with_an_open_doubt_keeps_its_weight(data: Path, decisions: list[Any]) -> None:
    assert reviewed(data, TWO, decisions, weight=0.49).weight == 0.49


@pytest.mark.parametrize(
    ("doubts", "weight"),
    [
        pytest.param([], 0.5, id="not voted on"),
        pytest.param([doubted(0, 2, "PER", "mask")], 0.5, id="masked"),
        pytest.param([doubted(0, 2, "PER")], 2.0, id="above 1"),
    ],
)
def test_a_weight_that_voting_did_not_lower_stays(data: Path, doubts: list[Any], weight: float) -> None:
    assert reviewed(data, doubts, [on(0, 2, "PER", "accept")], weight=weight).weight == weight


def test_words_under_an_open_doubt_stay_masked_where_another_entity_was_rejected(data: Path) -> None:
    doubts = [doubted(3, 4, "ORG", "mask"), doubted(3, 5, "ORG", "mask")]
    keep = [True, True, True, False, False, True]
    after = reviewed(data, doubts, [on(3, 4, "ORG", "reject")], keep=keep)
    assert after.keep == tuple(keep)
    data.with_name("out.jsonl").unlink()
    assert reviewed(data, doubts, [on(3, 4, "ORG", "accept")], keep=keep).keep == (True, True, True, True, False, True)


def test_weights_that_are_whole_again_are_counted(data: Path) -> None:
    reviewed(data, TWO, [on(0, 2, "PER", "accept"), on(3, 5, "ORG", "reject")], weight=0.7)
    again = data.with_name("again.jsonl")
    applied = apply_review([data.with_name("d0.jsonl")], [data], again)
    assert (applied.changed, applied.reweighed) == (0, 1)
    assert summary(applied).endswith("0 of 2 sentences changed; 1 sentence with full weight again")
    assert apply_review([data.with_name("d0.jsonl")], [again], data.with_name("third.jsonl")).reweighed == 0


def test_entities_that_overlap_now_are_named(data: Path) -> None:
    assert merged(data, on(1, 4, "ORG", "accept"))[0].overlaps == ("s1",)


def test_decision_on_a_sentence_that_changed_is_refused_and_nothing_is_written(data: Path) -> None:
    one = decided(data.with_name("d1.jsonl"), ["Ann", "Leigh"], on(0, 1, "PER", "accept"), on(0, 2, "PER", "reject"))
    two = decided(data.with_name("d2.jsonl"), ["Oslo", "it"], on(0, 1, "LOC", "accept"), id="s2")
    with pytest.raises(DataError, match=r"2 decisions on 1 sentence .*s1: other words.* `skip_changed`"):
        apply_review([one, two], [data], data.with_name("out.jsonl"))
    assert not data.with_name("out.jsonl").exists()


def test_decisions_on_changed_sentences_are_left_out_where_that_is_wanted(data: Path) -> None:
    one = decided(data.with_name("d1.jsonl"), ["Ann", "Leigh"], on(0, 2, "PER", "reject"))
    two = decided(data.with_name("d2.jsonl"), ["Oslo", "it"], on(0, 1, "LOC", "reject"), id="s2")
    applied = apply_review([one, two], [data], data.with_name("out.jsonl"), skip_changed=True)
    assert (applied.skipped, applied.removed, applied.changed) == (1, 1, 1)


def test_review_of_other_data_is_refused_even_where_changes_may_be_skipped(data: Path) -> None:
    decisions = decided(data.with_name("d.jsonl"), WORDS, on(0, 2, "PER", "reject"), id="elsewhere")
    with pytest.raises(DataError, match=r"a review of other data: all 1 decision .*elsewhere: not there"):
        apply_review([decisions], [data], data.with_name("out.jsonl"), skip_changed=True)


def test_reviewers_that_disagree_are_both_named(data: Path) -> None:
    one = decided(data.with_name("d1.jsonl"), WORDS, on(0, 2, "PER", "reject"))
    two = decided(data.with_name("d2.jsonl"), WORDS, on(0, 2, "PER", "accept"))
    with pytest.raises(DataError, match=r"d2\.jsonl:1: sentence s1, PER 0-2: accept, but .*d1\.jsonl:1 says reject"):
        apply_review([one, two], [data], data.with_name("out.jsonl"))


def test_correction_that_reaches_beyond_its_sentence_is_refused(data: Path) -> None:
    with pytest.raises(DataError, match="PER 0-2 reaches word 9, expected at most 6"):
        merged(data, on(0, 2, "PER", "correct", (0, 9, "PER")))


def test_correction_into_nothing_is_refused(data: Path) -> None:
    with pytest.raises(DataError, match=r"d\.jsonl:1: expected decisions.*`correct` needs `spans`"):
        merged(data, on(0, 2, "PER", "correct"))


def test_commands_say_what_they_did(votes: Path, data: Path) -> None:
    page, out = votes.with_name("page.html"), votes.with_name("out.jsonl")
    assert "3 entities in 2 sentences" in ok("review", votes, "--out", page).out
    decisions = decided(votes.with_name("d.jsonl"), WORDS, on(0, 2, "PER", "reject"), on(3, 4, "ORG", "accept"))
    said = ok("apply-review", decisions, "--data", data, "--out", out).out
    assert "1 accepted as they are, 0 added, 1 removed, 0 corrected; 1 of 2 sentences changed" in said
    assert run("apply-review", decisions, "--data", data, "--out", out).code == 2


def test_a_place_without_votes_is_named_for_what_it_is(tmp_path: Path) -> None:
    options = {"out": tmp_path / "page.html"}
    with pytest.raises(RunError, match=r"nowhere: no such file or directory; expected votes\.jsonl of vote-labels"):
        collect(ReviewOptions(votes=tmp_path / "nowhere", **options))
    with pytest.raises(RunError, match=r"has no votes\.jsonl; expected the directory that vote-labels wrote"):
        collect(ReviewOptions(votes=tmp_path, **options))
    (tmp_path / "voting.json").write_text("{}")
    with pytest.raises(RunError, match="this voting is not finished; go on with the same vote-labels command"):
        collect(ReviewOptions(votes=tmp_path, **options))
