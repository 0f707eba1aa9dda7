import numpy as np
import numpy.typing as npt
import pytest

from ner_distill.errors import ConfigError
from ner_distill.teacher.foreign.schemes import TagScheme


def scheme(*names: str, **given: str) -> TagScheme:
    return TagScheme.of(names, given, "hf:x")


def bio(names: tuple[str, ...], *rows: tuple[float, ...]) -> tuple[npt.NDArray[np.float32], int]:
    return scheme(*names).bio(np.array(rows, np.float32))


def test_bio_stays_as_it_is() -> None:
    names = ("B-LOC", "I-LOC", "O")
    tags, mended = bio(names, (0.7, 0.1, 0.2), (0.1, 0.6, 0.3))
    np.testing.assert_allclose(tags, [[0.2, 0.7, 0.1], [0.3, 0.1, 0.6]])
    assert mended == 0


@pytest.mark.parametrize("names", [
    ("O", "B-X", "I-X", "E-X", "S-X"),
    ("O", "B-X", "I-X", "L-X", "U-X"),
    ("O", "B_X", "M_X", "E_X", "S_X"),
    ("O", "X-B", "X-I", "X-E", "X-S"),
])  # fmt: skip
def test_single_words_add_to_b_and_last_words_to_i(names: tuple[str, ...]) -> None:
    tags, _ = bio(names, (0.1, 0.3, 0.1, 0.1, 0.4))
    np.testing.assert_allclose(tags, [[0.1, 0.7, 0.2]])


@pytest.mark.parametrize("names", [("O", "I-X", "I-Y"), ("O", "X", "Y")])
def test_without_b_an_entity_begins_where_the_word_before_is_of_another_type(names: tuple[str, ...]) -> None:
    x, y, out = (0.1, 0.8, 0.1), (0.2, 0.1, 0.7), (0.9, 0.05, 0.05)
    tags, mended = bio(names, x, x, y, out, x)
    assert tags.argmax(1).tolist() == [1, 2, 3, 0, 1]
    np.testing.assert_allclose(tags[1], [0.1, 0, 0.8, 0.1, 0])  # a Y would begin here
    np.testing.assert_allclose(tags.sum(1), 1)
    assert mended == 0


def test_iob1_keeps_its_b_between_two_entities_of_one_type() -> None:
    """Such as the tags of CoNLL-2003 itself: no B-PER at all, B-LOC where a LOC follows another."""
    names = ("O", "B-LOC", "I-LOC", "I-PER")
    tags, _ = bio(names, (0.1, 0, 0.1, 0.8), (0.1, 0, 0.1, 0.8), (0.2, 0, 0.7, 0.1), (0.1, 0.8, 0.1, 0))
    assert [scheme(*names).types[(tag - 1) // 2] for tag in tags.argmax(1)] == ["PER", "PER", "LOC", "LOC"]
    assert (tags.argmax(1) % 2).tolist() == [1, 0, 1, 1]


def test_an_i_that_continues_nothing_is_read_as_b_and_counted() -> None:
    tags, mended = bio(("O", "B-X", "I-X", "B-Y", "I-Y"), (0.1, 0.2, 0.6, 0, 0.1), (0.1, 0, 0.2, 0.1, 0.6))
    np.testing.assert_allclose(tags, [[0.1, 0.8, 0, 0, 0.1], [0.1, 0, 0.2, 0.7, 0]], atol=1e-7)
    assert mended == 2


def test_a_model_with_b_alone_has_entities_of_one_word() -> None:
    tags, _ = bio(("O", "B-X"), (0.1, 0.9), (0.2, 0.8))
    np.testing.assert_allclose(tags, [[0.1, 0.9, 0], [0.2, 0.8, 0]])


def test_tags_without_a_type_beside_prefixes_are_o_and_named() -> None:
    made = scheme("O", "B-X", "I-X", "[CLS]", "[SEP]")
    assert made.unread == ("[CLS]", "[SEP]")
    np.testing.assert_allclose(made.bio(np.array([[0.1, 0.5, 0, 0.3, 0.1]], np.float32))[0], [[0.5, 0.5, 0]])


def test_tags_without_a_name_say_that_a_map_is_needed() -> None:
    with pytest.raises(
        ConfigError, match=r"hf:x: its tags have no names \(LABEL_0, LABEL_1, LABEL_2\).*`map` LABEL_0=O"
    ):
        scheme("LABEL_0", "LABEL_1", "LABEL_2")


def test_tags_without_a_name_are_what_the_user_says() -> None:
    made = scheme("LABEL_0", "LABEL_1", "LABEL_2", LABEL_0="", LABEL_1="B-PER", LABEL_2="I-PER")
    assert (made.types, made.into.tolist()) == (("PER",), [0, 1, 2])


def test_a_model_without_types_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no entity type among its tags"):
        scheme("O", "O")
