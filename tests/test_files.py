import errno
import hashlib
import os

import pytest

from ner_distill.errors import RunError, TrainingError
from ner_distill.files import atomic_write_bytes, atomic_write_text, replacing, sha256_of, share, temporary_files


def _full_disk(handle: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_atomic_write_replaces_the_content(tmp_path):
    path = tmp_path / "a.json"
    atomic_write_text(path, "old and longer")
    atomic_write_text(path, "né\r\n")
    assert path.read_bytes() == b"n\xc3\xa9\r\n"
    assert list(tmp_path.iterdir()) == [path]


def test_full_disk_keeps_the_old_file_and_leaves_no_temporary(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    atomic_write_bytes(path, b"old")
    monkeypatch.setattr(os, "fsync", _full_disk)
    with pytest.raises(TrainingError, match="the disk is full"):
        atomic_write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_full_disk_message_gives_the_advice(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", _full_disk)
    with pytest.raises(TrainingError, match=r"a\.json: .*3 shards are kept"):
        atomic_write_bytes(tmp_path / "a.json", b"new", advice="3 shards are kept.")


def test_a_place_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(RunError, match=r"nowhere.*cannot be written"):
        atomic_write_bytes(tmp_path / "nowhere" / "a.json", b"x")


def test_a_new_file_gets_the_permissions_of_an_ordinary_one(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    atomic_write_bytes(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_what_another_library_kept_private_gets_the_mode_of_new_files(tmp_path, umask):
    before = os.umask(umask)
    try:
        private, open_to_all = tmp_path / "private", tmp_path / "open"
        os.close(os.open(private, os.O_CREAT, 0o600))
        open_to_all.touch()
        open_to_all.chmod(0o666)
        share(private, open_to_all)
    finally:
        os.umask(before)
    assert private.stat().st_mode & 0o777 == 0o666 & ~umask
    assert open_to_all.stat().st_mode & 0o777 == 0o666
    assert sorted(tmp_path.iterdir()) == [open_to_all, private]


def test_a_replaced_file_is_readable_whatever_its_writer_says(tmp_path):
    (tmp_path / "plain").touch()
    with replacing(tmp_path / "ours") as temporary:
        os.close(os.open(temporary, os.O_CREAT, 0o600))
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_temporary_files_finds_what_a_killed_writer_left(tmp_path, monkeypatch):
    def killed(source, target):
        raise KeyboardInterrupt

    kept = tmp_path / ".notes.tmp"
    kept.write_text("a user's own")
    monkeypatch.setattr("pathlib.Path.unlink", lambda *a, **k: None)  # a real kill runs no `finally`
    monkeypatch.setattr("pathlib.Path.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        atomic_write_bytes(tmp_path / "part-00000.parquet", b"half")
    assert list(temporary_files(tmp_path).values()) == ["part-00000.parquet"]


def test_no_two_writers_of_a_file_share_a_temporary_name(tmp_path):
    with replacing(tmp_path / "a") as first, replacing(tmp_path / "a") as second:
        assert first != second  # two machines may have processes of one number
        first.write_bytes(b"first")
        second.write_bytes(b"second")
        assert set(temporary_files(tmp_path).values()) == {"a"}
    assert (tmp_path / "a").read_bytes() == b"first"  # replaced last


def test_sha256_is_that_of_hashlib(tmp_path):
    data = bytes(range(256)) * 9000
    (tmp_path / "a").write_bytes(data)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(data).hexdigest()
