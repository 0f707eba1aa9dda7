"""The application: what a request holds, what it is answered, and how errors are said."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

import ner_distill
from ner_distill.data.formats.splitting import Splitter, in_whole, sentences_of, splitter_of
from ner_distill.errors import ConfigError, NerDistillError, did_you_mean, harmless
from ner_distill.options.serving import Limits
from ner_distill.serving.batcher import Batcher, Closed, Job
from ner_distill.serving.guard import Guard, Refused
from ner_distill.serving.page import Page
from ner_distill.tagger import Answering, Entity

SHOWN = 60
"""Characters of a wrong value that a message repeats."""
Probability = Annotated[float, Field(ge=0, le=1, strict=True, allow_inf_nan=False)]


class Question(BaseModel):
    """Texts in which to find entities."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"texts": ["Ana lives in Madrid."], "min_score": 0.5}]},
    )

    texts: list[str] | None = Field(None, description="Texts, best a sentence each. Either this or `text`.")
    text: str | None = Field(None, description="One text. Either this or `texts`.")
    min_score: Probability | dict[str, Probability] | Literal["stored"] | None = Field(
        None,
        description="Leave out entities of a lower score: a number, a number by label, or `stored` for the thresholds "
        "that the model has.",
    )
    split_sentences: bool = Field(False, description="Cut each text into sentences, which are asked about one by one.")
    lang: str | None = Field(
        None, description="Language of the texts (es, de, zh), for abbreviations where they are cut into sentences."
    )


class Found(BaseModel):
    """An entity. `start` and `end` count characters (code points) of the text, `end` exclusive."""

    start: int
    end: int
    label: str
    text: str
    score: float = Field(description="How probable it is that the entity is right, 0 to 1.")


class Answer(BaseModel):
    """For each text its entities, in order."""

    model: str
    entities: list[list[Found]]


class Health(BaseModel):
    """Whether requests are answered, and by what."""

    status: Literal["ok", "stopped"]
    model: str
    labels: list[str]
    version: str


class Problem(BaseModel):
    """What was wrong, and what to do."""

    error: str


PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "No JSON."},
    408: {"model": Problem, "description": "The request did not come in time."},
    413: {"model": Problem, "description": "Too many bytes."},
    415: {"model": Problem, "description": "Not said to be JSON."},
    422: {"model": Problem, "description": "Not the keys and values expected, too many texts, or a text too long."},
    500: {"model": Problem, "description": "The model failed."},
    503: {"model": Problem, "description": "Too much to do, or stopping: ask again later."},
    504: {"model": Problem, "description": "Not computed in time."},
}


def create_app(
    model: Answering, name: str, limits: Limits, *, page: Page | None = None, cors: Sequence[str] = ()
) -> FastAPI:
    """The application that answers with a model, from its start to its shutdown on one thread that owns it.

    name: what answers call the model. page: what / shows. cors: origins whose pages may ask.
    """
    batcher = Batcher(model, wait=limits.batch_wait / 1000)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(batcher.close, limits.timeout)

    # The pages of FastAPI at /docs load scripts from elsewhere.
    app = FastAPI(
        title="ner-distill",
        version=ner_distill.__version__,
        description=f"Named entities by {name}: {', '.join(model.labels)}.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.batcher = batcher
    app.add_middleware(Guard, limits=limits)
    if cors:  # outside: what is refused has its headers as well
        app.add_middleware(
            CORSMiddleware, allow_origins=list(cors), allow_methods=["GET", "POST"], allow_headers=["content-type"]
        )
    _say_errors_as_json(app)

    @app.post("/predict", response_model=Answer, responses=PROBLEMS)
    async def predict(question: Question, request: Request) -> JSONResponse:
        """Find the entities of texts."""
        texts, least, splitter = _checked(question, model, limits)
        cut = [sentences_of(text, splitter) for text in texts]
        try:
            job = batcher.submit([sentence for sentences, _ in cut for sentence in sentences])
        except Closed:
            raise _STOPPING from None
        answers = iter(await _in_time(job, request.scope["deadline"], limits.timeout))
        found = [in_whole(list(islice(answers, len(starts))), starts) for _, starts in cut]
        entities = [[_as_json(one) for one in own if one.score >= least.get(one.label, 0.0)] for own in found]
        return JSONResponse({"model": name, "entities": entities})

    @app.get("/health", response_model=Health, responses={503: {"model": Health}})
    async def health() -> JSONResponse:
        """Whether requests are answered."""
        status: Literal["ok", "stopped"] = "ok" if batcher.alive else "stopped"
        answer = Health(status=status, model=name, labels=list(model.labels), version=ner_distill.__version__)
        return JSONResponse(answer.model_dump(), 200 if batcher.alive else 503)

    @app.get("/", include_in_schema=False)
    async def front() -> HTMLResponse:
        if page is None:
            raise HTTPException(404)
        return HTMLResponse(page.content, headers=page.headers)

    return app


_STOPPING = Refused(503, "the server is stopping: ask again when it has started", later=True)


_HALF = re.compile("[\ud800-\udfff]")
EXAMPLE = '{"texts": ["A sentence."]}'


def _checked(
    question: Question, model: Answering, limits: Limits
) -> tuple[list[str], Mapping[str, float], Splitter | None]:
    """The texts, by label the least score, and what cuts the texts. Raises Refused for what types do not tell."""
    if (question.texts is None) == (question.text is None):
        raise Refused(422, f'expected either texts, as {EXAMPLE}, or text, as {{"text": "A sentence."}}')
    texts = question.texts if question.texts is not None else [question.text or ""]
    if len(texts) > limits.max_texts:
        raise Refused(
            422,
            f"texts: expected at most {limits.max_texts:,}, found {len(texts):,}: send them in several requests, or "
            "start the server with a larger --max-texts",
        )
    for number, text in enumerate(texts):
        if half := _HALF.search(text):
            raise Refused(422, f"texts.{number}: character {half.start()} is half a surrogate pair: send both halves")
        if len(text) > limits.max_text:
            raise Refused(
                422,
                f"texts.{number}: expected at most {limits.max_text:,} characters, found {len(text):,}: send its "
                "sentences as texts of their own, or start the server with a larger --max-text",
            )
    try:
        splitter = splitter_of(question.lang, split_sentences=question.split_sentences)
        return texts, model.thresholds(question.min_score), splitter
    except (ValueError, ConfigError) as error:
        raise Refused(422, str(error).replace("`", "")) from None


async def _in_time(job: Job, deadline: float, timeout: float) -> list[list[Entity]]:
    """The answers of a job. Raises Refused where they do not come by the deadline, or the model fails."""
    try:
        async with asyncio.timeout(deadline - time.monotonic()):
            return await asyncio.wrap_future(job.future)
    except TimeoutError:
        if not job.begun:
            raise Refused(
                503,
                f"the server is busy: the request waited for {timeout:g} s and was not begun; ask again later",
                later=True,
            ) from None
        raise Refused(
            504,
            f"the texts were not answered within {timeout:g} s: send fewer in a request, or start the server with a "
            "larger --timeout",
        ) from None
    except Closed:
        raise _STOPPING from None
    except Exception:  # the thread of the model printed it
        raise Refused(
            500, "the model failed on these texts; the server's output says how. Others are not concerned"
        ) from None


def _as_json(entity: Entity) -> dict[str, Any]:
    return {**entity._asdict(), "score": round(entity.score, 4)}


def _say_errors_as_json(app: FastAPI) -> None:
    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> JSONResponse:
        return JSONResponse({"error": harmless(error.message)}, error.status, error.headers)

    @app.exception_handler(RequestValidationError)
    async def wrong(request: Request, error: RequestValidationError) -> JSONResponse:
        problems = error.errors()
        status = 400 if any(one["type"] == "json_invalid" for one in problems) else 422
        return JSONResponse({"error": harmless("; ".join(dict.fromkeys(map(_said, problems))))}, status)

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> JSONResponse:
        message = str(error.detail)
        if error.status_code == 400:
            message = f"the request cannot be read as JSON: expected an object, as {EXAMPLE}"
        if error.status_code in (404, 405):
            asked = f"{request.method} {request.url.path}"
            message = f"{harmless(asked)}: there are POST /predict, GET /health, GET / and GET /openapi.json"
        return JSONResponse({"error": message}, error.status_code, error.headers)

    @app.exception_handler(NerDistillError)
    async def unusable(request: Request, error: NerDistillError) -> JSONResponse:
        return JSONResponse({"error": harmless(str(error))}, 500)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": "the server failed; its output says how"}, 500)


def _said(problem: Mapping[str, Any]) -> str:
    """One problem that pydantic found: where, what was expected, what was found."""
    where = ".".join(str(part) for part in problem["loc"][1:])
    if problem["type"] == "json_invalid":
        return f"expected JSON, found something else at character {where}: {problem.get('ctx', {}).get('error', '')}"
    if not where:
        return f"expected a JSON object, as {EXAMPLE}, found something else"
    if problem["type"] == "extra_forbidden":
        return harmless(f"{where:.{SHOWN}}: no such key; {did_you_mean(where, Question.model_fields, 'there are')}")
    if where.startswith("min_score"):  # one of several types: each says what it expected
        return f"min_score: expected a number from 0 to 1, such a number by label, or stored{_found(problem)}"
    return f"{where}: {problem['msg'][:1].lower()}{problem['msg'][1:]}{_found(problem)}"


def _found(problem: Mapping[str, Any]) -> str:
    value = problem.get("input")
    return f", found {harmless(ascii(value))[:SHOWN]}" if isinstance(value, str | int | float | bool) else ""
