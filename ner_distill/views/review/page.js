// The page: what is shown of the current entity, and what keys and buttons do.

let whole = false; // is the whole sentence shown?

function select(item) {
  if (item !== current) {
    draft = null;
    whole = false;
    together = false;
  }
  current = item;
  if (item) scrollTo(item);
  draw();
}

function drawDetail() {
  const { sentence, entity, key, rank } = current;
  const decided = decisions.get(key);
  $("rank").textContent = `#${number.format(rank + 1)} of ${number.format(items.length)}`;
  $("id").textContent = sentence.id;
  $("voting").textContent = `voting: ${entity.decision}`;
  $("verdict").className = decided ? `verdict ${decided.decision}` : "verdict";
  $("verdict").textContent = decided ? `${SIGNS[decided.decision]} ${STATES[decided.decision]}` : "to do";
  const name = element("bdi", "", short(wordsOf(sentence, entity), 160));
  const source = entity.given ? "labelled in the data" : "not in the data, found by models";
  const doubt = element("span", "doubt", `suspicion ${exactly(entity.suspicion)}`);
  $("claim").replaceChildren(chip(entity.label), name, ...becameOf(decided), element("span", "source", source), doubt);
  const mine = draft?.spans ?? (decided?.decision === "correct" ? decided.spans : [entity]);
  const range = windowOf(sentence, [entity, ...mine], whole);
  drawSentence($("sentence"), sentence, marksOf(mine, decided), range);
  const cut = windowOf(sentence, [entity, ...mine], false);
  const hidden = sentence.words.length - (cut[1] - cut[0]);
  const long = sentence.words.some((word) => word.length > LONGEST);
  $("whole").hidden = !hidden && !long;
  const unit = page.separator ? "word" : "character";
  const more = hidden ? `Show ${plural(hidden, `more ${unit}`)}` : "Show long words";
  $("whole").firstElementChild.textContent = whole ? "Show less" : more;
  drawEvidence(mine);
  drawOthers();
  drawActions(decided);
}

// What a correction made of the entity.
function becameOf(decided) {
  if (decided?.decision !== "correct") return [];
  const box = element("span", "became");
  for (const span of decided.spans) {
    box.append(element("span", "to", box.hasChildNodes() ? "+" : "→"), chip(span.label));
    box.append(element("bdi", "", short(wordsOf(current.sentence, span), 80)));
  }
  return [box];
}

// The entities of the sentence as decided so far, and on top of them what is asked about, or what is made of it.
function marksOf(mine, decided) {
  const { sentence, entity } = current;
  const edited = Boolean(draft) || decided?.decision === "correct";
  const marks = [];
  // the one that is asked about first: of two that are the same it is the one to show
  for (const one of [entity, ...sentence.entities.filter((other) => other !== entity)]) {
    const other = one === entity ? undefined : decisions.get(keyOf(sentence.id, one));
    if (other?.decision === "reject") continue;
    const spans = other?.decision === "correct" ? other.spans : [one];
    const kind = other || one.given ? "data" : "found";
    for (const span of spans.filter((span) => !marks.some((mark) => sameSpan(mark, span)))) {
      marks.push({
        ...plainSpan(span),
        kind,
        focus: one === entity && !edited,
        struck: one === entity && decided?.decision === "reject",
      });
    }
  }
  const suggested = (entity.instead ?? []).filter((one) => !marks.some((mark) => sameSpan(mark, one)));
  marks.push(...suggested.map((one) => ({ ...plainSpan(one), kind: "found" })));
  if (edited) marks.push(...mine.map((one, index) => ({ ...plainSpan(one), kind: "yours", focus: !draft || index === draft.active })));
  return marks;
}

// The entity, and every other one that shares a word with it (or with what it is to become).
function drawEvidence(mine) {
  const { sentence, entity } = current;
  const touches = (one) => [entity, ...mine].some((span) => one.start_word < span.end_word && span.start_word < one.end_word);
  const suggested = entity.instead ?? [];
  const isSuggested = (one) => suggested.some((other) => sameSpan(one, other));
  const others = sentence.entities.filter((one) => one !== entity && (touches(one) || isSuggested(one)));
  const unknown = suggested.filter((one) => !sentence.entities.some((other) => sameSpan(one, other)));
  const rows = [entity, ...others.sort((one, other) => other.prob - one.prob), ...unknown].map((one) => {
    const row = element("tr", one === entity ? "this" : "");
    const what = element("td", "what");
    const words = element("bdi", "", short(wordsOf(sentence, one), 80));
    const sign = one === entity ? undefined : decisions.get(keyOf(sentence.id, one))?.decision;
    what.append(chip(one.label), " ", words);
    if (sign) what.append(element("span", `sign ${sign}`, ` ${SIGNS[sign]}`));
    const item = itemOf.get(keyOf(sentence.id, one));
    if (one !== entity && item && sameSpan(item.entity, one)) {
      const go = element("button", "quiet", "open");
      go.type = "button";
      go.setAttribute("aria-label", `Go to ${one.label}: ${words.textContent}`);
      go.onclick = () => select(item);
      what.append(" ", go);
    }
    const by = one.given ? "the data" : isSuggested(one) ? "models, instead" : "models";
    const cells = [element("td", "by", by), element("td"), element("td")];
    if (one.of !== undefined) {
      cells[1].append(votesOf(one));
      cells[2].append(probabilityOf(one.prob));
    }
    row.append(what, ...cells);
    return row;
  });
  $("evidence").tBodies[0].replaceChildren(...rows);
}

function drawActions(decided) {
  const { entity, sentence } = current;
  $("actions").hidden = Boolean(draft);
  $("editor").hidden = !draft;
  $("accept").lastElementChild.textContent = entity.given ? "Right, keep it" : "Right, add it";
  $("reject").lastElementChild.textContent = entity.given ? "No entity, remove it" : "No entity";
  for (const name of Object.keys(STATES)) $(name).setAttribute("aria-pressed", String(decided?.decision === name));
  const suggested = entity.instead ?? [];
  $("suggest").hidden = suggested.length === 0;
  const text = suggested.map((one) => `${one.label} ${short(wordsOf(sentence, one), 24)}`).join(" + ");
  $("suggest").lastElementChild.textContent = text;
  $("suggest").setAttribute("aria-label", `Correct it to what the models say: ${text}`);
  $("suggest").title = "Correct it to what the models say";
  if (!draft) return;
  drawTypes(active().label);
  $("drop").disabled = draft.spans.length < 2;
}

function settle(decision, spans = []) {
  const at = place();
  const before = view;
  const done = current;
  draft = null;
  // What this became may be asked about as well, as found by models: it is answered with it.
  const same = spans.map((span) => keyOf(done.sentence.id, span)).filter((key) => itemOf.has(key) && !decisions.has(key));
  const answered = same.filter((key) => key !== done.key).map((key) => [key, { decision: "accept", spans: [] }]);
  const others = sameForOthers(done, decision, spans).filter(([key]) => !answered.some(([known]) => known === key));
  decide([[done.key, { decision, spans: spans.map(plainSpan) }], ...answered, ...others]);
  warnIfNotKept();
  filter();
  const next = openBehind(before, at);
  const count = doneCount();
  say(`${STATES[decision]}: ${wordsOf(done.sentence, done.entity)}. ${count} of ${items.length} decided.`);
  if (count === items.length) notice("Everything is decided. Export the decisions, and merge them with ner-distill apply-review.", "good");
  select(next ?? (view.includes(done) ? done : view[0] ?? null));
}

function correct(change = () => {}) {
  const decided = decisions.get(current.key);
  if (!draft) startDraft(decided?.decision === "correct" ? decided.spans : [current.entity]);
  change();
  draw();
}

function save() {
  const unique = draft.spans.filter((span, index) => draft.spans.findIndex((other) => sameSpan(span, other)) === index);
  const same = unique.length === 1 && sameSpan(unique[0], current.entity);
  if (same) settle("accept"); // corrected into itself: it is right as it is
  else settle("correct", unique.sort((one, other) => one.start_word - other.start_word));
}

function back() {
  const changed = undo();
  if (!changed) return;
  filter();
  say("undone");
  draft = null;
  select(itemOf.get(changed[0][0]));
}
