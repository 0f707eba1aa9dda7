"""Small, fast named-entity models from a few labelled sentences and a lot of raw text.

import ner_distill

model = ner_distill.load("runs/student")
model.predict(["Ana lives in Madrid."])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ner_distill.data.sentence import Sentence, Span
    from ner_distill.errors import NerDistillError
    from ner_distill.face import Model, Result, evaluate, export, label, load, train_student, train_teacher
    from ner_distill.tagger import Entity

__version__ = "0.1.0"
__all__ = [
    "Entity",
    "Model",
    "NerDistillError",
    "Result",
    "Sentence",
    "Span",
    "__version__",
    "evaluate",
    "export",
    "label",
    "load",
    "train_student",
    "train_teacher",
]
_HOME = {"Entity": "tagger", "NerDistillError": "errors", "Sentence": "data.sentence", "Span": "data.sentence"}


def __getattr__(name: str) -> Any:
    """Import what is asked for, and nothing before: `import ner_distill` alone takes no time."""
    if name not in __all__:
        raise AttributeError(f"module 'ner_distill' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"ner_distill.{_HOME.get(name, 'face')}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
