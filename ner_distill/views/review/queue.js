// The list of entities: what rows show, and what they are filtered by.

const STATES = { accept: "right", reject: "no entity", correct: "corrected" };
const SIGNS = { accept: "✓", reject: "✕", correct: "✎" };
const NAMES = { item: ["entity", "entities"], ranked: "suspicious", imported: ["decision", " on entities"] };
const isDone = (item) => decisions.has(item.key);
const stateOf = (item) => decisions.get(item.key)?.decision ?? "open";
const typesOf = (item) => [item.entity.label];

const stateTests = {
  "": () => true,
  open: (item) => !isDone(item),
  ...Object.fromEntries(Object.keys(STATES).map((name) => [name, (item) => stateOf(item) === name])),
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
  fillStates(groups);
}

function rowOf(item, place) {
  const { sentence, entity } = item;
  const [row, line, facts] = emptyRow(item, place);
  const decision = decisions.get(item.key)?.decision;
  row.style.setProperty("--h", hueOf(entity.label));
  const found = entity.given ? "" : ", found by models only";
  const state = decision ? STATES[decision] : "to do";
  row.setAttribute(
    "aria-label",
    `${entity.label}: ${short(wordsOf(sentence, entity), 80)}${found}; ${entity.votes} of ${entity.of} votes; ` +
      `suspicion ${exactly(entity.suspicion)}; ${state}`,
  );
  line.append(element("span", "before", before(sentence, entity)));
  line.append(element("mark", entity.given ? "" : "found", short(wordsOf(sentence, entity), 60)));
  line.append(element("span", "after", after(sentence, entity)));
  if (!entity.given) facts.append(element("span", "plus", "+"));
  facts.append(chip(entity.label));
  const instead = (entity.instead ?? []).slice(0, 2).map((one) => chip(one.label));
  if (entity.instead?.length === 0) instead.push(element("span", "none-of-it", "none"));
  if (instead.length) facts.append(element("span", "to", "→"), ...instead);
  facts.append(votesOf(entity), element("span", "sign", decision ? SIGNS[decision] : ""));
  const suspicion = element("span", "suspicion", exactly(entity.suspicion));
  suspicion.style.setProperty("--much", `${Math.min(100, Math.max(0, entity.suspicion * 100))}%`);
  facts.append(suspicion);
  return row;
}
