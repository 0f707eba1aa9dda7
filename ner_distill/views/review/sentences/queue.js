// The list of sentences: filtered, and drawn where it is looked at.

const ROW = 54; // px, as in the style
const SIGNS = { accept: "✓", correct: "✎", open: "" };
const STATES = { accept: "accepted", correct: "corrected", open: "to do" };
const CHIPS = 5; // types that a row names
let view = items; // what the filters leave, in order
let current = null; // the item that is shown

const lowered = new Map(); // sentence -> its text in lower case, made when it is first searched
function lowerText(sentence) {
  if (!lowered.has(sentence)) {
    lowered.set(sentence, `${sentence.words.join(page.separator)}\n${sentence.id}`.toLowerCase());
  }
  return lowered.get(sentence);
}

const stateTests = {
  "": () => true,
  open: (item) => !isDone(item),
  accept: (item) => stateOf(item) === "accept",
  correct: (item) => stateOf(item) === "correct",
  changed: (item) => !isDone(item) && isCorrected(item),
  empty: (item) => spansOf(item).length === 0,
  found: (item) => spansOf(item).length > 0,
  split: (item) => item.sentence.entities.some((one) => !one.kept),
};

function fillFilters() {
  $("type").append(new Option("All types", ""), ...page.labels.map((label) => new Option(label, label)));
  const groups = {
    "Your answer": { open: "To do", accept: "Accepted", correct: "Corrected", changed: "Changed, to do" },
    Entities: { found: "With entities", empty: "Without any" },
  };
  if (items.some(stateTests.split)) groups.Entities.split = "With one that voting dropped";
  $("state").append(new Option("All", ""));
  for (const [title, options] of Object.entries(groups)) {
    const group = element("optgroup");
    group.label = title;
    for (const [value, text] of Object.entries(options)) group.append(new Option(text, value));
    $("state").append(group);
  }
}

function filter() {
  const text = $("text").value.trim().toLowerCase();
  const type = $("type").value;
  const test = stateTests[$("state").value];
  view = items.filter(
    (item) =>
      (!type || spansOf(item).some(({ label }) => label === type)) && test(item) &&
      (!text || lowerText(item.sentence).includes(text)),
  );
  $("spacer").style.height = `${view.length * ROW}px`;
  const left = page.left_out ? `; ${number.format(page.left_out)} less useful ones left out` : "";
  $("shown").textContent =
    view.length === items.length
      ? `${plural(items.length, "sentence")}${left}`
      : `${number.format(view.length)} of ${number.format(items.length)} shown`;
}

// Draws the rows that can be seen, and some beyond.
function drawList() {
  const list = $("list");
  const first = Math.max(0, Math.floor(list.scrollTop / ROW) - 6);
  const last = Math.min(view.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + 6);
  const rows = [];
  for (let place = first; place < last; place += 1) rows.push(rowOf(view[place], place));
  $("spacer").replaceChildren(...rows);
  if (current && view.includes(current)) list.setAttribute("aria-activedescendant", `row-${current.rank}`);
  else list.removeAttribute("aria-activedescendant");
}

function rowOf(item, place) {
  const { sentence, rank } = item;
  const state = stateOf(item);
  const row = element("div", `row ${state}`);
  row.id = `row-${rank}`;
  row.dataset.rank = rank;
  row.style.top = `${place * ROW}px`;
  row.setAttribute("role", "option");
  row.setAttribute("aria-selected", String(item === current));
  row.setAttribute("aria-posinset", place + 1);
  row.setAttribute("aria-setsize", view.length);
  const line = element("div", "line");
  line.dir = directionOf(sentence);
  line.append(...lineOf(sentence, spansOf(item)));
  const facts = element("div", "facts");
  facts.append(element("span", "number", number.format(rank + 1)));
  const types = [...new Set(spansOf(item).map(({ label }) => label))];
  facts.append(...types.slice(0, CHIPS).map(chip));
  if (!types.length) facts.append(element("span", "none-of-it", "no entity"));
  facts.append(element("span", "sign", SIGNS[state]));
  const worth = element("span", "suspicion", worthOf(sentence));
  worth.style.setProperty("--much", `${(100 * sentence.worth) / Math.max(1e-9, page.sentences[0].worth)}%`);
  facts.append(worth);
  row.setAttribute(
    "aria-label",
    `${short(line.textContent, 100)}; ${plural(spansOf(item).length, "entity", "entities")}; worth ${worthOf(sentence)}; ${STATES[state]}`,
  );
  row.append(line, facts);
  return row;
}

// Three digits that say something, however small.
const worthOf = ({ worth }) => (worth >= 1 ? worth.toFixed(2) : worth > 0 ? worth.toPrecision(3) : "0");

// The beginning of a sentence with its entities marked.
function lineOf(sentence, spans) {
  const parts = [];
  let at = 0;
  let room = 120;
  const add = (to) => {
    let text = "";
    for (; at < to && room > 0; at += 1) {
      const word = short(sentence.words[at], 60);
      text += word + (at + 1 < to ? page.separator : "");
      room -= word.length + 1;
    }
    at = Math.max(at, to);
    return text;
  };
  for (const span of inOrder(spans)) {
    if (span.start_word < at) continue; // inside the one before
    const text = add(span.start_word);
    parts.push(text ? text + page.separator : "");
    if (room <= 0) break;
    const mark = element("mark", "", add(span.end_word));
    mark.style.setProperty("--h", hueOf(span.label));
    parts.push(mark, at < sentence.words.length ? page.separator : "");
  }
  if (room > 0) parts.push(add(sentence.words.length));
  return parts;
}

function scrollTo(item) {
  const place = view.indexOf(item);
  const list = $("list");
  if (place < 0) return;
  if (place * ROW < list.scrollTop + ROW) list.scrollTop = Math.max(0, (place - 1) * ROW);
  else if ((place + 2) * ROW > list.scrollTop + list.clientHeight) list.scrollTop = (place + 2) * ROW - list.clientHeight;
}
