// Scores of tags → entities with their probabilities (nn/heads/chain.py, token.py, crf.py, crf_per_type.py).
// Scores are lists of rows, one for each word; what is forbidden is −∞.

const logSumExp = (values) => {
  const most = Math.max(...values);
  return most === -Infinity ? most : most + Math.log(values.reduce((sum, value) => sum + Math.exp(value - most), 0));
};
const argmax = (values) => values.reduce((best, value, index) => (value > values[best] ? index : best), 0);

// Viterbi: the tags of the path with the greatest sum of scores; the lowest ids where paths tie at a word.
function bestPath(rows, { start, end, transitions }) {
  const tags = start.map((_, tag) => tag);
  const scores = [rows[0].map((score, tag) => score + start[tag])];
  for (const row of rows.slice(1)) {
    const last = scores.at(-1);
    scores.push(row.map((score, tag) => score + Math.max(...tags.map((before) => last[before] + transitions[before][tag]))));
  }
  const path = [argmax(scores.at(-1).map((score, tag) => score + end[tag]))];
  for (let word = rows.length - 2; word >= 0; word -= 1) {
    path.unshift(argmax(tags.map((tag) => scores[word][tag] + transitions[tag][path[0]])));
  }
  return path;
}

// Log sums over all paths that end (begin) in each tag at each word, the word's own score included; and over all.
function pathSums(rows, { start, end, transitions }) {
  const tags = start.map((_, tag) => tag);
  const prefixes = [rows[0].map((score, tag) => score + start[tag])];
  for (const row of rows.slice(1)) {
    const last = prefixes.at(-1);
    prefixes.push(row.map((score, tag) => score + logSumExp(tags.map((before) => last[before] + transitions[before][tag]))));
  }
  const suffixes = [rows.at(-1).map((score, tag) => score + end[tag])];
  for (let word = rows.length - 2; word >= 0; word -= 1) {
    const next = suffixes[0];
    suffixes.unshift(rows[word].map((score, tag) => score + logSumExp(tags.map((after) => transitions[tag][after] + next[after]))));
  }
  return { prefixes, suffixes, total: logSumExp(prefixes.at(-1).map((score, tag) => score + end[tag])) };
}

// Entities of BIO tags: O is 0, type k has B at 1 + 2k and I at 2 + 2k.
function entitiesOf(path, labels) {
  const found = [];
  let start = 0;
  let kind = -1;
  [...path, 0].forEach((tag, place) => {
    const here = tag ? (tag - 1) >> 1 : -1;
    if (tag && tag % 2 === 0 && here === kind) return;
    if (kind >= 0) found.push({ start, end: place, label: labels[kind] });
    [start, kind] = [place, here];
  });
  return found;
}

// A softmax for each word, or a conditional random field: an entity's score is the mean of its tags' probabilities.
function tagEntities(rows, head, labels) {
  let path;
  let log;
  if (head.kind === "token") {
    const normal = rows.map((row) => {
      const total = logSumExp(row);
      return row.map((score) => score - total);
    });
    path = bestPath(normal, head);
    log = (word) => normal[word][path[word]];
  } else {
    path = bestPath(rows, head);
    const { prefixes, suffixes, total } = pathSums(rows, head);
    log = (word) => prefixes[word][path[word]] + suffixes[word][path[word]] - rows[word][path[word]] - total;
  }
  return entitiesOf(path, labels).map((one) => {
    let sum = 0;
    for (let word = one.start; word < one.end; word += 1) sum += Math.exp(log(word));
    return { ...one, score: sum / (one.end - one.start) };
  });
}

// A chain over O, B, I, E for each type: an entity's score is its exact probability.
function typeEntities(rows, head, labels) {
  const [O, B, I, E] = [0, 1, 2, 3];
  const found = [];
  labels.forEach((label, kind) => {
    const own = rows.map((row) => row.slice(4 * kind, 4 * kind + 4));
    const path = bestPath(own, head);
    if (!path.includes(B)) return;
    const { prefixes, suffixes, total } = pathSums(own, head);
    const steps = head.transitions;
    for (let start = path.indexOf(B); start >= 0; start = path.indexOf(B, start + 1)) {
      let end = start + 1;
      while (path[end] === I || path[end] === E) end += 1;
      let log = prefixes[start][B] - total;
      if (end === start + 1) {
        const next = suffixes[end];
        log += next ? logSumExp([O, B].map((tag) => steps[B][tag] + next[tag])) : head.end[B];
      } else {
        for (let word = start + 1; word < end - 1; word += 1) log += own[word][I] + steps[word === start + 1 ? B : I][I];
        log += steps[end === start + 2 ? B : I][E] + suffixes[end - 1][E];
      }
      found.push({ start, end, label, score: Math.exp(log) });
    }
  });
  return found.sort((one, other) => one.start - other.start || one.end - other.end || labels.indexOf(one.label) - labels.indexOf(other.label));
}
