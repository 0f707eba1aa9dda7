"""Soft-lexicon and softword features against sets written by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from ner_distill.data.features.soft_lexicon import SoftLexicon, Softword, count_matches
from ner_distill.data.features.vocab import Vocab
from ner_distill.data.lexicon.lexicon import Match, longest_from_left
from ner_distill.errors import RunError

BRIDGE = list("南京市长江大桥")
WORDS = ["南京", "南京市", "市长", "长江", "长江大桥", "大桥", "江"]
SETS_OF_BRIDGE = {
    # character: (B, M, E, S), by hand
    0: ({"南京", "南京市"}, set(), set(), set()),
    1: (set(), {"南京市"}, {"南京"}, set()),
    2: ({"市长"}, set(), {"南京市"}, set()),
    3: ({"长江", "长江大桥"}, set(), {"市长"}, set()),
    4: (set(), {"长江大桥"}, {"长江"}, {"江"}),
    5: ({"大桥"}, {"长江大桥"}, set(), set()),
    6: (set(), set(), {"长江大桥", "大桥"}, set()),
}


class FromList:
    """Finds the given forms by trying every span."""

    def __init__(self, forms: Sequence[str], separator: str = "") -> None:
        self.forms = set(forms)
        self.separator = separator

    def matches(self, words: Sequence[str]) -> list[Match]:
        spans = [(start, end) for start in range(len(words)) for end in range(start + 1, len(words) + 1)]
        found = [Match(start, end, self.separator.join(words[start:end])) for start, end in spans]
        return [match for match in found if match.form in self.forms]


def source(words: Sequence[str] = WORDS, **frequencies: int) -> SoftLexicon:
    return SoftLexicon(FromList(words), Vocab(words, [1] * len(words)), frequencies)


def sets_of(source: SoftLexicon, words: Sequence[str]) -> dict[int, tuple[dict[str, float], ...]]:
    """For each word its four sets as {form: weight}; NONE is "" and an unknown word "?"."""
    features = source.features(words)
    forms = ["", "?", *source.vocab.forms]
    sets: dict[int, tuple[dict[str, float], ...]] = {word: ({}, {}, {}, {}) for word in range(len(words))}
    for index, weight, slot in zip(features.ids, features.weights, features.slots, strict=True):
        sets[slot // 4][slot % 4][forms[index]] = weight
    return sets


def test_the_four_sets_of_each_character_are_those_found_by_hand():
    found = sets_of(source(), BRIDGE)
    assert found.keys() == SETS_OF_BRIDGE.keys()
    for word, sets in SETS_OF_BRIDGE.items():
        assert tuple(set(one) for one in found[word]) == tuple(one or {""} for one in sets)


def test_weights_are_four_times_the_share_of_the_frequency_in_all_four_sets():
    # 江: M {长江大桥: 6}, E {长江: 3}, S {江: 2}, and the NONE word of B counts as 1: Z = 12.
    begin, middle, end, single = sets_of(source(长江大桥=6, 长江=3, 江=2), BRIDGE)[4]
    assert begin == {"": pytest.approx(4 / 12)}
    assert middle == {"长江大桥": pytest.approx(24 / 12)}
    assert end == {"长江": pytest.approx(12 / 12)}
    assert single == {"江": pytest.approx(8 / 12)}


def test_weights_of_each_word_add_up_to_four():
    features = source(南京=1000, 大桥=3).features([*BRIDGE, "好"])
    np.testing.assert_allclose(np.bincount(features.slots // 4, weights=features.weights), [4.0] * 8, rtol=1e-6)


def test_a_word_never_counted_weighs_as_one_counted_once():
    assert sets_of(source(市长=0), BRIDGE) == sets_of(source(市长=1), BRIDGE) == sets_of(source(), BRIDGE)


def test_a_word_in_no_match_has_four_none_words_of_weight_one():
    assert sets_of(source(), ["好"])[0] == ({"": 1.0}, {"": 1.0}, {"": 1.0}, {"": 1.0})


def test_a_match_outside_the_vocabulary_is_the_unknown_word_with_its_own_frequency():
    lexicon = SoftLexicon(FromList(["好人"]), Vocab([], []), {"好人": 7})
    assert sets_of(lexicon, list("好人"))[0] == (
        {"?": pytest.approx(2.8)}, {"": pytest.approx(0.4)}, {"": pytest.approx(0.4)}, {"": pytest.approx(0.4)},
    )  # fmt: skip


def test_words_of_latin_text_are_counted_as_words_not_as_letters():
    lexicon = SoftLexicon(FromList(["New York", "New"], " "), Vocab(["New York", "New"], [1, 1]), {})
    sets = sets_of(lexicon, ["in", "New", "York"])
    assert [set(one) for one in sets[1]] == [{"New York"}, {""}, {""}, {"New"}]
    assert [set(one) for one in sets[2]] == [{""}, {""}, {"New York"}, {""}]


def test_one_character_in_sixty_words_keeps_them_all():
    text = "长" * 12
    words = [text[:length] for length in range(1, 13)]
    begin, middle, end, single = sets_of(source(words), list(text))[5]
    assert len(begin) == 6  # lengths 2 to 7: the last begins at 5 and ends at 12
    assert len(end) == 5
    assert len(middle) == 10
    assert single.keys() == {"长"}


def test_an_empty_sentence_has_no_entries():
    features = source().features([])
    assert len(features.ids) == len(features.weights) == len(features.slots) == 0


def test_collated_slots_point_at_the_same_words_and_sets_in_the_padded_batch():
    lexicon = source(长江=5)
    short, long = lexicon.features(list("长江")), lexicon.features(BRIDGE)
    inputs = lexicon.collate([short, lexicon.features([]), long], 9)
    slots = [divmod(slot, 9 * 4) for slot in inputs["soft_lexicon_slots"].tolist()]
    ids = inputs["soft_lexicon_ids"].tolist()
    found = {(row, slot, index) for (row, slot), index in zip(slots, ids, strict=True)}
    first = {(0, slot, index) for slot, index in zip(short.slots.tolist(), short.ids.tolist(), strict=True)}
    third = {(2, slot, index) for slot, index in zip(long.slots.tolist(), long.ids.tolist(), strict=True)}
    assert found == first | third
    assert inputs["soft_lexicon_weights"].tolist() == [*short.weights.tolist(), *long.weights.tolist()]


def test_a_batch_of_nothing_collates_to_tensors_of_the_usual_types():
    lexicon = source()
    for batch in ([], [lexicon.features([])]):
        inputs = lexicon.collate(batch, 0)
        assert {key: (tuple(value.shape), value.dtype) for key, value in inputs.items()} == {
            "soft_lexicon_ids": ((0,), torch.int64),
            "soft_lexicon_weights": ((0,), torch.float32),
            "soft_lexicon_slots": ((0,), torch.int64),
        }


def test_a_word_inside_a_longer_match_is_not_counted_there():
    matcher = FromList(["南京", "南京市", "市长", "长江", "长江大桥", "大桥"])
    # 市长 overlaps both long words but lies in neither.
    _, alone = count_matches(matcher, [BRIDGE])
    assert alone == {"南京市": 1, "市长": 1, "长江大桥": 1}


def test_a_word_inside_a_longer_match_is_a_match_all_the_same():
    matched, _ = count_matches(FromList(["长江", "长江大桥"]), [BRIDGE, list("长江")])
    assert matched == {"长江": 2, "长江大桥": 1}


def test_a_word_is_counted_where_it_stands_alone_and_not_where_it_is_covered():
    _, alone = count_matches(FromList(["长江", "长江大桥"]), [list("长江边长江大桥"), list("长江")])
    assert alone == {"长江": 2, "长江大桥": 1}


def test_the_vocabulary_is_of_the_sentences_and_the_frequencies_also_of_the_raw_text():
    lexicon = SoftLexicon.counted(FromList(WORDS), [list("南京市"), list("江")], [list("江大桥"), list("江")])
    assert set(lexicon.vocab.forms) == {"南京市", "江", "南京"}  # 南京 has no frequency, but matched
    assert lexicon.frequencies == Counter({"江": 3, "南京市": 1, "大桥": 1})


def test_words_that_match_less_often_share_the_unknown_vector_and_keep_their_frequencies():
    lexicon = SoftLexicon.counted(FromList(WORDS), [BRIDGE, list("长江南京")], min_count=2)
    assert set(lexicon.vocab.forms) == {"南京", "长江", "江"}
    assert lexicon.frequencies == {"南京市": 1, "市长": 1, "长江大桥": 1, "长江": 1, "南京": 1}


def test_matches_and_not_frequencies_decide_who_has_a_vector():
    lexicon = SoftLexicon.counted(FromList(WORDS), [BRIDGE], [list("市长")] * 5, min_count=2, given=lambda _: 99)
    assert lexicon.vocab.forms == []


def given(form: str) -> int:
    """Frequencies as a lexicon's file may have them."""
    return {"长江": 10, "大桥": 2, "江": 4}.get(form, 0)


def test_the_weight_is_the_frequency_of_the_file_and_that_of_the_text_together():
    # 江: M {长江大桥: 1}, E {长江: 10 + 2}, S {江: 4 + 1}, and the NONE word of B: Z = 19. 长江 alone stands twice.
    lexicon = SoftLexicon.counted(FromList(WORDS), [BRIDGE, list("长江"), list("江")], [list("长江")], given=given)
    begin, middle, end, single = sets_of(lexicon, BRIDGE)[4]
    assert begin == {"": pytest.approx(4 / 19)}
    assert middle == {"长江大桥": pytest.approx(4 / 19)}
    assert end == {"长江": pytest.approx(48 / 19)}
    assert single == {"江": pytest.approx(20 / 19)}


def test_a_word_first_met_after_training_has_the_frequency_of_the_file():
    lexicon = SoftLexicon.counted(FromList(WORDS), [list("南京")], given=given)
    # B {大桥: 2} and three NONE words: Z = 5.
    assert sets_of(lexicon, list("大桥"))[0][0] == {"?": pytest.approx(8 / 5)}


def test_a_loaded_soft_lexicon_gives_the_same_features(tmp_path):
    lexicon = SoftLexicon.counted(FromList(WORDS), [BRIDGE, list("江")])
    lexicon.save(tmp_path)
    assert sets_of(SoftLexicon.load(tmp_path, lexicon.matcher), BRIDGE) == sets_of(lexicon, BRIDGE)


def test_a_loaded_soft_lexicon_weighs_by_the_frequencies_that_it_is_given(tmp_path):
    lexicon = SoftLexicon.counted(FromList(WORDS), [BRIDGE, list("江")], given=given)
    lexicon.save(tmp_path)
    again = SoftLexicon.load(tmp_path, lexicon.matcher, given)
    np.testing.assert_array_equal(again.features(BRIDGE).weights, lexicon.features(BRIDGE).weights)


def test_loading_a_file_without_frequencies_names_it(tmp_path):
    (tmp_path / "soft_lexicon.json").write_text('{"words": {"forms": [], "counts": []}}')
    with pytest.raises(RunError, match=r"soft_lexicon\.json: expected the vocabulary 'frequencies', found words"):
        SoftLexicon.load(tmp_path, FromList([]))


def test_longest_match_from_the_left_leaves_out_what_overlaps():
    chosen = longest_from_left(FromList(WORDS).matches(BRIDGE))
    assert [match.form for match in chosen] == ["南京市", "长江大桥"]


def marks_of(kind: str, words: Sequence[str]) -> list[str]:
    """For each word its marks as a string."""
    marks = Softword(kind, FromList(WORDS)).features(words)  # type: ignore[arg-type]
    return ["".join(np.array(list("BMESO"))[row]) for row in marks]


def test_softword_has_one_mark_a_word_from_the_longest_matches():
    assert marks_of("softword", ["过", *BRIDGE, "江"]) == ["O", "B", "M", "E", "B", "M", "M", "E", "S"]


class Segmenter(FromList):
    """Cuts after every second word, and calls nothing a match."""

    def matches(self, words: Sequence[str]) -> list[Match]:
        return []

    def segmentation(self, words: Sequence[str]) -> list[Match]:
        starts = range(0, len(words), 2)
        return [Match(start, min(start + 2, len(words)), "".join(words[start : start + 2])) for start in starts]


def test_softword_marks_the_segmentation_of_a_matcher_that_has_one():
    marks = Softword("softword", Segmenter([])).features(list("南京市"))
    assert ["".join(np.array(list("BMESO"))[row]) for row in marks] == ["B", "E", "S"]


def test_ex_softword_marks_the_matches_also_of_a_segmenter():
    assert Softword("ex-softword", Segmenter([])).features(list("南京"))[:, 4].all()


def test_ex_softword_has_the_marks_of_all_matches():
    assert marks_of("ex-softword", ["过", *BRIDGE]) == ["O", "B", "ME", "BE", "BE", "MES", "BM", "E"]


@pytest.mark.parametrize("kind", ["softword", "ex-softword"])
def test_padding_has_no_softword_mark(kind):
    softword = Softword(kind, FromList(WORDS))
    marks = softword.collate([softword.features(list("江")), softword.features([])], 2)["softword_marks"]
    assert marks.tolist() == [[[0, 0, 0, 1, 0], [0] * 5], [[0] * 5, [0] * 5]]
    assert marks.dtype == torch.float32
