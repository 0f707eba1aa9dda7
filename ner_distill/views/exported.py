"""What `export` wrote, in a few lines."""

from __future__ import annotations

from ner_distill.pipelines.exporting.export import Exported


def render(done: Exported) -> str:
    """How large it is, how it compares with the run, and how it is used."""
    lines = [f"{done.directory}: the model has {done.size / 1e6:.2f} MB"]
    kind = "sentences" if done.real else "made-up sentences of its own words (give --check FILE for real ones)"
    lines.append(f"  the same entities as the run in {done.equal:,} of {done.sentences:,} {kind}")
    if done.farthest is not None:
        lines.append(f"  scores within {done.farthest:.1g} of the run's")
    if done.f1 is not None:
        lines.append(f"  F1 {100 * done.f1[1]:.2f}; the run's is {100 * done.f1[0]:.2f}")
    lines.append(f"  try: echo 'A sentence.' | python {done.directory}/tagger.py")
    if done.page is not None:
        lines.append(f"  open in a browser: {done.page}")
    return "\n".join(lines)
