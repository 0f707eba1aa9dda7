"""Results of a voting that a person may have edited: whether they are as they were written."""

from __future__ import annotations

from pathlib import Path

from ner_distill.errors import RunError
from ner_distill.files import read_json, sha256_of

CLEANED, VOTED, SUMMARY = "cleaned.jsonl", "votes.jsonl", "summary.json"
RESULTS = (CLEANED, VOTED)


def was_edited(path: Path) -> bool:
    """Whether a result was changed since it was written, as far as the summary beside it tells.

    Where there is no summary the writing was interrupted; that of an earlier version, or a damaged one, says nothing.
    """
    if path.name not in RESULTS or not path.is_file() or not (path.parent / SUMMARY).is_file():
        return False
    try:
        written = read_json(path.parent / SUMMARY, "").get("sha256", {})[path.name]
        return bool(written != sha256_of(path))
    except (RunError, OSError, AttributeError, TypeError, KeyError):
        return False


def edited_in(voting: Path) -> list[Path]:
    """The results in the directory of a voting that were edited."""
    return [voting / name for name in RESULTS if was_edited(voting / name)]
