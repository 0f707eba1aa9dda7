import importlib
import sys
from pathlib import Path

import pytest

from ner_distill.errors import ConfigError, RunError
from ner_distill.options.models import LabelUnlabeledOptions, PredictOptions, ShowOptions
from ner_distill.options.training import StudentOptions, TeacherOptions
from ner_distill.places import LocalPlace, place_of, urls

SECRET = "hunter2-hunter2"


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urls, "_given", {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s3://bucket/x", True),
        ("hf://datasets/me/raw/x.txt", True),
        ("https://example.invalid/x.txt", True),
        ("hf:me/raw/default/train", False),
        ("runs/soft", False),
        ("C:/x", False),
        ("-", False),
        (Path("s3:/bucket/x"), False),
    ],
)
def test_a_url_has_a_scheme_and_two_slashes(text: object, expected: bool) -> None:
    assert urls.is_url(text) is expected


def test_a_path_is_a_directory_of_this_machine(tmp_path: Path) -> None:
    assert isinstance(place_of(tmp_path), LocalPlace)
    assert isinstance(place_of(str(tmp_path)), LocalPlace)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (f"https://me:{SECRET}@host/raw.txt", "https://host/raw.txt"),
        (f"https://host/raw.txt?X-Amz-Signature={SECRET}&X-Amz-Expires=9", "https://host/raw.txt"),
        (f"sftp://{SECRET}@host/raw.txt", "sftp://host/raw.txt"),
        (f"https://me:at@{SECRET}@host/raw.txt", "https://host/raw.txt"),
        (f"https://me:ab/{SECRET}@host/raw.txt", "https://host/raw.txt"),
    ],
)
def test_passwords_and_queries_reach_the_client_and_nobody_else(given: str, shown: str) -> None:
    assert urls.kept_apart(given) == shown
    assert urls.given(shown) == given
    assert SECRET not in urls.without_secrets(f"ClientError: 403 at url='{given}' (of {given})")


def test_two_urls_that_differ_in_what_is_not_shown_are_refused() -> None:
    urls.kept_apart("https://host/get?file=a")
    with pytest.raises(ConfigError, match="is given twice"):
        urls.kept_apart("https://host/get?file=b")


@pytest.mark.parametrize(
    "url",
    [
        f"s3://AKIA:{SECRET}@bucket/x",
        f"s3://AKIA:ab/{SECRET}@bucket/x",
        f"gs://bucket/x?access_token={SECRET}",
        f"az://box/x?sv=2024&sig={SECRET}",
        f"abfss://box:{SECRET}@account.dfs.core.windows.net/x",
    ],
)
def test_object_stores_take_no_keys_in_urls_and_the_message_shows_none(url: str) -> None:
    with pytest.raises(ConfigError, match="keys belong in") as caught:
        place_of(url)
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(urls._given)


@pytest.mark.parametrize("url", ["https://host:8080/a@b.txt", "https://[::1]:80/a@b", "hf://datasets/me/raw@v1/x.txt"])
def test_what_stands_behind_the_host_is_no_user(url: str) -> None:
    assert urls.kept_apart(url) == url


@pytest.mark.parametrize("name", ["a::b.txt", "a#b.txt", "a%20b.txt", "a b.txt", "ä?.txt", "a[1]*.txt", "a:b.txt"])
def test_a_name_is_what_the_store_calls_it(name: str) -> None:
    assert urls.file_system(f"s3://b/{name}")[1] == f"b/{name}"
    assert urls.file_system(f"S3://b/{name}")[1] == f"b/{name}"


def test_a_container_of_azure_is_no_user() -> None:
    url = "abfss://box@account.dfs.core.windows.net/x"
    assert place_of(url).shown == url == urls.without_secrets(url)


@pytest.mark.parametrize("url", ["s3://", "gs:///"])
def test_a_url_without_a_bucket_is_no_directory_of_this_machine(url: str) -> None:
    with pytest.raises(ConfigError, match=f"{url}: names no bucket; expected {url[:2]}://BUCKET/NAME"):
        place_of(url)


def test_a_store_needs_a_place_where_files_are_whole() -> None:
    with pytest.raises(RunError, match="ftp:// keeps no store"):
        place_of("ftp://host/x")


def test_a_url_of_this_machine_is_to_be_a_path() -> None:
    with pytest.raises(ConfigError, match="give the path as it is"):
        urls.kept_apart("file:///tmp/x")


@pytest.mark.parametrize(
    ("url", "package", "extra"),
    [("s3://b/x", "s3fs", "s3"), ("gs://b/x", "gcsfs", "gcs"), ("az://b/x", "adlfs", "azure")],
)
def test_a_missing_client_is_an_error_that_installs_it(
    url: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not there
    known = importlib.import_module("fsspec.registry")._registry
    monkeypatch.delitem(known, urls.url_scheme(url), raising=False)  # of those that were
    expected = rf"{url}: is read by {package}, which is not installed: pip install 'ner-distill\[{extra}\]'"
    with pytest.raises(RunError, match=expected):
        place_of(url).names()


def test_a_scheme_that_nobody_knows_is_named() -> None:
    with pytest.raises(RunError, match="nobody reads nowhere://"):
        urls.file_system("nowhere://x/y")


# ---- options


def test_a_store_may_be_a_url_or_a_path() -> None:
    assert StudentOptions(out=Path("x"), soft="s3://bucket/soft").soft == "s3://bucket/soft"
    assert StudentOptions(out=Path("x"), soft="runs/soft").soft == Path("runs/soft")
    assert ShowOptions(store=Path("runs/soft")).store == Path("runs/soft")
    labelling = LabelUnlabeledOptions(teacher=["t"], text=["raw.txt", "s3://b/raw.txt"], out="gs://b/soft")
    assert (labelling.out, labelling.text) == ("gs://b/soft", ("raw.txt", "s3://b/raw.txt"))


def test_text_of_a_url_with_a_password_is_kept_without_it() -> None:
    options = LabelUnlabeledOptions(teacher=["t"], text=[f"https://me:{SECRET}@host/raw.txt"], out=Path("x"))
    assert SECRET not in repr(options)


@pytest.mark.parametrize("out", [Path("s3://bucket/run"), "s3://bucket/run"])
def test_what_takes_no_url_says_so(out: Path) -> None:
    with pytest.raises(ConfigError, match=r"`out`: s3://bucket/run is a URL; expected what lies on this machine"):
        StudentOptions(out=out, soft=Path("soft"))


def test_labelled_files_are_of_this_machine() -> None:
    with pytest.raises(ConfigError, match=r"`train`: s3://bucket/x.conll is a URL"):
        TeacherOptions(train=["s3://bucket/x.conll"], out=Path("x"))


def test_what_is_written_for_people_is_of_this_machine() -> None:
    with pytest.raises(ConfigError, match=r"`out`: s3://bucket/x.jsonl is a URL"):
        PredictOptions(model=["m"], out="s3://bucket/x.jsonl")


def test_a_url_that_was_made_a_path_is_not_guessed() -> None:
    with pytest.raises(ConfigError, match="was made a Path"):
        ShowOptions(store=Path("s3://bucket/soft"))


def test_a_text_that_begins_with_a_url_is_a_text() -> None:
    assert PredictOptions(model=["m"], texts=["https://example.org is a site"]).texts
