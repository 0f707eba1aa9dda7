"""What a command may be told: frozen dataclasses whose fields are the options, each with its default and its help.

The command line is made from them (`commands/declare.py`), and pipelines take them as they are; importing them imports
nothing heavy. Take `Options`, `option` and `required` to declare, the groups of `shared` to build on, and the class of
a command.
"""

from ner_distill.options.declare import Options, option, required, spelled
from ner_distill.options.shared import FileOptions, Files, Output, ReadOptions, Settings, TrackedOutput

__all__ = [
    "FileOptions",
    "Files",
    "Options",
    "Output",
    "ReadOptions",
    "Settings",
    "TrackedOutput",
    "option",
    "required",
    "spelled",
]
