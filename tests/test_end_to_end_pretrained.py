"""The three commands on pretrained encoders: small checkpoints with room for 32 pieces, and longer sentences."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline

from ner_distill.data.sentence import Sentence, Span
from ner_distill.data.store.store import SoftLabelStore
from ner_distill.errors import RunError
from ner_distill.nn.encoders.backbone import layers_of
from ner_distill.nn.encoders.huggingface import load_backbone, quiet
from ner_distill.nn.encoders.pretrained import PretrainedEncoder
from ner_distill.nn.heads import TokenHead
from ner_distill.runs.build import Built, load_run
from ner_distill.runs.info import STUDENT_RUN, TEACHER_RUN
from ner_distill.runtime.inference import predict_sentences
from tests import checkpoints, corpora
from tests.commands import ok, settings
from tests.commands import run as command

POSITIONS = 32
FAST = settings("optim.lr=3e-3", "optim.head_lr=1e-2", "optim.batch_words=128", "optim.epochs=6")
QUICK = settings("optim.epochs=1", "optim.batch_words=256")


def long_sentences(count: int, seed: int) -> list[Sentence]:
    """Sentences of about 45 words: five of the corpus in one."""
    parts = iter(corpora.sentences(6 * count, seed=seed))
    made = []
    for number in range(count):
        words: list[str] = []
        spans: list[Span] = []
        for part in (next(parts) for _ in range(6)):
            spans += [Span(s.start + len(words), s.end + len(words), s.label) for s in part.spans or ()]
            words += part.words
        made.append(Sentence(f"long{number}", tuple(words), tuple(spans)))
    return made


def other_endings(texts: list[str]) -> list[str]:
    """What makes a SentencePiece model keep the (beginnings of the) words of the texts as pieces."""
    words = sorted({word if len(word) < 6 else word[:3] for text in texts for word in text.split()})
    return [" ".join(word + ending for word in words) for ending in ("s", "ly", "ish", "ade")]


@dataclass(frozen=True)
class Chain:
    """What the three commands left; the teacher's checkpoint was deleted before the second."""

    root: Path

    def at(self, name: str) -> Path:
        return self.root / name


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    root = tmp_path_factory.mktemp("pretrained")
    texts = [" ".join(sentence.words) for sentence in corpora.sentences(100, seed=4)]
    corpora.write_conll(root / "train.conll", corpora.sentences(60, seed=1) + long_sentences(10, seed=6))
    corpora.write_conll(root / "dev.conll", corpora.sentences(15, seed=2) + long_sentences(3, seed=7))
    corpora.write_text(root / "raw.txt", corpora.sentences(60, seed=3) + long_sentences(10, seed=8))
    bert = checkpoints.bert(root / "bert", texts, positions=POSITIONS, layers=3)
    # its positions begin behind that of the padding piece
    xlmr = checkpoints.xlm_roberta(root / "xlmr", texts + other_endings(texts), positions=POSITIONS + 2)
    dev = ("--dev", root / "dev.conll")
    ok("train-teacher", "--train", root / "train.conll", *dev, "--out", root / "teacher", *FAST,
       *settings(f"encoder.name={bert}"))  # fmt: skip
    shutil.rmtree(bert)
    ok("label-unlabeled", "--teacher", root / "teacher", "--text", root / "raw.txt", "--out", root / "soft")
    ok("train-student", "--soft", root / "soft", *dev, "--out", root / "student", *FAST,
       *settings(f"encoder.name={xlmr}", "distill.divergence=kl", "optim.epochs=10", "head.greedy=true"))  # fmt: skip
    ok("train-student", "--soft", root / "soft", *dev, "--out", root / "cut", *FAST,
       *settings(f"encoder.name={xlmr}", "init.vocabulary=cut", "optim.epochs=10", "head.greedy=true"))  # fmt: skip
    ok("train-student", "--soft", root / "soft", *dev, "--out", root / "copied", *FAST,
       *settings(f"init.teacher={root / 'teacher'}", "init.layers=[0, 2]", "optim.epochs=3",
                 "head.greedy=true"))  # fmt: skip
    return Chain(root)


def f1(run: Path) -> float:
    found: float = json.loads((run / "metrics.json").read_text())["dev"]["micro"]["f1"]
    return found


def words_of(chain: Chain) -> list[tuple[str, ...]]:
    """Short sentences and long ones."""
    return [s.words for s in [*corpora.sentences(15, seed=12), *long_sentences(4, seed=13)]]


def our_tags(built: Built, sentences: list[tuple[str, ...]]) -> list[list[int]]:
    stream = [Sentence(str(number), words) for number, words in enumerate(sentences)]
    found = predict_sentences(built.tagger, built.featurizer, built.info.tagset, stream)
    return [built.info.tagset.encode([span for span, _ in spans], len(sentence.words)) for sentence, spans in found]


def test_nothing_in_these_runs_is_taken_for_the_work_of_a_person(chain: Chain) -> None:
    TEACHER_RUN.check(chain.at("teacher"), overwrite=True)
    for name in ("student", "cut", "copied"):
        STUDENT_RUN.check(chain.at(name), overwrite=True)


def test_teacher_learns_from_sentences_beyond_the_limit_of_its_encoder(chain: Chain) -> None:
    assert f1(chain.at("teacher")) > 0.9
    assert json.loads((chain.at("teacher") / "metrics.json").read_text())["counts"]["sentences in windows"] >= 13


def test_store_has_every_word_of_sentences_beyond_the_limit(chain: Chain) -> None:
    found = {row.id: row.words for row in SoftLabelStore.open(chain.at("soft"), verify=True).iter_rows()}
    expected = [tuple(line.split()) for line in chain.at("raw.txt").read_text("utf-8").splitlines()]
    assert max(map(len, expected)) > POSITIONS
    assert [found[f"raw.txt:{number}"] for number in range(1, 71)] == expected


def test_student_with_another_tokenizer_comes_close_to_its_teacher(chain: Chain) -> None:
    tokenizers = [AutoTokenizer.from_pretrained(chain.at(name)) for name in ("teacher/encoder", "student")]
    pieces = [tokenizer.tokenize("Maria Garcia works for Acme") for tokenizer in tokenizers]
    assert len(pieces[0]) != len(pieces[1])
    assert f1(chain.at("student")) > f1(chain.at("teacher")) - 0.15


def test_teacher_needs_no_checkpoint_after_training(chain: Chain) -> None:
    assert not chain.at("bert").exists()
    assert "LOC" in ok("predict", "--model", chain.at("teacher"), stdin="It rains in Oslo today .").out


def test_whoever_may_read_new_files_may_read_every_file_of_a_run_and_a_store(chain: Chain) -> None:
    (chain.root / "plain").touch()
    files = [path for name in ("teacher", "soft", "student", "copied") for path in chain.at(name).rglob("*")]
    modes = {path: oct(path.stat().st_mode) for path in files if path.is_file()}
    usual = oct((chain.root / "plain").stat().st_mode)
    assert {path: mode for path, mode in modes.items() if mode != usual} == {}


def test_student_from_layers_of_the_teacher_begins_with_them(chain: Chain, tmp_path: Path) -> None:
    ok("train-student", "--soft", chain.at("soft"), "--dev", chain.at("dev.conll"), "--out", tmp_path / "run", *QUICK,
       *settings(f"init.teacher={chain.at('teacher')}", "init.layers=[0, 2]", "optim.lr=1e-12"))  # fmt: skip
    teacher, student = (load_run(run).tagger.encoder for run in (chain.at("teacher"), tmp_path / "run"))
    assert isinstance(teacher, PretrainedEncoder)
    assert isinstance(student, PretrainedEncoder)
    assert len(layers_of(student.backbone)) == 2
    for mine, its in ((0, 0), (1, 2)):
        for name, tensor in layers_of(student.backbone)[mine].state_dict().items():
            torch.testing.assert_close(tensor, layers_of(teacher.backbone)[its].state_dict()[name], atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["student", "copied"])
def test_transformers_alone_gives_our_tag_for_every_word(chain: Chain, name: str) -> None:
    built = load_run(chain.at(name))
    with quiet():
        model = AutoModelForTokenClassification.from_pretrained(chain.at(name))
        tokenizer = AutoTokenizer.from_pretrained(chain.at(name))
    sentences = [words for words in words_of(chain) if len(tokenizer(" ".join(words))["input_ids"]) <= POSITIONS]
    assert len(sentences) >= 10
    for words, ours in zip(sentences, our_tags(built, sentences), strict=True):
        encoded = tokenizer(list(words), is_split_into_words=True, return_tensors="pt")
        with torch.no_grad():
            best = model(**encoded).logits[0].argmax(-1).tolist()
        firsts = [encoded.word_ids().index(word) for word in range(len(words))]
        theirs = [best[first] for first in firsts]
        # tags decode to spans: an I that continues nothing begins one
        assert built.info.tagset.decode(theirs) == built.info.tagset.decode(ours)


@pytest.mark.filterwarnings("ignore:Tokenizer does not support real words")
@pytest.mark.parametrize("name", ["student", "copied", "cut"])
def test_pipeline_of_transformers_finds_our_entities(chain: Chain, name: str) -> None:
    text = "Ann Miller works for Acme in New York ."
    with quiet():
        ask = pipeline("token-classification", str(chain.at(name)), aggregation_strategy="first", device="cpu")
    theirs = [(found["start"], found["end"], found["entity_group"]) for found in ask(text)]
    row = json.loads(ok("predict", "--model", chain.at(name), "--format", "jsonl", stdin=text).out)
    ours = [(entity["start"], entity["end"], entity["label"]) for entity in row["entities"]]
    assert ours
    # the pieces of SentencePiece begin with the blank before the word
    assert [(text[start:end].strip(), label) for start, end, label in theirs] == [
        (text[start:end], label) for start, end, label in ours
    ]


def test_cards_say_where_transformers_reads_otherwise(chain: Chain, tmp_path: Path) -> None:
    usual = tmp_path / "usual"
    ok("train-student", "--soft", chain.at("soft"), "--out", usual, *QUICK,
       *settings(f"init.teacher={chain.at('teacher')}", "init.layers=1"))  # fmt: skip
    head = load_run(usual).tagger.head
    assert isinstance(head, TokenHead)
    assert not head.greedy
    cards = [(run / "README.md").read_text("utf-8") for run in (usual, chain.at("copied"))]
    assert ["each word's best tag by itself" in card for card in cards] == [True, False]


def test_unless_it_is_greedy_a_student_reads_the_best_tags_that_may_follow_each_other(chain: Chain) -> None:
    built, sentences = load_run(chain.at("copied")), words_of(chain)
    head, tags = built.tagger.head, built.info.tagset
    assert isinstance(head, TokenHead)
    assert head.greedy
    with torch.no_grad():
        head.project.bias[tags.tags.index("I-PER")] += 5  # which is then the best tag of words that nothing precedes
    greedy, head.greedy = our_tags(built, sentences), False
    assert our_tags(built, sentences) != greedy


@pytest.mark.parametrize("greedy", ["true", "false"])
def test_an_exported_student_is_read_as_the_run_is(chain: Chain, tmp_path: Path, greedy: str) -> None:
    run, text = tmp_path / "run", "Ann Miller works for Acme in New York .\n"
    shutil.copytree(chain.at("copied"), run)
    config = (run / "config.toml").read_text("utf-8")
    (run / "config.toml").write_text(config.replace("greedy = true", f"greedy = {greedy}"), "utf-8")
    weights, tags = load_file(run / "model.safetensors"), load_run(run).info.tagset.tags
    weights["classifier.bias"][tags.index("I-PER")] += 5
    save_file(weights, run / "model.safetensors", {"format": "pt"})
    ok("export", run, "--out", tmp_path / "exported")
    ours, exported = (
        json.loads(ok("predict", "--model", model, "--format", "jsonl", stdin=text).out)["entities"]
        for model in (run, tmp_path / "exported")
    )
    assert ours
    assert [{**one, "score": pytest.approx(one["score"], abs=1e-3)} for one in ours] == exported


def test_a_student_with_weights_as_a_pickle_alone_is_refused_whatever_lies_beside(chain: Chain, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(chain.at("copied"), run)
    (run / "model.safetensors").rename(run / "pytorch_model.bin")
    save_file({"start": torch.zeros(3)}, run / "other.safetensors")
    with pytest.raises(RunError, match="can run code"):
        load_run(run)


def test_a_student_with_the_pieces_of_its_text_alone_learns_as_well(chain: Chain) -> None:
    whole, cut = (len(AutoTokenizer.from_pretrained(chain.at(name))) for name in ("student", "cut"))
    assert cut < whole
    assert abs(f1(chain.at("cut")) - f1(chain.at("student"))) < 0.05


def test_further_text_keeps_the_pieces_of_its_words_and_is_not_learned_from(chain: Chain, tmp_path: Path) -> None:
    few = tmp_path / "few.conll"
    corpora.write_conll(few, [Sentence("1", ("Ana", "lives", "in", "Lima"), (Span(3, 4, "LOC"),))] * 3)
    gold = ("train-student", "--gold", few, *QUICK, *settings(f"encoder.name={chain.at('xlmr')}"))
    cut = settings("init.vocabulary=cut")
    ok(*gold, *cut, "--out", tmp_path / "own")
    said = ok(*gold, *cut, *settings(f"init.vocabulary_text={chain.at('raw.txt')}"), "--out", tmp_path / "more").err
    assert "more pieces than before" in said
    assert "3 gold sentences" in said
    whole, own, more = (
        AutoTokenizer.from_pretrained(path) for path in (chain.at("xlmr"), tmp_path / "own", tmp_path / "more")
    )
    assert len(own) < len(more) < len(whole)
    lines = chain.at("raw.txt").read_text("utf-8").splitlines()
    assert [more.tokenize(line) for line in lines] == [whole.tokenize(line) for line in lines]
    assert [own.tokenize(line) for line in lines] != [whole.tokenize(line) for line in lines]


def test_a_training_goes_on_with_the_same_further_text_alone(chain: Chain, tmp_path: Path) -> None:
    text, run = tmp_path / "more.txt", tmp_path / "run"
    text.write_text("Berta works in Bern\n")
    began = ("train-student", "--gold", chain.at("train.conll"), "--out", run, *QUICK,
             *settings(f"encoder.name={chain.at('xlmr')}", "init.vocabulary=cut",
                       f"init.vocabulary_text={text}"))  # fmt: skip
    ok(*began)
    ok(*began, "--resume")
    text.write_text("Carla works in Rome\n")
    refused = command(*began, "--resume")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "files of init.vocabulary_text are not those" in refused.err


def test_missing_or_empty_text_for_a_vocabulary_is_named_before_anything_is_written(
    chain: Chain, tmp_path: Path
) -> None:
    (tmp_path / "blank.txt").write_text("\n \n")
    for name, said in (("no.txt", "no such file"), ("blank.txt", "no sentence in it")):
        refused = command("train-student", "--gold", chain.at("train.conll"), "--out", tmp_path / "run", *QUICK,
                          *settings(f"encoder.name={chain.at('xlmr')}", "init.vocabulary=cut",
                                    f"init.vocabulary_text={tmp_path / name}"))  # fmt: skip
        assert refused.code == 2
        assert f"{name}: {said}" in refused.err.splitlines()[-1]
        assert not (tmp_path / "run").exists()


def test_a_student_does_not_go_on_with_the_pieces_of_another_teacher(chain: Chain, tmp_path: Path) -> None:
    """Its weights come from the checkpoint, its pieces from the teacher: together they would mean nothing."""
    shutil.copytree(chain.at("teacher"), tmp_path / "teacher")
    began = ("train-student", "--gold", chain.at("train.conll"), "--out", tmp_path / "run", *QUICK,
             *settings(f"init.teacher={tmp_path / 'teacher'}", "init.layers=1"))  # fmt: skip
    ok(*began)
    (tmp_path / "run" / "metrics.json").unlink()  # as if it were under way
    ok(*began, "--resume")
    tokenizer = tmp_path / "teacher" / "encoder" / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text("utf-8").replace("the", "eth"), "utf-8")
    refused = command(*began, "--resume")
    assert refused.code == 2
    assert "files of init.teacher are not those" in refused.err.splitlines()[-1]
    shutil.rmtree(tmp_path / "teacher")  # of a finished run nothing else is needed
    ok(*began, "--resume")


def test_a_run_of_an_earlier_version_recorded_no_checkpoint(chain: Chain, tmp_path: Path) -> None:
    began = ("train-student", "--gold", chain.at("train.conll"), "--out", tmp_path / "run", *QUICK,
             *settings(f"encoder.name={chain.at('xlmr')}"))  # fmt: skip
    ok(*began)
    inputs = tmp_path / "run" / "inputs.json"
    recorded = json.loads(inputs.read_text("utf-8"))
    assert {Path(file["name"]).name for file in recorded.pop("encoder.name")} >= {"model.safetensors", "config.json"}
    inputs.write_text(json.dumps(recorded), "utf-8")
    ok(*began, "--resume")


def test_loaded_student_tells_pipelines_its_limit(chain: Chain) -> None:
    assert AutoTokenizer.from_pretrained(chain.at("student")).model_max_length == POSITIONS


def test_student_reads_sentences_beyond_its_limit(chain: Chain) -> None:
    built = load_run(chain.at("student"))
    long = long_sentences(6, seed=13)
    found = our_tags(built, [sentence.words for sentence in long])
    gold = [built.info.tagset.encode(sentence.spans or (), len(sentence.words)) for sentence in long]
    right = sum(a == b for one, other in zip(found, gold, strict=True) for a, b in zip(one, other, strict=True))
    assert right / sum(map(len, gold)) > 0.9


@pytest.mark.parametrize("name", ["teacher", "student"])
def test_batches_change_no_prediction(chain: Chain, name: str) -> None:
    built, sentences = load_run(chain.at(name)), words_of(chain)
    together = our_tags(built, sentences)
    assert [our_tags(built, [words])[0] for words in sentences] == together


# ---- variants, one epoch on a few sentences


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = corpora.write_all(tmp_path_factory.mktemp("few"), train=12, dev=4, raw=8)
    texts = [" ".join(sentence.words) for sentence in corpora.sentences(60, seed=4)]
    checkpoints.bert(root / "bert", texts, positions=POSITIONS)
    checkpoints.roberta(root / "roberta", texts, positions=POSITIONS + 2)
    return root


@pytest.mark.parametrize(
    "options",
    [
        ["encoder.layer_mix=true", "encoder.pooling=mean"],
        ["similarity.encoder=separate"],
        ["adversarial.kind=fgm"],
        ["adversarial.kind=fgm", "adversarial.on=weights"],
        ["encoder.max_pieces=8"],
    ],
    ids=" ".join,
)
def test_teacher_of_every_variant_labels_without_its_checkpoint(few: Path, tmp_path: Path, options: list[str]) -> None:
    checkpoint = tmp_path / "checkpoint"
    shutil.copytree(few / "bert", checkpoint)
    data = ("--train", few / "train.conll", "--dev", few / "dev.conll")
    ok("train-teacher", *data, "--out", tmp_path / "run", *QUICK, *settings(f"encoder.name={checkpoint}", *options))
    shutil.rmtree(checkpoint)
    ok("label-unlabeled", "--teacher", tmp_path / "run", "--text", few / "raw.txt", "--out", tmp_path / "soft")
    assert SoftLabelStore.open(tmp_path / "soft").rows == 8


def test_byte_level_student(few: Path, tmp_path: Path) -> None:
    data = ("--dev", few / "dev.conll", "--gold", few / "train.conll")
    ok("train-student", *data, "--out", tmp_path / "run", *QUICK, *settings(f"encoder.name={few / 'roberta'}"))
    built = load_run(tmp_path / "run")
    assert built.classifier is not None
    assert not any(module.training for module in built.model.modules())


def test_same_seed_gives_the_same_weights(few: Path, tmp_path: Path) -> None:
    data = ("--dev", few / "dev.conll", "--gold", few / "train.conll")
    for name in ("a", "b"):
        ok("train-student", *data, "--out", tmp_path / name, *QUICK, *settings(f"encoder.name={few / 'bert'}"))
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (tmp_path / "b" / "model.safetensors").read_bytes()


def test_training_changes_the_encoder_that_it_began_with(few: Path, tmp_path: Path) -> None:
    data = ("--train", few / "train.conll", "--dev", few / "dev.conll")
    ok("train-teacher", *data, "--out", tmp_path / "run", *QUICK, *settings(f"encoder.name={few / 'bert'}"))
    encoder = load_run(tmp_path / "run").tagger.encoder
    assert isinstance(encoder, PretrainedEncoder)
    before = load_backbone(few / "bert").state_dict()
    changed = [name for name, tensor in encoder.backbone.state_dict().items() if not torch.equal(tensor, before[name])]
    assert any("layer.0" in name for name in changed)
    assert any("word_embeddings" in name for name in changed)


# ---- Chinese, whose characters have no blanks between them


@pytest.fixture(scope="module")
def chinese(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """A teacher on an encoder with SentencePiece, and a student of one of its layers and of the pieces of its text."""
    root = tmp_path_factory.mktemp("chinese")
    corpora.write_all(root, chinese=True)
    texts = ["".join(sentence.words) for sentence in corpora.sentences(100, seed=4, chinese=True)]
    xlmr = checkpoints.xlm_roberta(root / "xlmr", texts)
    dev = ("--dev", root / "dev.conll")
    ok("train-teacher", "--train", root / "train.conll", *dev, "--out", root / "teacher", *FAST,
       *settings(f"encoder.name={xlmr}"))  # fmt: skip
    ok("label-unlabeled", "--teacher", root / "teacher", "--text", root / "raw.txt", "--out", root / "soft")
    ok("train-student", "--soft", root / "soft", *dev, "--out", root / "student", *FAST,
       *settings(f"init.teacher={root / 'teacher'}", "init.layers=1", "init.vocabulary=cut"))  # fmt: skip
    return Chain(root)


def test_a_character_is_one_piece(chinese: Chain) -> None:
    for name in ("teacher", "student"):
        featurizer = load_run(chinese.at(name)).base
        features = featurizer.features(list("李娜在北京"))
        assert featurizer.size(features) == 5 + 2


def test_transformers_gives_our_tag_for_every_character(chinese: Chain) -> None:
    built = load_run(chinese.at("student"))
    with quiet():
        model = AutoModelForTokenClassification.from_pretrained(chinese.at("student"))
        tokenizer = AutoTokenizer.from_pretrained(chinese.at("student"))
    sentences = [sentence.words for sentence in corpora.sentences(10, seed=12, chinese=True)]
    for words, ours in zip(sentences, our_tags(built, sentences), strict=True):
        encoded = tokenizer(list(words), is_split_into_words=True, return_tensors="pt")
        with torch.no_grad():
            best = model(**encoded).logits[0].argmax(-1).tolist()
        theirs = [best[encoded.word_ids().index(word)] for word in range(len(words))]
        assert built.info.tagset.decode(theirs) == built.info.tagset.decode(ours)
