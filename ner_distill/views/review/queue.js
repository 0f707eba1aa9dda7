// The list: filtered, and drawn where it is looked at.

const ROW = 54; // px, as in the style
const STATES = { accept: "right", reject: "no entity", correct: "corrected" };
const SIGNS = { accept: "✓", reject: "✕", correct: "✎" };
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
  open: (item) => !decisions.has(item.key),
  ...Object.fromEntries(Object.keys(STATES).map((name) => [name, (item) => decisions.get(item.key)?.decision === name])),
  given: (item) => item.entity.given,
  found: (item) => !item.entity.given,
};

function fillFilters() {
  const counts = new Map();
  for (const { entity } of items) counts.set(entity.label, (counts.get(entity.label) ?? 0) + 1);
  $("type").append(new Option("All types", ""));
  for (const label of page.labels.filter((one) => counts.has(one))) {
    $("type").append(new Option(`${label} (${number.format(counts.get(label))})`, label));
  }
  const groups = {
    "Your decision": { open: "To do", accept: "Right", reject: "No entity", correct: "Corrected" },
    "Labelled by": { given: "The data", found: "Models only" },
  };
  const voted = [...new Set(items.map((item) => item.entity.decision))].sort();
  groups["What voting did"] = Object.fromEntries(voted.map((name) => [`voted ${name}`, `Voting: ${name}`]));
  for (const name of voted) stateTests[`voted ${name}`] = (item) => item.entity.decision === name;
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
    (item) => (!type || item.entity.label === type) && test(item) && (!text || lowerText(item.sentence).includes(text)),
  );
  $("spacer").style.height = `${view.length * ROW}px`;
  const left = page.left_out ? `; ${number.format(page.left_out)} less suspicious ones left out` : "";
  $("shown").textContent =
    view.length === items.length
      ? `${plural(items.length, "entity", "entities")}${left}`
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
  const { sentence, entity } = item;
  const decision = decisions.get(item.key)?.decision;
  const row = element("div", `row ${decision ?? "open"}`);
  row.id = `row-${item.rank}`;
  row.dataset.rank = item.rank;
  row.style.top = `${place * ROW}px`;
  row.style.setProperty("--h", hueOf(entity.label));
  row.setAttribute("role", "option");
  row.setAttribute("aria-selected", String(item === current));
  row.setAttribute("aria-posinset", place + 1);
  row.setAttribute("aria-setsize", view.length);
  const found = entity.given ? "" : ", found by models only";
  const state = decision ? STATES[decision] : "to do";
  row.setAttribute(
    "aria-label",
    `${entity.label}: ${short(wordsOf(sentence, entity), 80)}${found}; ${entity.votes} of ${entity.of} votes; ` +
      `suspicion ${exactly(entity.suspicion)}; ${state}`,
  );
  const line = element("div", "line");
  line.dir = directionOf(sentence);
  line.append(element("span", "before", before(sentence, entity)));
  line.append(element("mark", entity.given ? "" : "found", short(wordsOf(sentence, entity), 60)));
  line.append(element("span", "after", after(sentence, entity)));
  const facts = element("div", "facts");
  if (!entity.given) facts.append(element("span", "plus", "+"));
  facts.append(chip(entity.label));
  const instead = (entity.instead ?? []).slice(0, 2).map((one) => chip(one.label));
  if (entity.instead?.length === 0) instead.push(element("span", "none-of-it", "none"));
  if (instead.length) facts.append(element("span", "to", "→"), ...instead);
  facts.append(votesOf(entity), element("span", "sign", decision ? SIGNS[decision] : ""));
  const suspicion = element("span", "suspicion", exactly(entity.suspicion));
  suspicion.style.setProperty("--much", `${Math.min(100, Math.max(0, entity.suspicion * 100))}%`);
  facts.append(suspicion);
  row.append(line, facts);
  return row;
}

function scrollTo(item) {
  const place = view.indexOf(item);
  const list = $("list");
  if (place < 0) return;
  if (place * ROW < list.scrollTop + ROW) list.scrollTop = Math.max(0, (place - 1) * ROW);
  else if ((place + 2) * ROW > list.scrollTop + list.clientHeight) list.scrollTop = (place + 2) * ROW - list.clientHeight;
}
