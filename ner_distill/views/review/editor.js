// Correcting an entity: a draft of one span or several, of which one is being moved.

let draft = null; // {spans, active}
let drag = null; // {anchor, moved}

const active = () => draft.spans[draft.active];

function startDraft(spans) {
  draft = { spans: spans.map(plainSpan), active: 0 };
}

function moveBorder(border, by) {
  draft.spans[draft.active] = withBorder(active(), border, by, current.sentence.words.length);
}

// Another entity: the first word behind this one that no entity of the draft has, else one before.
function addSpan() {
  const words = current.sentence.words.length;
  const taken = (place) => draft.spans.some((span) => span.start_word <= place && place < span.end_word);
  const places = [...Array(words).keys()];
  const place = places.find((one) => one >= active().end_word && !taken(one)) ?? places.find((one) => !taken(one));
  if (place === undefined) return;
  draft.active = draft.spans.push({ start_word: place, end_word: place + 1, label: active().label }) - 1;
}

function dropSpan() {
  if (draft.spans.length < 2) return;
  draft.spans.splice(draft.active, 1);
  draft.active = 0;
}

// A click on a word while correcting: outside the entity it grows up to there, inside its nearer border moves there.
function clickWord(place) {
  const other = draft.spans.findIndex(
    (span, index) => index !== draft.active && span.start_word <= place && place < span.end_word,
  );
  if (other >= 0) {
    draft.active = other;
    return;
  }
  const span = active();
  if (place < span.start_word) span.start_word = place;
  else if (place >= span.end_word) span.end_word = place + 1;
  else if (place - span.start_word < span.end_word - 1 - place) span.start_word = place;
  else span.end_word = place + 1;
}

// Dragging from a border moves it; from anywhere else it chooses anew.
function dragStart(event) {
  const place = event.button === 0 ? wordAt(event) : null;
  if (place === null) return;
  const span = draft ? active() : null;
  let anchor = place;
  if (span && place === span.start_word) anchor = span.end_word - 1;
  else if (span && place === span.end_word - 1) anchor = span.start_word;
  drag = { anchor, from: place, moved: false };
}

// Returns true where the draft changed.
function dragTo(event) {
  const place = drag ? wordAt(event) : null;
  if (place === null || (!drag.moved && place === drag.from)) return false;
  drag.moved = true;
  if (!draft) startDraft([current.entity]);
  active().start_word = Math.min(drag.anchor, place);
  active().end_word = Math.max(drag.anchor, place) + 1;
  return true;
}
