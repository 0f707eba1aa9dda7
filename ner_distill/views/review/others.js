// The same decision for all entities of the same words and type.

let together = false; // does the next decision go for the others as well?

// The others on which nothing is decided yet.
function othersOf(item) {
  const words = wordsOf(item.sentence, item.entity);
  return items.filter(
    (other) =>
      other !== item && other.entity.label === item.entity.label && !decisions.has(other.key) &&
      wordsOf(other.sentence, other.entity) === words,
  );
}

// A correction at another place: as many words further on. null where the words there are others.
function movedTo(item, other, spans) {
  const by = other.entity.start_word - item.entity.start_word;
  const moved = spans.map((span) => ({ ...plainSpan(span), start_word: span.start_word + by, end_word: span.end_word + by }));
  const fits = moved.every(
    (span, index) =>
      isSpan(span, other.sentence.words.length) && wordsOf(other.sentence, span) === wordsOf(item.sentence, spans[index]),
  );
  return fits ? moved : null;
}

// The decisions on the others, where the decision on this one goes for them as well.
function sameForOthers(item, decision, spans) {
  if (!together) return [];
  together = false;
  const changes = othersOf(item)
    .map((other) => [other.key, { decision, spans: movedTo(item, other, spans) }])
    .filter(([, made]) => made.spans);
  notice(`${STATES[decision]}: ${wordsOf(item.sentence, item.entity)}, and the same for ${plural(changes.length, "other")}. Undo takes all of it back.`, "good", "same");
  return changes;
}

function toggleTogether() {
  if (othersOf(current).length) together = !together;
  draw();
}

function drawOthers() {
  const { sentence, entity } = current;
  const others = othersOf(current).length;
  if (!others) together = false;
  $("together").hidden = others === 0;
  $("together").setAttribute("aria-pressed", String(together));
  $("together").lastElementChild.textContent = `The same for the other ${number.format(others)} “${short(wordsOf(sentence, entity), 30)}”`;
  const atPlace = ({ sentence: where, start_word, end_word }) =>
    where.entities.filter((one) => one.start_word === start_word && one.end_word === end_word);
  drawOccurrences(occurrencesOf(sentence, entity), {
    stateOf: (place) => atPlace(place).flatMap((one) => {
      const made = decisions.get(keyOf(place.sentence.id, one))?.decision;
      return [chip(one.label), element("span", `sign ${made ?? ""}`, made ? ` ${SIGNS[made]} ` : " ")];
    }),
    labelOf: (place) => atPlace(place)[0]?.label,
    open: (place) => {
      const item = atPlace(place).map((one) => itemOf.get(keyOf(place.sentence.id, one))).find(Boolean);
      return item && (() => select(item));
    },
  });
}
