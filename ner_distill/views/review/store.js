// What is asked, what was decided, and where that is kept.

const keyOf = (id, entity) => JSON.stringify([id, entity.start_word, entity.end_word, entity.label]);
const wordsOf = (sentence, span) => sentence.words.slice(span.start_word, span.end_word).join(page.separator);
const sameSpan = (one, other) =>
  one.start_word === other.start_word && one.end_word === other.end_word && one.label === other.label;
const plainSpan = ({ start_word, end_word, label }) => ({ start_word, end_word, label });

const items = page.queue.map(([s, e], rank) => {
  const sentence = page.sentences[s];
  const entity = sentence.entities[e];
  return { rank, place: s, sentence, entity, key: keyOf(sentence.id, entity) };
});
const itemOf = new Map(items.map((item) => [item.key, item]));

const decisions = new Map(); // key -> {decision, spans}
const past = []; // lists of [key, decision before]
const STORED = `ner-distill review ${page.key}`;
let kept = true; // does the browser keep the decisions?
let exported = true; // would closing the page lose nothing, even if it does not?

// Sets decisions ([key, decision or null]) as one step that can be undone.
function decide(changes) {
  past.push(changes.map(([key]) => [key, decisions.get(key) ?? null]));
  put(changes);
}

function undo() {
  const before = past.pop();
  if (before) put(before);
  return before;
}

function put(changes) {
  for (const [key, value] of changes) {
    if (value) decisions.set(key, value);
    else decisions.delete(key);
  }
  exported = false;
  keep();
}

function keep() {
  try {
    localStorage.setItem(STORED, JSON.stringify([...decisions]));
    kept = true;
  } catch {
    kept = false;
  }
}

// What an earlier visit (or another tab) left. Returns false where the browser keeps nothing for this page.
function recall() {
  try {
    const stored = JSON.parse(localStorage.getItem(STORED) ?? "[]");
    decisions.clear();
    for (const [key, value] of stored) if (itemOf.has(key)) decisions.set(key, value);
    localStorage.setItem(STORED, JSON.stringify([...decisions]));
  } catch {
    kept = false;
  }
  return kept;
}

// For which entities of a sentence voting masked words or lowered its weight.
const doubtsOf = (sentence) =>
  sentence.entities
    .filter(({ decision }) => decision === "mask" || decision === "weight")
    .map((one) => ({ ...plainSpan(one), decision: one.decision }));

// The decisions as JSON Lines: sentences as in the data, a line each.
function exportText() {
  const lines = new Map();
  const decided = items.filter((item) => decisions.has(item.key));
  decided.sort((one, other) => one.place - other.place || one.entity.start_word - other.entity.start_word);
  for (const { place, sentence, entity, key } of decided) {
    if (!lines.has(place)) {
      const doubts = doubtsOf(sentence);
      const line = { id: sentence.id, hash: sentence.hash, decisions: [] };
      if (doubts.length) line.doubts = doubts;
      if (sentence.weight !== 1) line.weight = sentence.weight;
      lines.set(place, line);
    }
    const { decision, spans } = decisions.get(key);
    lines.get(place).decisions.push({ ...plainSpan(entity), decision, spans: spans.map(plainSpan) });
  }
  return [...lines.values()].map((line) => `${JSON.stringify(line)}\n`).join("");
}

// Takes over what was exported. Returns how many decisions came in and how many this page has no place for.
function importText(text) {
  const hashes = new Map(page.sentences.map((sentence) => [sentence.id, sentence]));
  const changes = [];
  let others = 0;
  text.split(/\r?\n/).forEach((line, index) => {
    if (!line.trim()) return;
    const { id, hash, decisions: found } = parsed(line, index + 1);
    const sentence = hashes.get(id);
    for (const one of found) {
      const key = keyOf(id, one);
      const known = sentence && sentence.hash === hash && itemOf.has(key) && usable(one, sentence.words.length);
      if (known) changes.push([key, { decision: one.decision, spans: (one.spans ?? []).map(plainSpan) }]);
      else others += 1;
    }
  });
  if (changes.length) decide(changes);
  return { taken: changes.length, others };
}

function parsed(line, number) {
  try {
    const record = JSON.parse(line);
    if (typeof record.id === "string" && Array.isArray(record.decisions)) return record;
  } catch {
    // said below
  }
  throw new Error(`line ${number} is no exported decision`);
}

function usable({ decision, spans = [] }, words) {
  const inside = (span) =>
    Number.isInteger(span.start_word) && Number.isInteger(span.end_word) && typeof span.label === "string" &&
    0 <= span.start_word && span.start_word < span.end_word && span.end_word <= words;
  if (!Array.isArray(spans) || !spans.every(inside)) return false;
  return decision === "correct" ? spans.length > 0 : decision === "accept" || decision === "reject";
}
