import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ner_distill.data.sentence import Sentence
from ner_distill.data.store.decoding import decode_probs
from ner_distill.errors import ConfigError
from ner_distill.teacher.foreign.spacy_pipeline import SpacyTeacher, _Actions, _spaces
from tests import corpora
from tests.foreign import spacy_pipeline

spacy = pytest.importorskip("spacy")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spacy") / "model"


@pytest.fixture(scope="module")
def nlp(directory: Path) -> Any:
    return spacy_pipeline(directory)


@pytest.fixture(scope="module")
def teacher(nlp: Any, directory: Path) -> SpacyTeacher:
    return SpacyTeacher.load(str(directory))


def doc_of(nlp: Any, sentence: Sentence) -> Any:
    return spacy.tokens.Doc(nlp.vocab, words=list(sentence.words))


def test_the_most_probable_tags_are_the_entities_that_the_pipeline_finds(nlp: Any, teacher: SpacyTeacher) -> None:
    sentences = corpora.sentences(200, seed=4)
    found = 0
    docs = nlp.pipe(doc_of(nlp, sentence) for sentence in sentences)
    for doc, said in zip(docs, teacher.answers(sentences), strict=True):
        own = {(one.start, one.end, one.label_) for one in doc.ents}
        assert {(span.start, span.end, span.label) for span, _ in decode_probs(said.probs, teacher.tagset)} == own
        np.testing.assert_allclose(said.probs.sum(1), 1, atol=1e-5)
        found += len(own)
    assert found > 100


def test_a_first_word_has_the_probability_of_its_actions(nlp: Any, teacher: SpacyTeacher) -> None:
    """The first word of a sentence, where every action but I and L is possible, counted by hand."""
    sentence = Sentence("s", ("Madrid", "is", "far"))
    doc = doc_of(nlp, sentence)
    for _, part in nlp.pipeline[:-1]:
        doc = part(doc)
    ner = nlp.get_pipe("ner")
    scores = ner.model.predict([doc]).predict(ner.moves.init_batch([doc]))[0]
    names = [ner.moves.get_class_name(number) for number in range(ner.moves.n_moves)]
    chances = {name: np.exp(score) for name, score in zip(names, scores, strict=True) if name[0] in "BUO"}
    expected = [chances["O"], *(n for t in teacher.types for n in (chances[f"B-{t}"] + chances[f"U-{t}"], 0))]
    np.testing.assert_allclose(teacher.answers([sentence])[0].probs[0], np.array(expected) / sum(expected), atol=1e-5)


def test_the_possible_actions_are_those_that_spacy_allows(nlp: Any, teacher: SpacyTeacher) -> None:
    moves = nlp.get_pipe("ner").moves
    (state,) = moves.init_batch([doc_of(nlp, Sentence("s", ("Bank", "of", "Oslo", "here")))])
    names = [moves.get_class_name(number) for number in range(moves.n_moves)]
    inside = teacher.types.index("ORG")
    for taken, kind, at_end in (
        ("", -1, False),
        ("B-ORG", inside, False),
        ("I-ORG", inside, False),
        ("L-ORG", -1, True),
    ):
        if taken:
            moves.apply_transition(state, taken)
        allowed = teacher._actions._allowed(kind, at_end=at_end)
        assert [name for name, own in zip(names, allowed, strict=True) if own] == [
            name for name in names if moves.is_valid(state, name)
        ]
    (state,) = moves.init_batch([doc_of(nlp, Sentence("s", ("Bank", "Oslo")))])
    moves.apply_transition(state, "B-ORG")
    assert (
        [name for name, own in zip(names, teacher._actions._allowed(inside, at_end=True), strict=True) if own]
        == ["L-ORG"]
        == [name for name in names if moves.is_valid(state, name)]
    )


def test_inside_an_entity_the_doubt_of_its_first_word_stays() -> None:
    actions = _Actions(["B-X", "B-Y", "I-X", "L-X", "I-Y", "L-Y", "U-X", "U-Y", "O"], ("X", "Y"))
    rows = np.zeros((3, 9))
    rows[0] = np.log([0.6, 0.2, 1, 1, 1, 1, 0.1, 0.05, 0.05])  # I and L are not possible, however they score
    rows[1] = [0, 0, 1, 5, 9, 9, 9, 9, 9]  # L-X is the best of what is possible
    rows[2] = np.log([0.5, 0.5, 1, 1, 1, 1, 0.1, 0.1, 0.8])  # nothing can begin at the last word but one word
    tags = actions.tags(rows.astype(np.float32))
    np.testing.assert_allclose(tags[0], [0.05, 0.7, 0, 0.25, 0], atol=1e-6)
    np.testing.assert_allclose(tags[1], [0.05, 0, 0.7, 0, 0.25], atol=1e-6)
    np.testing.assert_allclose(tags[2], [0.8, 0.1, 0, 0.1, 0], atol=1e-6)


def test_two_actions_of_one_tag_do_not_outvote_the_best_action() -> None:
    actions = _Actions(["B-X", "I-X", "L-X", "U-X", "O"], ("X",))
    rows = np.array([np.log([0.3, 1, 1, 0.3, 0.4]), np.log([0.1, 1, 1, 0.1, 0.9])], np.float32)
    np.testing.assert_allclose(actions.tags(rows)[0], [0.6, 0.4, 0], atol=1e-6)  # spaCy says O


def test_spaces_are_those_of_the_text() -> None:
    sentence = Sentence("s", ("Oslo", ",", "Rome"), text="Oslo, Rome", offsets=((0, 4), (4, 5), (6, 10)))
    assert _spaces(sentence) == [False, True, False]
    assert _spaces(Sentence("s", ("Oslo", ","))) is None


def test_the_fingerprint_is_of_what_is_read(teacher: SpacyTeacher, directory: Path, tmp_path: Path) -> None:
    shutil.copytree(directory, tmp_path / "pack" / "model-1.0")
    assert SpacyTeacher.load(str(tmp_path / "pack")).fingerprint() == teacher.fingerprint()
    other = spacy_pipeline(tmp_path / "other", seed=1, steps=1)
    assert SpacyTeacher.load(str(tmp_path / "other")).fingerprint() != teacher.fingerprint()
    assert other.pipe_names == ["tok2vec", "ner"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('factory = "ner"', 'factory = "ner_distill"'), "its ner is made of ner_distill"),
        (('"spacy.TransitionBasedParser.v2"', '"my_package.Parser.v1"'), "its ner is made of my_package.Parser: only"),
        (('lang = "en"', 'lang = "en.evil"'), "expected a language such as en, found 'en.evil'"),
        (('["tok2vec", "ner"]', '["tok2vec"]'), "no component `ner` in it, found tok2vec"),
        (('[nlp]', '[nlp'), "config.cfg: cannot be read"),
    ],
)  # fmt: skip
def test_what_is_not_spacys_own_is_refused(nlp: Any, tmp_path: Path, change: tuple[str, str], message: str) -> None:
    nlp.to_disk(tmp_path)
    config = tmp_path / "config.cfg"
    assert change[0] in config.read_text()
    config.write_text(config.read_text().replace(*change))
    with pytest.raises(ConfigError, match=message):
        SpacyTeacher.load(str(tmp_path))


def test_callbacks_of_the_configuration_are_not_called(nlp: Any, tmp_path: Path) -> None:
    called: list[str] = []

    @spacy.registry.callbacks("tests.called")
    def make() -> Any:
        return called.append

    nlp.to_disk(tmp_path)
    config = tmp_path / "config.cfg"
    text = config.read_text().replace("before_creation = null", 'before_creation = {"@callbacks":"tests.called"}')
    config.write_text(text)
    SpacyTeacher.load(str(tmp_path))
    assert called == []


@pytest.mark.parametrize("name", ["no-such-package-of-anybody", "./nowhere"])
def test_what_is_nowhere_is_said(name: str) -> None:
    with pytest.raises(ConfigError, match="no such directory|neither a directory nor an installed package"):
        SpacyTeacher.load(name)


def test_an_installed_package_is_found_without_importing_it(
    teacher: SpacyTeacher, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(directory, tmp_path / "xx_tests_md" / "xx_tests_md-1.0")
    (tmp_path / "xx_tests_md" / "__init__.py").write_text("raise RuntimeError('imported')")
    info = tmp_path / "xx_tests_md-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: xx-tests-md\nVersion: 1.0\n")
    files = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert SpacyTeacher.load("xx-tests-md").fingerprint() == teacher.fingerprint()
