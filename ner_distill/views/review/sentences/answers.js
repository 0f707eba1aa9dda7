// The sentences that are asked about, what a person says of each, and the file of that.

const items = page.sentences.map((sentence, rank) => ({ rank, sentence, key: JSON.stringify([sentence.id, sentence.hash]) }));
const itemOf = new Map(items.map((item) => [item.key, item]));
const itemOfSentence = new Map(items.map((item) => [item.sentence, item]));

// A decision is {spans, done}: the entities of the sentence, and whether it was accepted as a whole.
const isDone = (item) => Boolean(decisions.get(item.key)?.done);
const spansOf = (item) => decisions.get(item.key)?.spans ?? item.sentence.entities;
const isCorrected = ({ key, sentence }) => {
  const spans = decisions.get(key)?.spans;
  if (!spans) return false;
  return spans.length !== sentence.entities.length || spans.some((one) => !sentence.entities.some((other) => sameSpan(one, other)));
};
const stateOf = (item) => (isDone(item) ? (isCorrected(item) ? "correct" : "accept") : "open");

const inOrder = (spans) =>
  spans.map(plainSpan).sort((one, other) => one.start_word - other.start_word || one.end_word - other.end_word);
const overlap = (one, other) => one.start_word < other.end_word && other.start_word < one.end_word;
const sameWords = (one, other) => one.start_word === other.start_word && one.end_word === other.end_word;

// The change that gives a sentence these entities; done: whether it is accepted with them, by default as before.
const withSpans = (item, spans, done = isDone(item)) => [item.key, { spans: inOrder(spans), done }];

const exportedWhat = () => plural(items.filter(isDone).length, "sentence");

// The sentences that were accepted as a whole, as JSON Lines, in the order of the page.
function exportText() {
  return items
    .filter(isDone)
    .map((item) => `${JSON.stringify({ id: item.sentence.id, hash: item.sentence.hash, entities: inOrder(spansOf(item)) })}\n`)
    .join("");
}

// Takes over what was exported. Returns how many sentences came in and how many this page does not have.
function importText(text) {
  const changes = [];
  let others = 0;
  text.split(/\r?\n/).forEach((line, index) => {
    if (!line.trim()) return;
    const { id, hash, entities } = parsed(line, index + 1, "entities");
    const item = itemOf.get(JSON.stringify([id, hash]));
    if (item && entities.every((one) => isSpan(one, item.sentence.words.length))) changes.push(withSpans(item, entities, true));
    else others += 1;
  });
  if (changes.length) decide(changes);
  return { taken: changes.length, others };
}
