// The page: what is shown of the current sentence, and what becomes of an answer.

const UNSURE = 0.25; // doubt from which on a word is marked

function select(item, span) {
  current = item;
  drag = null;
  if (item) {
    focus = span ?? firstToAsk(item);
    scrollTo(item);
  }
  draw();
}

// The entity with the most doubtful word.
function firstToAsk(item) {
  const { doubt } = item.sentence;
  const most = (span) => Math.max(...doubt.slice(span.start_word, span.end_word));
  const spans = inOrder(spansOf(item));
  return spans.reduce((best, span) => (best === null || most(span) > most(best) ? span : best), null);
}

// After a change of the entities: what the filters leave may be other sentences, but the current one stays shown.
function changed() {
  warnIfNotKept();
  draw();
}

function drawDetail() {
  const { sentence, rank } = current;
  const state = stateOf(current);
  $("rank").textContent = `#${number.format(rank + 1)} of ${number.format(items.length)}`;
  $("id").textContent = sentence.id;
  $("worth").textContent = `worth ${worthOf(sentence)}`;
  $("verdict").className = state === "open" ? "" : `verdict ${state}`;
  $("verdict").textContent = state === "open" ? (isCorrected(current) ? "changed, to do" : "to do") : `${SIGNS[state]} ${STATES[state]}`;
  drawSentenceNow();
  drawEntities();
  drawElsewhere();
  drawTypes(focus?.label ?? lastLabel);
  const chosen = Boolean(focus);
  for (const button of document.querySelectorAll("[data-move]")) button.disabled = !chosen;
  $("drop").disabled = !chosen;
  $("drop").firstElementChild.textContent = chosen && !has(focus) ? "Put back" : "Remove";
  const count = spansOf(current).length;
  const right = count ? `All right: ${plural(count, "entity", "entities")}` : "Right: no entity in it";
  $("accept").lastElementChild.textContent = right;
  $("accept").setAttribute("aria-pressed", String(state !== "open"));
  $("empty").hidden = count === 0;
}

function drawSentenceNow() {
  const { sentence } = current;
  const coming = dragged();
  const spans = spansOf(current).filter((one) => !(coming && (clash(one, coming) || (drag.span && sameSpan(one, drag.span)))));
  const known = (span) => sentence.entities.some((one) => sameSpan(one, span));
  const marks = spans.map((span) => ({
    ...plainSpan(span),
    kind: known(span) ? "data" : "yours",
    focus: !coming && Boolean(focus) && sameSpan(span, focus),
  }));
  if (coming) marks.push({ ...coming, kind: "yours", focus: true });
  else if (focus && !has(focus)) marks.push({ ...plainSpan(focus), kind: "found", focus: true, struck: true });
  drawSentence($("sentence"), sentence, marks, [0, sentence.words.length]);
  for (const word of $("sentence").querySelectorAll("[data-word]")) {
    const doubt = sentence.doubt[Number(word.dataset.word)];
    if (doubt >= UNSURE) word.classList.add("unsure");
    if (doubt >= UNSURE) word.title = `doubt ${doubt.toFixed(2)}`;
  }
}

function drawEntities() {
  const { sentence } = current;
  const rows = listed().map((span) => {
    const found = sentence.entities.find((one) => sameSpan(one, span));
    const before = found ? undefined : proposalOf(span);
    const there = has(span);
    const row = element("tr", [focus && sameSpan(span, focus) ? "this" : "", there ? "" : "gone"].join(" ").trim());
    const what = element("td", "what");
    const choose = element("button", "choose");
    choose.type = "button";
    choose.setAttribute("aria-pressed", String(Boolean(focus) && sameSpan(span, focus)));
    choose.append(...(before ? [chip(before.label), element("span", "to", " → ")] : []), chip(span.label), " ");
    choose.append(element("bdi", "", short(wordsOf(sentence, span), 80)));
    choose.onclick = () => ((focus = span), draw());
    what.append(choose);
    const by = element("td", "by", there ? (found ? "teacher" : "you") : "taken out");
    if (found && !found.kept && there) by.append(element("span", "doubt", "voting dropped it"));
    const sure = element("td");
    if (found ?? before) sure.append(probabilityOf((found ?? before).prob));
    row.append(what, by, sure);
    return row;
  });
  $("evidence").tBodies[0].replaceChildren(...rows);
  $("evidence").hidden = rows.length === 0;
  $("nothing").hidden = rows.length > 0;
}

function drawElsewhere() {
  const { places, label, was } = sameElsewhere();
  $("same").hidden = places.length === 0;
  if (places.length) {
    const to = label === null ? "no entity" : label;
    const from = was === null ? "not marked" : was;
    $("same").lastElementChild.textContent = `The same for the other ${number.format(places.length)} (${from} → ${to})`;
  }
  if (!focus) {
    $("elsewhere").hidden = true;
    return;
  }
  const spansAt = (one) => spansOf(itemOfSentence.get(one.sentence)).filter((span) => sameWords(span, one));
  drawOccurrences(occurrencesOf(current.sentence, focus), {
    stateOf: (one) => {
      const own = spansAt(one);
      const item = itemOfSentence.get(one.sentence);
      const within = spansOf(item).find((span) => overlap(span, one));
      const sign = element("span", `sign ${stateOf(item)}`, ` ${SIGNS[stateOf(item)]} `);
      if (own.length) return [...own.map(({ label: type }) => chip(type)), sign];
      const text = within ? "in another entity" : "no entity";
      return [element("span", "none-of-it", text), sign];
    },
    labelOf: (one) => spansAt(one)[0]?.label,
    open: (one) => {
      const item = itemOfSentence.get(one.sentence);
      return item !== current && (() => select(item, spansAt(one)[0]));
    },
  });
}

// Accepts the sentence as it is now, and goes on to the next that is to do.
function accept(spans = spansOf(current)) {
  const at = place();
  const before = view;
  const done = current;
  decide([withSpans(done, spans, true)]);
  warnIfNotKept();
  filter();
  const next = openBehind(before, at);
  const count = doneCount();
  say(`${STATES[stateOf(done)]}. ${count} of ${items.length} sentences done.`);
  if (count === items.length) notice("Every sentence is done. Export them, and make training data with ner-distill apply-review.", "good");
  select(next ?? (view.includes(done) ? done : view[0] ?? null));
}

function back() {
  const undone = undo();
  if (!undone) return;
  filter();
  say("undone");
  select(undone.length === 1 ? itemOf.get(undone[0][0]) : current);
}
