"""Text → sentences, with their places."""

from __future__ import annotations

import pytest

from ner_distill.data.formats.splitting import LONGEST, Splitter
from ner_distill.errors import ConfigError

SENTENCES = {
    "en": ["Mr. Smith met Dr. Brown at 5 p.m. in London.", "J. R. Jones, of Acme Inc., said no.", "“Stop!” he said."],
    "es": [
        "El Sr. García y la Sra. López viven en la Av. de América núm. 5.",
        "¿Qué pasa?",
        "EE. UU. ganó 3,5 puntos.",
    ],
    "de": ["Prof. Dr. Müller kam am 3. Oktober 1990 z. B. nach Berlin.", "„Stimmt das?“", "Siehe Nr. 7."],
    "fr": ["M. Dupont et Mme Durand sont là.", "Le Dr. Martin est à Paris, cf. p. 12.", "Est-ce vrai ?", "Oui."],
    "nl": ["Dhr. Jansen en mevr. de Vries kwamen.", "Volgens mr. H. K. J. Beernink is dat zo.", "Is dat waar?"],
    "pt": ["O Sr. Silva e a Dra. Costa moram na Av. Paulista.", "É verdade?", "D. Pedro chegou."],
    "ru": ["Он родился в 1990 г. в Москве.", "А. С. Пушкин написал роман.", "На ул. Ленина жил проф. Иванов."],
    "zh": ["他说：“我不去！”", "2005年，他走了。", "《通知》明确了条件。", "“十五五”规划。", "价格是3.5元。"],
    "ja": ["これはペンです。", "本当ですか？", "「はい！」", "価格は3.5円です。"],
}


def cut(text: str, **said: str) -> list[str]:
    return [text[start:end] for start, end in Splitter().places(text, **said)]


@pytest.mark.parametrize("lang", SENTENCES)
@pytest.mark.parametrize("said", [True, False], ids=["language said", "unsaid"])
def test_sentences_end_where_a_reader_ends_them(lang: str, said: bool) -> None:
    between = "" if lang in ("zh", "ja") else " "
    assert cut(between.join(SENTENCES[lang]), **({"lang": lang} if said else {})) == SENTENCES[lang]


@pytest.mark.parametrize(
    "wide", ["😀👩‍👧 ", "𠮷野。", "\ud800 ", "𝐀𝐁 "], ids=["emoji", "rare Han", "surrogate", "letters"]
)
def test_places_count_characters_not_units_of_utf16(wide: str) -> None:
    found = cut(f"{wide}Ann left. {wide}Tom stayed.")
    assert [one[-5:] for one in found if len(one) > 5] == ["left.", "ayed."]


def test_the_end_of_a_line_is_white_space_and_that_of_a_paragraph_ends_a_sentence() -> None:
    assert cut("  Ann met\nTom. They\r\nleft\n \n\nHeading\u2029Text\fMore \n") == [
        *("Ann met\nTom.", "They\r\nleft", "Heading", "Text", "More"),
    ]


@pytest.mark.parametrize("text", ["", " \n\n\t\u2029 "])
def test_white_space_has_no_sentence(text: str) -> None:
    assert cut(text) == []


def test_what_is_too_long_is_cut_at_white_space_where_it_has_any() -> None:
    words = " ".join(["word"] * 3000)
    parts = cut(words)
    assert " ".join(parts) == words
    assert max(map(len, parts)) <= LONGEST < 1.1 * len(parts[0])
    assert cut("x" * (2 * LONGEST)) == ["x" * (2 * LONGEST)]
    assert cut("x" * LONGEST + " y") == ["x" * LONGEST, "y"]


def test_a_language_that_is_no_code_is_an_error_for_the_user_and_nothing_in_a_record() -> None:
    with pytest.raises(ConfigError, match=r"`lang` in Spanish: expected the code of a language, such as es"):
        Splitter("in Spanish")
    assert cut("Ann left. Tom stayed.", lang="in English") == ["Ann left.", "Tom stayed."]


@pytest.mark.parametrize("unit", ["a. ", ". ", "1. 2. ", "(", "\n", '" ', "Mr. ", "汉。”", "A. B: "])
def test_hostile_text_is_covered_by_its_sentences(unit: str) -> None:
    text = unit * (6000 // len(unit))
    assert "".join("".join(cut(text)).split()) == "".join(text.split())
