"""The whole way through an S3 server on loopback, one that fails as well."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("moto")
pytest.importorskip("flask_cors")
pytest.importorskip("s3fs")

from ner_distill.data.store.store import SoftLabelStore
from ner_distill.errors import RunError
from ner_distill.places import asking, place_of
from ner_distill.places.remote import RemotePlace
from tests import corpora, s3
from tests.commands import ok, run, settings
from tests.stores import contents
from tests.world import World

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = "manifest.json"


@pytest.fixture(scope="module")
def server() -> Iterator[s3.Server]:
    with s3.serving() as server:
        yield server


@pytest.fixture(autouse=True)
def _known(server: s3.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.known(server, monkeypatch)


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """A prefix of this test alone."""
    return str(request.node.name)


def here(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def labelling(world: World, text: Path | str, out: Path | str, *more: str) -> tuple[str | Path, ...]:
    return ("label-unlabeled", "--teacher", world.teacher, "--text", text, "--out", out, "--shard-size", "20", *more)


def manifests(files: dict[str, bytes]) -> list[object]:
    """What a manifest says beside where the text lies, and beside the hashes of files that say so as well."""
    return [
        {**json.loads(data), "inputs": None, "parts": None}
        for name, data in sorted(files.items())
        if name.endswith(".json")
    ]


# ---- a place


def test_a_place_is_what_the_server_has(server: s3.Server, prefix: str) -> None:
    place = place_of(f"s3://{s3.BUCKET}/{prefix}/soft/")
    assert isinstance(place, RemotePlace)
    assert (place.names(), place.occupied(lambda name: True)) == ({}, False)
    place.write("part-00000.parquet", b"abc")
    place.write("part-00000.parquet", memoryview(b"de"))
    s3.client(server).put_object(Bucket=s3.BUCKET, Key=f"{prefix}/soft/", Body=b"")  # as consoles make a folder
    assert place.names() == {"part-00000.parquet": 2}
    assert s3.keys(server, f"{prefix}/soft/part") == {"-00000.parquet": b"de"}
    with place.open("part-00000.parquet") as file:
        file.seek(1)
        assert file.read() == b"e"
    place.remove("part-00000.parquet")
    place.remove("part-00000.parquet")
    assert (place.names(), place.occupied(lambda name: True)) == ({}, False)


def test_what_somebody_else_writes_is_seen_at_once(server: s3.Server, prefix: str) -> None:
    place = place_of(f"s3://{s3.BUCKET}/{prefix}")
    place.write("x", b"1")
    assert place.names() == {"x": 1}
    s3.client(server).put_object(Bucket=s3.BUCKET, Key=f"{prefix}/y", Body=b"22")
    assert place.names() == {"x": 1, "y": 2}


def test_unfinished_uploads_of_ours_are_aborted_and_count_for_nothing(server: s3.Server, prefix: str) -> None:
    client, place = s3.client(server), place_of(f"s3://{s3.BUCKET}/{prefix}")
    for name in ("part-00000.parquet", "theirs.bin"):
        client.create_multipart_upload(Bucket=s3.BUCKET, Key=f"{prefix}/{name}")
    assert not place.occupied(lambda name: False)
    place.remove_unfinished(lambda name: name.startswith("part-"))
    left = client.list_multipart_uploads(Bucket=s3.BUCKET, Prefix=prefix).get("Uploads", [])
    assert [one["Key"] for one in left] == [f"{prefix}/theirs.bin"]


def test_a_bucket_that_is_not_there_is_named(prefix: str) -> None:
    with pytest.raises(RunError, match=r"s3://no-such-bucket/x: cannot be written: .*is there such a bucket"):
        place_of("s3://no-such-bucket").write("x", b"1")


def test_no_credentials_is_an_error_that_says_where_they_belong(monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(RunError, match=r"s3://bucket/x/manifest.json: access is refused: .*AWS_ACCESS_KEY_ID"):
        place_of("s3://bucket/x").read(MANIFEST)


def test_files_of_a_server_that_fails_are_whole(server: s3.Server, prefix: str) -> None:
    place = place_of(f"s3://{s3.BUCKET}/{prefix}")
    data = {f"part-{number:05}.parquet": bytes([number]) * 1000 for number in range(12)}
    with server.failing(0.25, seed=5):
        for name, content in data.items():
            place.write(name, content)
            assert place.read(name) == content
        assert place.names() == dict.fromkeys(data, 1000)
    assert len(server.failed) >= 4, server.failed
    assert s3.keys(server, prefix) == data


# ---- commands


@pytest.fixture(scope="module")
def there(server: s3.Server, world: World) -> str:
    """The store of the world's raw text, labelled behind a URL from text behind a URL."""
    patch = pytest.MonkeyPatch()
    s3.known(server, patch)
    s3.client(server).upload_file(str(world.raw), s3.BUCKET, "made/raw/raw.txt")
    out = f"s3://{s3.BUCKET}/made/soft"
    done = ok(*labelling(world, f"s3://{s3.BUCKET}/made/raw/", out))
    patch.undo()
    assert f"look at it: ner-distill show {out}" in done.out
    assert s3.SECRET not in done.out + done.err
    assert s3.KEY not in done.out + done.err
    return out


def test_the_store_says_what_that_of_this_machine_says(
    server: s3.Server, world: World, there: str, tmp_path: Path
) -> None:
    ok(*labelling(world, world.raw, tmp_path / "soft"))
    files = s3.keys(server, "made/soft")
    assert len(contents(files)) == 4
    assert contents(files) == contents(here(tmp_path / "soft"))
    assert manifests(files) == manifests(here(tmp_path / "soft"))
    assert len(files) == 6, "manifest, index and shards"


def test_no_key_is_in_what_is_stored(server: s3.Server, there: str) -> None:
    for data in s3.keys(server, "made/soft").values():
        assert s3.KEY.encode() not in data
        assert s3.SECRET.encode() not in data


def test_show_and_review_say_the_same_as_of_a_directory(
    server: s3.Server, world: World, there: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a long path would be cut in a table
    for name, data in s3.keys(server, "made/soft").items():
        (tmp_path / "soft").mkdir(exist_ok=True)
        (tmp_path / "soft" / name).write_bytes(data)
    for options in ((), ("--format", "conll", "--limit", "0")):
        shown = [ok("show", store, *options).out.replace(str(store), "STORE") for store in (there, "soft")]
        assert shown[0].split() == shown[1].split()
    for number, store in enumerate((there, tmp_path / "soft")):
        ok("review", store, "--out", tmp_path / f"{number}.html", "--limit", "5")
    assert (tmp_path / "0.html").read_bytes() == (tmp_path / "1.html").read_bytes()


def test_only_the_columns_that_are_needed_are_fetched(server: s3.Server, there: str) -> None:
    store = SoftLabelStore.open(there)
    server.asked.clear()
    for position in range(len(store.manifest.shards)):
        assert len(store.blocks_of(position))
    gets = [one for one in server.asked if one[0] == "GET"]
    assert all(ranged for _, _, ranged in gets)
    assert len(gets) <= 2 * len(store.manifest.shards)


def test_resume_refuses_text_that_was_changed_and_takes_what_is_the_same(
    server: s3.Server, world: World, prefix: str
) -> None:
    url, client = f"s3://{s3.BUCKET}/{prefix}", s3.client(server)
    text = world.raw.read_bytes()
    client.put_object(Bucket=s3.BUCKET, Key=f"{prefix}/raw.txt", Body=text)
    ok(*labelling(world, f"{url}/raw.txt", f"{url}/soft", "--limit", "40"))
    before = s3.keys(server, f"{prefix}/soft")
    ok(*labelling(world, f"{url}/raw.txt", f"{url}/soft", "--limit", "40", "--resume"))
    assert s3.keys(server, f"{prefix}/soft") == before
    client.put_object(Bucket=s3.BUCKET, Key=f"{prefix}/raw.txt", Body=text.swapcase())
    failed = run(*labelling(world, f"{url}/raw.txt", f"{url}/soft", "--limit", "40", "--resume"))
    assert failed.code == 2
    assert "input file 1" in failed.err
    assert "etag" in failed.err
    assert s3.keys(server, f"{prefix}/soft") == before


def test_damaged_and_missing_shards_are_made_again(server: s3.Server, world: World, there: str, prefix: str) -> None:
    whole, client = s3.keys(server, "made/soft"), s3.client(server)
    for name, data in whole.items():
        client.put_object(Bucket=s3.BUCKET, Key=f"{prefix}/{name}", Body=data)
    client.put_object(Bucket=s3.BUCKET, Key=f"{prefix}/part-00001.parquet", Body=b"short")
    client.delete_object(Bucket=s3.BUCKET, Key=f"{prefix}/part-00003.parquet")
    client.put_object(Bucket=s3.BUCKET, Key=f"{prefix}/part-00009.parquet", Body=b"of nobody")
    failed = run("show", f"s3://{s3.BUCKET}/{prefix}")
    assert "damaged shards" in failed.err
    ok(*labelling(world, f"s3://{s3.BUCKET}/made/raw/", f"s3://{s3.BUCKET}/{prefix}", "--resume"))
    assert s3.keys(server, prefix) == whole


def test_something_else_is_not_overwritten(server: s3.Server, world: World, prefix: str) -> None:
    s3.client(server).put_object(Bucket=s3.BUCKET, Key=f"{prefix}/thesis/a.tex", Body=b"years")
    for option in ((), ("--overwrite",), ("--resume",)):
        failed = run(*labelling(world, world.raw, f"s3://{s3.BUCKET}/{prefix}", *option))
        assert failed.code == 2
    assert s3.keys(server, prefix) == {"thesis/a.tex": b"years"}


def test_a_server_that_is_down_is_given_up_and_nothing_is_taken_for_damaged(
    server: s3.Server, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    monkeypatch.setattr(asking, "TRIES", 1)
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    store = SoftLabelStore.open(there, cached_shards=1)
    with server.failing(1.0):
        failed = run("show", there)
        assert failed.code == 1
        assert "failed 1 times" in failed.err
        with pytest.raises(Exception, match="failed 1 times") as caught:
            store.read_shard(0)
    assert "damaged" not in str(caught.value)


def test_a_student_learns_from_a_store_behind_a_url(
    world: World, there: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("train-student", "--soft", there, "--dev", world.dev, "--out", tmp_path / "there",
               *settings(*corpora.SMALL, "optim.epochs=1"))  # fmt: skip
    ok(*command)
    inputs = json.loads((tmp_path / "there" / "inputs.json").read_text("utf-8"))
    assert inputs["soft"][0]["name"] == f"{there}/{MANIFEST}"
    written = b"".join(file.read_bytes() for file in (tmp_path / "there").rglob("*") if file.is_file())
    assert s3.KEY.encode() not in written
    assert s3.SECRET.encode() not in written


def test_a_signed_link_is_read_and_its_signature_is_nowhere(
    server: s3.Server, world: World, there: str, tmp_path: Path
) -> None:
    link = s3.client(server).generate_presigned_url("get_object", {"Bucket": s3.BUCKET, "Key": "made/raw/raw.txt"})
    signature = link.partition("Signature=")[2].partition("&")[0]
    assert len(signature) > 20
    done = ok(*labelling(world, link, tmp_path / "soft"))
    assert contents(here(tmp_path / "soft")) == contents(s3.keys(server, "made/soft"))
    manifest = here(tmp_path / "soft")[MANIFEST].decode()
    assert json.loads(manifest)["inputs"][0]["name"] == link.partition("?")[0]
    failed = run(*labelling(world, link.replace("raw.txt", "none.txt"), tmp_path / "other"))
    assert "none.txt: no such file" in failed.err
    for said in (manifest, done.out, done.err, failed.err):
        assert signature not in said
        assert s3.KEY not in said


@pytest.mark.slow
def test_students_of_both_stores_are_the_same(server: s3.Server, world: World, there: str, tmp_path: Path) -> None:
    (tmp_path / "soft").mkdir()
    for name, data in s3.keys(server, "made/soft").items():
        (tmp_path / "soft" / name).write_bytes(data)
    for name, store in (("there", there), ("here", tmp_path / "soft")):
        ok("train-student", "--soft", store, "--dev", world.dev, "--out", tmp_path / name,
           *settings(*corpora.SMALL, "optim.epochs=2"))  # fmt: skip
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("there", "here")]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_killed_and_resumed_on_a_server_that_fails_it_is_the_same_store(
    server: s3.Server, world: World, prefix: str, tmp_path: Path
) -> None:
    """Every tenth request fails, also with an answer that is lost; the command is killed, and resumed, three times."""
    text = tmp_path / "raw.txt"
    text.write_bytes(6 * world.raw.read_bytes())
    ok(*labelling(world, text, tmp_path / "soft"))
    expected = here(tmp_path / "soft")
    s3.client(server).upload_file(str(text), s3.BUCKET, f"{prefix}/raw.txt")
    url = f"s3://{s3.BUCKET}/{prefix}"
    command = [sys.executable, "-m", "ner_distill.cli", *map(str, labelling(world, f"{url}/raw.txt", f"{url}/soft"))]
    environment = {**os.environ, **s3.environment(server)}
    killed = 0
    with server.failing(0.1):
        for shards_first in (3, 8, 15):
            process = subprocess.Popen([*command, "--resume"], env=environment, cwd=ROOT, stderr=subprocess.PIPE)
            while process.poll() is None and len(_listed(server, f"{prefix}/soft")) < shards_first:
                time.sleep(0.05)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += process.returncode == -signal.SIGKILL
        done = subprocess.run(
            [*command, "--resume"], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    assert s3.SECRET not in done.stderr + done.stdout
    assert killed == 3
    assert sum(server.failed.values()) >= 10, server.failed
    found = s3.keys(server, f"{prefix}/soft")
    assert contents(found) == contents(expected)
    assert manifests(found) == manifests(expected)
    ids = [row.id for row in SoftLabelStore.open(f"{url}/soft", verify=True).iter_rows()]
    assert sorted(ids) == sorted(f"raw.txt:{number}" for number in range(1, 481))


def _listed(server: s3.Server, prefix: str) -> list[str]:
    answer = s3.client(server).list_objects_v2(Bucket=s3.BUCKET, Prefix=f"{prefix}/part-")
    return [one["Key"] for one in answer.get("Contents", ())]
