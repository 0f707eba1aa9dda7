// Decisions: what one is about, and where they are kept. A page has `items`, and `itemOf`, which finds one by its key.

const keyOf = (id, entity) => JSON.stringify([id, entity.start_word, entity.end_word, entity.label]);
const wordsOf = (sentence, span) => sentence.words.slice(span.start_word, span.end_word).join(page.separator);
const sameSpan = (one, other) =>
  one.start_word === other.start_word && one.end_word === other.end_word && one.label === other.label;
const plainSpan = ({ start_word, end_word, label }) => ({ start_word, end_word, label });
// The span with a border moved by words: it keeps at least one, and stays in its sentence.
const withBorder = (span, border, by, words) =>
  border === "start"
    ? { ...plainSpan(span), start_word: Math.min(span.end_word - 1, Math.max(0, span.start_word + by)) }
    : { ...plainSpan(span), end_word: Math.max(span.start_word + 1, Math.min(words, span.end_word + by)) };
const isSpan = (span, words) =>
  Number.isInteger(span.start_word) && Number.isInteger(span.end_word) && typeof span.label === "string" &&
  0 <= span.start_word && span.start_word < span.end_word && span.end_word <= words;

const decisions = new Map(); // key -> what was decided
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

// Pages that show other parts of the same votes or store keep theirs at the same place: what they have there stays.
function keep() {
  try {
    const others = JSON.parse(localStorage.getItem(STORED) ?? "[]").filter(([key]) => !itemOf.has(key));
    localStorage.setItem(STORED, JSON.stringify([...others, ...decisions]));
    kept = true;
  } catch {
    kept = false;
  }
}

// What an earlier visit (or another tab) left. Returns false where the browser keeps nothing for this page.
function recall() {
  try {
    const stored = localStorage.getItem(STORED) ?? "[]";
    decisions.clear();
    for (const [key, value] of JSON.parse(stored)) if (itemOf.has(key)) decisions.set(key, value);
    localStorage.setItem(STORED, stored);
  } catch {
    kept = false;
  }
  return kept;
}

// The record of a line of an exported file; what: the key of its list.
function parsed(line, number, what) {
  try {
    const record = JSON.parse(line);
    if (typeof record.id === "string" && Array.isArray(record[what])) return record;
  } catch {
    // said below
  }
  throw new Error(`line ${number} is no exported decision`);
}

function download() {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([exportText()], { type: "application/x-ndjson" }));
  link.download = `review-${page.name.replace(/[^\p{L}\p{N}._-]+/gu, "-")}.jsonl`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  exported = true;
  notice(`Exported ${exportedWhat()} as ${link.download}: ner-distill apply-review merges them.`, "good");
}

function warnIfNotKept() {
  if (!kept) notice("This browser keeps nothing for this page: export your decisions before you close it.", "bad");
}
