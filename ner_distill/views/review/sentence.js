// A sentence with its entities: lines under the words, one below the other where entities share words.

const LANE = 16; // px: a line and the name of its type
const AROUND = 240; // characters on each side of the entity, unless the whole sentence is wanted
const LONGEST = 120; // characters of a word that are shown then
const RTL = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;

// The direction of a sentence is that of its first letter, also where only a part of it is shown.
function directionOf(sentence) {
  const first = /\p{L}/u.exec(sentence.words.find((word) => /\p{L}/u.test(word)) ?? "");
  return first && RTL.test(first[0]) ? "rtl" : "ltr";
}
const isWide = (char) => char >= "\u2e80" && char < "\ufb00";

// The words to show: [from, to), those near the spans, or all.
function windowOf(sentence, spans, whole) {
  const { words } = sentence;
  if (whole) return [0, words.length];
  let from = Math.min(...spans.map((span) => span.start_word));
  let to = Math.max(...spans.map((span) => span.end_word));
  for (let left = AROUND; from > 0 && (left -= Math.min(LONGEST, words[from - 1].length) + 1) > 0; ) from -= 1;
  for (let left = AROUND; to < words.length && (left -= Math.min(LONGEST, words[to].length) + 1) > 0; ) to += 1;
  return [from, to];
}

// About how many px a word takes, to keep the names of types apart.
const widthOf = (word) => [...short(word, LONGEST)].reduce((sum, char) => sum + (isWide(char) ? 18 : 8), 5);

// Gives each mark a lane: the shortest next to the words, no two that share words (or the room of a name) in one.
function intoLanes(marks, words) {
  const lanes = [];
  marks.sort((one, other) => one.end_word - one.start_word - (other.end_word - other.start_word));
  for (const mark of marks) {
    let room = mark.label.length * 6.6 + 10;
    let reach = mark.start_word;
    while (reach < words.length && room > 0) room -= widthOf(words[reach++]);
    reach = Math.max(mark.end_word, reach);
    const free = (lane) => lane.every(([start, end]) => reach <= start || end <= mark.start_word);
    let lane = lanes.findIndex(free);
    if (lane < 0) lane = lanes.push([]) - 1;
    lanes[lane].push([mark.start_word, reach]);
    mark.lane = lane;
  }
  return Math.max(1, lanes.length);
}

// marks: {start_word, end_word, label, kind: "data" | "found" | "yours", focus, struck}.
function drawSentence(box, sentence, marks, [from, to]) {
  const shown = marks.filter((mark) => mark.start_word < to && mark.end_word > from);
  const lanes = intoLanes(shown, sentence.words);
  const parts = [];
  if (from > 0) parts.push(element("span", "cut", "… "));
  for (let place = from; place < to; place += 1) {
    const whole = to - from === sentence.words.length;
    const text = whole ? sentence.words[place] : short(sentence.words[place], LONGEST);
    const word = element("span", "w", text);
    word.dataset.word = place;
    const rtl = RTL.test(text);
    const mine = shown.filter((mark) => mark.start_word <= place && place < mark.end_word);
    paint(word, mine, lanes, (mark) => place === mark.end_word - 1, rtl);
    for (const mark of mine) {
      if (place !== Math.max(mark.start_word, from)) continue;
      const name = element("span", `name ${mark.kind}`, mark.label);
      name.style.setProperty("--h", hueOf(mark.label));
      name.style[rtl ? "right" : "left"] = 0;
      name.style.bottom = `${(lanes - 1 - mark.lane) * LANE - 1}px`;
      name.setAttribute("aria-hidden", "true");
      word.append(name);
    }
    parts.push(word);
    if (page.separator && place + 1 < to) {
      const gap = element("span", "w gap", page.separator);
      gap.dataset.word = place;
      paint(gap, mine.filter((mark) => place + 1 < mark.end_word), lanes, () => false, rtl);
      parts.push(gap);
    }
  }
  if (to < sentence.words.length) parts.push(element("span", "cut", " …"));
  // A line of text stands in the middle of its height, and the lines of entities below it.
  box.style.lineHeight = `${30 + lanes * LANE}px`;
  box.style.marginTop = `${10 - (lanes * LANE) / 2}px`;
  box.style.paddingBottom = `${8 + (lanes * LANE) / 2}px`;
  box.dir = directionOf(sentence);
  box.replaceChildren(...parts);
}

// Lines (and the tint of what is asked about) as backgrounds: the text stays inline, and flows as its script wants.
function paint(word, marks, lanes, ends, rtl) {
  const depth = lanes * LANE;
  word.style.paddingBottom = `${depth}px`;
  const images = [];
  const places = [];
  const sizes = [];
  const repeats = [];
  for (const mark of marks) {
    const color = `oklch(var(--line-l) var(--line-c) ${hueOf(mark.label)})`;
    const found = mark.kind === "found";
    images.push(found ? `linear-gradient(90deg, ${color} 60%, transparent 60%)` : `linear-gradient(${color}, ${color})`);
    places.push(`${rtl ? "right" : "left"} calc(100% - ${(lanes - 1 - mark.lane) * LANE + 12}px)`);
    sizes.push(found ? "8px 3px" : `${ends(mark) ? "calc(100% - 3px)" : "100%"} 3px`);
    repeats.push(found ? "round no-repeat" : "no-repeat"); // round: a whole number of dashes, so that they meet
  }
  for (const mark of marks.filter((one) => one.focus)) {
    const tint = `oklch(var(--tint-l) var(--tint-c) ${hueOf(mark.label)})`;
    images.push(`linear-gradient(${tint}, ${tint})`);
    places.push("left top");
    sizes.push(`100% calc(100% - ${depth}px)`);
    repeats.push("no-repeat");
    word.classList.add("focus");
    if (mark.struck) word.classList.add("struck");
  }
  word.style.backgroundImage = images.join(", ");
  word.style.backgroundPosition = places.join(", ");
  word.style.backgroundSize = sizes.join(", ");
  word.style.backgroundRepeat = repeats.join(", ");
}

// The number of the word under the pointer; null where there is none.
function wordAt(event) {
  const found = document.elementFromPoint(event.clientX, event.clientY)?.closest("[data-word]");
  return found ? Number(found.dataset.word) : null;
}

// Votes as dots (as numbers where there are many), and a probability as a bar.
function votesOf({ votes, of }) {
  const box = element("span", "votes");
  if (of && of <= 10) {
    const dots = element("span", "dots");
    dots.setAttribute("aria-hidden", "true");
    for (let vote = 0; vote < of; vote += 1) dots.append(element("i", vote < votes ? "on" : ""));
    box.append(dots);
  }
  box.append(element("span", "of", of ? `${votes} of ${of}` : "not asked"));
  return box;
}

function probabilityOf(value) {
  const box = element("span", "probability");
  const bar = element("span", "meter");
  const fill = element("i");
  fill.style.width = `${Math.min(100, Math.max(0, value * 100))}%`;
  bar.append(fill);
  box.append(bar, element("span", "of", value.toFixed(2)));
  return box;
}
