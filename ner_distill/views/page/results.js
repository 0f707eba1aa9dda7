// Answers: which entities are shown, how they look in the text, and how they are written.

// Entities that pass: type on, score high enough. Thresholds of types that are stored go first; null lets nothing pass.
function passing(answer, { off, least, stored }) {
  const floor = (label) => (stored && Object.hasOwn(stored, label) ? stored[label] ?? 2 : least);
  return answer.entities.filter(({ label, score }) => !off.has(label) && score >= floor(label));
}

// A sentence: text, and around what entities cover marks, nested where entities overlap.
function paragraph({ text, words }, entities) {
  const made = element("p");
  made.dir = "auto";
  const placed = entities.map((one) => ({ ...one, from: words[one.start][0], to: words[one.end - 1][1] }));
  const borders = [...new Set([0, text.length, ...placed.flatMap(({ from, to }) => [from, to])])].sort((a, b) => a - b);
  let first = 0;
  borders.slice(1).forEach((to, index) => {
    const from = borders[index];
    while (first < placed.length && placed[first].to <= from && placed[first].from < from) first += 1;
    let inner = made;
    const over = [];
    for (let at = first; at < placed.length && placed[at].from < to; at += 1) if (placed[at].to > from) over.push(placed[at]);
    over.sort((one, other) => other.to - other.from - (one.to - one.from));
    for (const one of over) {
      const mark = element("mark");
      mark.style.setProperty("--h", hueOf(one.label));
      mark.title = `${one.label}, score ${one.score.toFixed(2)}`;
      inner.append(mark);
      inner = mark;
    }
    inner.append(text.slice(from, to));
    for (const one of over.reverse()) {
      if (one.to === to) {
        const tag = element("span", "tag", one.label);
        tag.append(element("span", "score", one.score.toFixed(2)));
        inner.append(tag);
      }
      inner = inner.parentNode;
    }
  });
  return made;
}

// As `predict` writes JSON Lines: offsets in code points.
function asJson({ id, text, words }, entities) {
  const places = inCodePoints(text, words);
  const order = [...entities].sort((one, other) => one.start - other.start || other.end - one.end || (one.label < other.label ? -1 : 1));
  const rows = order.map(({ start, end, label, score }) => ({
    start: places[start][0],
    end: places[end - 1][1],
    label,
    text: text.slice(words[start][0], words[end - 1][1]),
    score: Math.round(score * 1e4) / 1e4,
  }));
  return `${JSON.stringify({ id, text, entities: rows })}\n`;
}

// What columns cannot hold has stand-ins, as in data/formats/standins.py.
const sign = (char) => String.fromCharCode(char === "\x7f" ? 0x2421 : 0x2400 + char.charCodeAt(0));
const columnWord = (word) =>
  word
    .replace(/^-(?=DOCSTART-)/, "\u2010")
    .replace(new RegExp(`[${BLANK}\\ufeff]`, "gu"), "␣")
    .replace(/[\x00-\x1f\x7f]/g, sign)
    .replace(/[\x80-\x9f]/g, "\ufffd");
const columnType = (label) => label.replace(/ /g, "␣").replace(/[\x00-\x1f\x7f]/g, sign);

// `word TAG` lines (IOB2) and a blank line. Of entities that overlap the longest stays, then the likelier.
function asConll({ text, words }, entities) {
  const tags = words.map(() => "O");
  const order = [...entities].sort((one, other) => other.end - other.start - (one.end - one.start) || other.score - one.score || one.start - other.start);
  for (const { start, end, label } of order) {
    if (tags.slice(start, end).some((tag) => tag !== "O")) continue;
    for (let word = start; word < end; word += 1) tags[word] = `${word === start ? "B" : "I"}-${columnType(label)}`;
  }
  return `${words.map(([from, to], word) => `${columnWord(text.slice(from, to))} ${tags[word]}\n`).join("")}\n`;
}
