// The entities that are asked about, and the file of decisions.

const items = page.queue.map(([s, e], rank) => {
  const sentence = page.sentences[s];
  const entity = sentence.entities[e];
  return { rank, place: s, sentence, entity, key: keyOf(sentence.id, entity) };
});
const itemOf = new Map(items.map((item) => [item.key, item]));

const exportedWhat = () => plural(decisions.size, "decision");

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
    const { id, hash, decisions: found } = parsed(line, index + 1, "decisions");
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

function usable({ decision, spans = [] }, words) {
  if (!Array.isArray(spans) || !spans.every((span) => isSpan(span, words))) return false;
  return decision === "correct" ? spans.length > 0 : decision === "accept" || decision === "reject";
}
