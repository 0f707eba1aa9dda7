# A model that `ner-distill export` wrote, with what it needs to run and nothing else:
#
#     ner-distill export runs/student --out exported --int8
#     docker build --build-arg MODEL=exported --tag entities .
#     docker run --rm --interactive --network none entities < text.txt > entities.jsonl
#
# A line of text is a sentence; of each comes a line of JSON. Options of tagger.py stand behind the name: `entities
# --min-score 0.5`. A model with a pretrained encoder needs one package more: --build-arg EXTRA=tokenizers.
FROM python:3.11-slim

ARG EXTRA=""
RUN pip install --no-cache-dir --no-compile numpy onnxruntime $EXTRA

ARG MODEL=exported
COPY $MODEL /model

USER nobody
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
ENTRYPOINT ["python", "/model/tagger.py"]
