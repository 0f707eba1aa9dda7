"""Small models of other people, built on the spot: token classifiers of transformers, and spaCy pipelines."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, BertConfig, BertForTokenClassification

from benchmarks.checkpoints import TEXTS, bert, save, sizes
from ner_distill.data.sentence import Sentence
from tests import corpora

BIO = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")


def classifier(directory: Path, tags: Sequence[str] = BIO, *, positions: int = 512, seed: int = 3) -> Path:
    """A BERT that tags pieces at random, sure enough of it that no two tags are equally probable."""
    bert(directory, positions=positions)
    config = BertConfig(
        vocab_size=len(AutoTokenizer.from_pretrained(directory)),
        max_position_embeddings=positions,
        id2label=dict(enumerate(tags)),
        label2id={tag: number for number, tag in enumerate(tags)},
        initializer_range=0.4,
        **sizes(layers=2, hidden=32, heads=2),
    )
    return save(BertForTokenClassification, config, directory, seed)


def generated(count: int, *, longest: int = 24, seed: int = 0) -> list[Sentence]:
    """Sentences of words that the tokenizer of `classifier` knows in part."""
    rng = random.Random(seed)
    words = [word for text in TEXTS[:5] for word in text.split()]
    return [Sentence(f"s{number}", tuple(rng.choices(words, k=rng.randint(1, longest)))) for number in range(count)]


def spacy_pipeline(directory: Path, *, seed: int = 0, steps: int = 25) -> Any:
    """A spaCy pipeline with a recogniser of PERSON, GPE and ORG, trained for a moment; written to the directory."""
    import spacy
    from spacy.tokens import Doc
    from spacy.training import Example
    from spacy.util import fix_random_seed

    fix_random_seed(seed)
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec")
    ner = nlp.add_pipe("ner", config={"model": {
        "@architectures": "spacy.TransitionBasedParser.v2", "state_type": "ner", "extra_state_tokens": False,
        "hidden_width": 16, "maxout_pieces": 2, "use_upper": True, "nO": None,
        "tok2vec": {"@architectures": "spacy.Tok2VecListener.v1", "width": 96, "upstream": "*"},
    }})  # fmt: skip
    names = {"PER": "PERSON", "LOC": "GPE", "ORG": "ORG"}
    examples = []
    for sentence in corpora.sentences(40):
        doc = Doc(nlp.vocab, words=list(sentence.words))
        spans = [
            doc.char_span(doc[one.start].idx, doc[one.end - 1].idx + len(doc[one.end - 1])) for one in sentence.exact
        ]
        entities = [
            (span.start_char, span.end_char, names[one.label]) for span, one in zip(spans, sentence.exact, strict=True)
        ]
        examples.append(Example.from_dict(doc, {"entities": entities}))
    assert ner is not None
    optimizer = nlp.initialize(lambda: examples)
    torch.manual_seed(seed)
    optimizer.learn_rate = 0.02
    for _ in range(steps):
        nlp.update(examples, sgd=optimizer)
    directory.mkdir(parents=True, exist_ok=True)
    nlp.to_disk(directory)
    return nlp
