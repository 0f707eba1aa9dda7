// Changing the entities of the current sentence. Every change is a step that can be undone.

let focus = null; // the span that is worked on: one of the sentence, or one of the teacher's that was taken out
let drag = null; // {from, anchor, span, to}
let lastLabel = page.labels[0]; // of what is added

const has = (span) => Boolean(span) && spansOf(current).some((one) => sameSpan(one, span));
const clash = (one, span) => (page.nested ? sameSpan(one, span) : overlap(one, span));

// What the table lists: the entities, and those of the teacher that were taken out, in the order of the sentence.
function listed() {
  const spans = spansOf(current);
  const gone = current.sentence.entities.filter((one) => !spans.some((span) => sameSpan(span, one)));
  const replaced = (one) => spans.some((span) => sameWords(span, one)); // by another type: that one says so
  return inOrder([...spans, ...gone.filter((one) => !replaced(one))]);
}

const proposalOf = (span) => current.sentence.entities.find((one) => sameWords(one, span));

function change(spans, next) {
  decide([withSpans(current, spans)]);
  focus = next;
  changed();
}

// An entity in the place of another (or of none). Where entities cannot nest, those that it overlaps go.
function replaceSpan(old, span) {
  if (old && sameSpan(old, span) && has(span)) return;
  const others = spansOf(current).filter((one) => !(old && sameSpan(one, old)) && !clash(one, span));
  lastLabel = span.label;
  change([...others, span], span);
}

function addSpan() {
  const free = (place) => !spansOf(current).some((span) => span.start_word <= place && place < span.end_word);
  const { words, doubt } = current.sentence;
  const places = [...words.keys()].filter(free);
  if (!places.length) return say("every word is in an entity");
  const most = places.reduce((best, place) => (doubt[place] > doubt[best] ? place : best), places[0]);
  return replaceSpan(null, { start_word: most, end_word: most + 1, label: lastLabel });
}

function toggleSpan() {
  if (!focus) return;
  if (has(focus)) change(spansOf(current).filter((one) => !sameSpan(one, focus)), focus);
  else replaceSpan(null, focus);
}

function relabel(label) {
  if (!focus) return void ((lastLabel = label), draw());
  replaceSpan(focus, { ...plainSpan(focus), label });
}

function moveBorder(border, by) {
  if (!focus) return;
  replaceSpan(focus, withBorder(focus, border, by, current.sentence.words.length));
}

function nextSpan(by) {
  const all = listed();
  if (!all.length) return;
  const at = focus ? all.findIndex((one) => sameSpan(one, focus)) : -1;
  focus = all[(at + by + (at < 0 && by < 0 ? 1 : 0) + all.length) % all.length];
  draw();
}

const spanAt = (place) => {
  const inside = spansOf(current).filter((span) => span.start_word <= place && place < span.end_word);
  return inside.sort((one, other) => one.end_word - one.start_word - (other.end_word - other.start_word))[0];
};

// Dragging from a border of an entity moves it; over other words it makes a new one. A click chooses, or makes one.
function dragStart(event) {
  const place = event.button === 0 ? wordAt(event) : null;
  if (place === null) return;
  const span = spanAt(place);
  drag = { from: place, anchor: place, span: null, to: null };
  if (span && place === span.end_word - 1) drag = { ...drag, anchor: span.start_word, span };
  else if (span && place === span.start_word) drag = { ...drag, anchor: span.end_word - 1, span };
}

function dragTo(event) {
  const place = drag ? wordAt(event) : null;
  if (place === null || (drag.to === null && place === drag.from) || place === drag.to) return;
  drag.to = place;
  drawSentenceNow();
}

// What the words under the pointer are about to become.
function dragged() {
  if (!drag || drag.to === null) return null;
  const [first, last] = [Math.min(drag.anchor, drag.to), Math.max(drag.anchor, drag.to)];
  return { start_word: first, end_word: last + 1, label: drag.span?.label ?? lastLabel };
}

function dragEnd() {
  if (!drag) return;
  const { from, span } = drag;
  const made = dragged();
  drag = null;
  if (made) return replaceSpan(span, made);
  const here = spanAt(from);
  if (!here) return replaceSpan(null, { start_word: from, end_word: from + 1, label: lastLabel });
  focus = here;
  draw();
}

// ---- the same for others

// What was done to the chosen entity, and to which other places in sentences that are to do it can be done as well:
// entities of the same words that have the type which this one had, or else places of these words without an entity.
function sameElsewhere() {
  if (!focus) return { places: [], label: null, was: null };
  const { sentence } = current;
  const was = proposalOf(focus)?.label ?? null;
  const label = has(focus) ? focus.label : null;
  const open = occurrencesOf(sentence, focus).filter((place) => {
    const item = itemOfSentence.get(place.sentence);
    return item !== current && !isDone(item);
  });
  const labelled = (type) => open.filter((place) => spansOf(itemOfSentence.get(place.sentence)).some((one) => sameSpan(one, { ...place, label: type })));
  const taken = new Map(); // sentence -> places before, from left to right, that are to be entities
  const bare = () => open.filter((place) => {
    const own = page.nested ? [] : taken.get(place.sentence) ?? taken.set(place.sentence, []).get(place.sentence);
    const free = ![...own, ...spansOf(itemOfSentence.get(place.sentence))].some((one) => overlap(one, place));
    if (free) own.push(place);
    return free;
  });
  if (was !== label && was !== null) {
    const places = labelled(was);
    if (places.length || label === null) return { places, label, was };
  }
  return { places: label === null ? [] : bare(), label, was: null };
}

function applyElsewhere() {
  const { places, label, was } = sameElsewhere();
  if (!places.length) return say("no other place to change");
  const spans = new Map(); // item -> its entities then
  for (const place of places) {
    const item = itemOfSentence.get(place.sentence);
    const kept = (spans.get(item) ?? spansOf(item)).filter((one) => !(was !== null && sameSpan(one, { ...place, label: was })));
    spans.set(item, label === null ? kept : [...kept, { ...plainSpan({ ...place, label }) }]);
  }
  decide([...spans].map(([item, own]) => withSpans(item, own, false)));
  const what = `${was ?? "no entity"} → ${label ?? "no entity"}`;
  notice(`“${short(wordsOf(current.sentence, focus), 40)}”: ${what} in ${plural(places.length, "other place")} of ${plural(spans.size, "sentence")}, which stay to do. Undo takes it back.`, "good", "same");
  changed();
}
