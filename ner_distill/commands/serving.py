"""A model for other programs."""

from __future__ import annotations

from ner_distill.commands.declare import command, group
from ner_distill.options.serving import ServeOptions

commands = group()


@command(commands, "serve", short_help="a model that answers over HTTP")
def serve(options: ServeOptions) -> None:
    """Answer over HTTP: POST /predict finds the entities of texts, / is a page to try it on.

    MODEL is a run, or a directory that export wrote, which is faster and starts sooner. A request is JSON,
    {"texts": ["A sentence.", ...]} or {"text": "A sentence."}, with "min_score" where only surer entities are wanted.
    Requests that come while others are computed are answered together. GET /health tells whether it runs,
    /openapi.json describes it all. There is no password: it is reached from this machine only, unless --host says
    otherwise.

    It needs: pip install 'ner-distill[serve]'. Ctrl-C or SIGTERM stop it once those that wait are answered.

    Example: ner-distill serve exported --port 8000
    """
    from ner_distill.serving.server import serve as run

    run(options)
