// Words → ids of the vocabularies (data/features/words.py), and windows of long sentences (data/features/windows.py).

const EDGE = "\u0002"; // stands for the border of a word or sentence
const UNKNOWN = 1;
const MOST_CHARS = 24; // of a word's spelling
const FORMS_KEPT = 40000;

class Featurizer {
  // vocabularies: {words, chars?, bigrams?}, lists of forms. digits: [first, last] code points that are digits to Python.
  constructor(vocabularies, digits) {
    const ids = (forms) => forms && new Map(forms.map((form, index) => [form, index + 2]));
    this.words = ids(vocabularies.words);
    this.chars = ids(vocabularies.chars);
    this.bigrams = ids(vocabularies.bigrams);
    const ranges = digits.map(([first, last]) => `\\u{${first.toString(16)}}-\\u{${last.toString(16)}}`);
    this.digit = new RegExp(`[${ranges.join("")}]`, "gu");
    this.known = new Map();
  }

  // The form under which a word is counted: lower case, every digit a 0.
  normal(word) {
    return word.toLowerCase().replace(this.digit, "0");
  }

  // {word, spelling?: ids} of each word, and {next, before} where bigrams are features.
  features(words) {
    const found = words.map((word) => this.remembered(word));
    if (!this.bigrams) return found;
    const padded = [EDGE, ...words.map((word) => this.normal(word)), EDGE];
    const pairs = padded.slice(1).map((second, index) => this.bigrams.get(padded[index] + second) ?? UNKNOWN);
    return found.map((one, index) => ({ ...one, next: pairs[index + 1], before: pairs[index] }));
  }

  remembered(word) {
    let found = this.known.get(word);
    if (!found) {
      if (this.known.size >= FORMS_KEPT) this.known.clear();
      found = { word: this.words.get(this.normal(word)) ?? UNKNOWN };
      if (this.chars) found.spelling = this.spelling(word);
      this.known.set(word, found);
    }
    return found;
  }

  // Characters between edges; of a long word its two ends.
  spelling(word) {
    const chars = [...word];
    const half = MOST_CHARS / 2;
    const cut = chars.length <= MOST_CHARS ? chars : [...chars.slice(0, half), ...chars.slice(-half)];
    return [EDGE, ...cut, EDGE].map((char) => this.chars.get(char) ?? UNKNOWN);
  }
}

// Windows of at most `limit` words; the words from takeStart to takeEnd are taken from each.
function cutWindows(length, limit) {
  if (length <= limit) return [{ start: 0, end: length, takeStart: 0, takeEnd: length }];
  const stride = limit - Math.floor(limit / 2);
  const count = Math.ceil((length - limit) / stride) + 1;
  const starts = Array.from({ length: count }, (_, index) => Math.min(index * stride, length - limit));
  const border = (index) => Math.floor((starts[index] + starts[index - 1] + limit) / 2);
  return starts.map((start, index) => ({
    start,
    end: start + limit,
    takeStart: index === 0 ? 0 : border(index),
    takeEnd: index === count - 1 ? length : border(index + 1),
  }));
}

// The windows with borders that cut no entity in two, where the two windows share a place that is free.
function settled(windows, spans) {
  const length = windows.at(-1).end;
  const steps = new Int32Array(length + 2);
  for (const { start, end } of spans) {
    steps[start + 1] += 1;
    steps[end] -= 1;
  }
  for (let place = 1; place < steps.length; place += 1) steps[place] += steps[place - 1];
  const borders = [0];
  for (let index = 1; index < windows.length; index += 1) {
    const [left, right] = [windows[index - 1], windows[index]];
    const border = Math.max(right.takeStart, borders.at(-1));
    let best = -1;
    for (let place = Math.max(right.start, borders.at(-1)); place <= left.end; place += 1) {
      if (steps[place] <= 0 && (best < 0 || Math.abs(place - border) < Math.abs(best - border))) best = place;
    }
    borders.push(best < 0 ? border : best);
  }
  borders.push(length);
  return windows.map((one, index) => ({ ...one, takeStart: borders[index], takeEnd: borders[index + 1] }));
}

// The entities of a sentence from those of its windows, each taken from the window in which it begins.
function joined(windows, found) {
  const placed = found.map((own, index) =>
    own.map((one) => ({ ...one, start: one.start + windows[index].start, end: one.end + windows[index].start })),
  );
  return settled(windows, placed.flat()).flatMap(({ takeStart, takeEnd }, index) =>
    placed[index].filter(({ start }) => takeStart <= start && start < takeEnd),
  );
}
