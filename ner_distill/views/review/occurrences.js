// The same words elsewhere on the page, each in a little of its sentence.

const SHOWN = 40; // other places that are listed

let firstWords = null; // first word -> [[sentence, place]], made when it is first asked for
function placesOf(word) {
  if (!firstWords) {
    firstWords = new Map();
    for (const sentence of page.sentences) {
      sentence.words.forEach((one, place) => {
        if (!firstWords.has(one)) firstWords.set(one, []);
        firstWords.get(one).push([sentence, place]);
      });
    }
  }
  return firstWords.get(word) ?? [];
}

// Every other place of the words of a span: [{sentence, start_word, end_word}], in the order of the page.
function occurrencesOf(sentence, span) {
  const words = sentence.words.slice(span.start_word, span.end_word);
  return placesOf(words[0])
    .filter(([other, place]) => other !== sentence || place !== span.start_word)
    .filter(([other, place]) => words.every((word, offset) => other.words[place + offset] === word))
    .map(([other, place]) => ({ sentence: other, start_word: place, end_word: place + words.length }));
}

// A little of what stands before the entity, so that the entity itself is always seen; and of what follows.
function before(sentence, { start_word }, room = 14) {
  let text = "";
  let place = start_word;
  while (place > 0 && text.length < room) text = sentence.words[--place] + page.separator + text;
  const cut = text.length > room + 10 ? `…${text.slice(-room - 8)}` : text;
  return place > 0 && cut === text ? `…${text}` : cut;
}

function after(sentence, { end_word }) {
  let text = "";
  for (let place = end_word; place < sentence.words.length && text.length < 90; place += 1) {
    text += page.separator + short(sentence.words[place], 90);
  }
  return text;
}

// stateOf(place): elements that say how it is labelled; labelOf(place): its type, or undefined; open(place): a function
// that shows it, or nothing where it cannot be shown.
function drawOccurrences(places, { stateOf, labelOf, open }) {
  $("elsewhere").hidden = places.length === 0;
  const rows = places.slice(0, SHOWN).map((place) => {
    const row = element("tr");
    const text = element("td", "context");
    const line = element("div", "line");
    const label = labelOf(place);
    line.dir = directionOf(place.sentence);
    const mark = element("mark", label ? "" : "bare", short(wordsOf(place.sentence, place), 60));
    if (label) mark.style.setProperty("--h", hueOf(label));
    line.append(element("span", "", before(place.sentence, place, 34)), mark, after(place.sentence, place));
    text.append(line);
    const state = element("td", "as");
    state.append(...stateOf(place));
    const show = open(place);
    if (show) {
      const go = element("button", "quiet", "open");
      go.type = "button";
      go.setAttribute("aria-label", `Go to: ${short(line.textContent, 80)}`);
      go.onclick = show;
      state.append(go);
    }
    row.append(text, state);
    return row;
  });
  const more = places.length - rows.length;
  $("elsewhere-count").textContent = plural(places.length, "other place") + (more > 0 ? `, ${number.format(SHOWN)} shown` : "");
  $("elsewhere").tBodies[0].replaceChildren(...rows);
}
