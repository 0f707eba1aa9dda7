// The list of sentences: what rows show, and what they are filtered by.

const SIGNS = { accept: "✓", correct: "✎", open: "" };
const STATES = { accept: "accepted", correct: "corrected", open: "to do" };
const CHIPS = 5; // types that a row names
const NAMES = { item: ["sentence"], ranked: "useful", imported: ["sentence", ""] };
const typesOf = (item) => [...new Set(spansOf(item).map(({ label }) => label))];

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
  fillStates(groups);
}

function rowOf(item, place) {
  const { sentence, rank } = item;
  const [row, line, facts] = emptyRow(item, place);
  const state = stateOf(item);
  line.append(...lineOf(sentence, spansOf(item)));
  facts.append(element("span", "number", number.format(rank + 1)));
  const types = typesOf(item);
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
