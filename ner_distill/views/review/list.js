// The list of what is asked about: filtered, drawn where it is looked at, and gone through. A page has `items`, `rowOf`,
// `typesOf`, `isDone`, `stateOf`, `stateTests` by the state to filter for, its words in `NAMES`, and `select`.

const ROW = 54; // px, as in the style
let view = items; // what the filters leave, in order
let current = null; // the item that is shown
const place = () => view.indexOf(current);

const lowered = new Map(); // sentence -> its text in lower case, made when it is first searched
function lowerText(sentence) {
  if (!lowered.has(sentence)) {
    lowered.set(sentence, `${sentence.words.join(page.separator)}\n${sentence.id}`.toLowerCase());
  }
  return lowered.get(sentence);
}

// groups: title -> {state: what it is called}.
function fillStates(groups) {
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
    (item) => (!type || typesOf(item).includes(type)) && test(item) && (!text || lowerText(item.sentence).includes(text)),
  );
  $("spacer").style.height = `${view.length * ROW}px`;
  const left = page.left_out ? `; ${number.format(page.left_out)} less ${NAMES.ranked} ones left out` : "";
  $("shown").textContent =
    view.length === items.length
      ? `${plural(items.length, ...NAMES.item)}${left}`
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

// The row of an item without what is in it: [row, line, facts].
function emptyRow(item, place) {
  const row = element("div", `row ${stateOf(item)}`);
  row.id = `row-${item.rank}`;
  row.dataset.rank = item.rank;
  row.style.top = `${place * ROW}px`;
  row.setAttribute("role", "option");
  row.setAttribute("aria-selected", String(item === current));
  row.setAttribute("aria-posinset", place + 1);
  row.setAttribute("aria-setsize", view.length);
  const line = element("div", "line");
  line.dir = directionOf(item.sentence);
  const facts = element("div", "facts");
  row.append(line, facts);
  return [row, line, facts];
}

function scrollTo(item) {
  const place = view.indexOf(item);
  const list = $("list");
  if (place < 0) return;
  if (place * ROW < list.scrollTop + ROW) list.scrollTop = Math.max(0, (place - 1) * ROW);
  else if ((place + 2) * ROW > list.scrollTop + list.clientHeight) list.scrollTop = (place + 2) * ROW - list.clientHeight;
}

function draw() {
  drawList();
  drawProgress();
  $("detail").hidden = !current;
  $("none").hidden = Boolean(current);
  if (current) drawDetail();
}

const doneCount = () => items.filter(isDone).length;

function drawProgress() {
  const states = Object.keys(STATES).filter((name) => name !== "open");
  const counts = Object.fromEntries(states.map((name) => [name, 0]));
  for (const item of items) if (isDone(item)) counts[stateOf(item)] += 1;
  const done = doneCount();
  const bar = $("bar");
  bar.firstElementChild.style.width = `${(100 * done) / items.length}%`;
  bar.setAttribute("aria-valuemax", items.length);
  bar.setAttribute("aria-valuenow", done);
  $("done").textContent = `${number.format(done)} of ${number.format(items.length)}`;
  $("tally").replaceChildren(
    ...Object.entries(counts).map(([name, count]) => {
      const part = element("span", name, `${SIGNS[name]} ${number.format(count)}`);
      part.title = STATES[name];
      return part;
    }),
  );
  $("undo").disabled = past.length === 0;
  $("export").disabled = done === 0;
}

function go(by) {
  const at = place();
  if (view.length) select(view[Math.min(view.length - 1, Math.max(0, at < 0 ? 0 : at + by))]);
}

// The next of a list that is to do, behind a place or else before it; undefined where there is none.
const openBehind = (list, at) => list.slice(at + 1).find((item) => !isDone(item)) ?? list.find((item) => !isDone(item));

function nextOpen() {
  const next = openBehind(view, place());
  if (next) select(next);
  else say("nothing is left to do");
}

function refilter() {
  filter();
  $("list").scrollTop = 0;
  select(view.includes(current) ? current : view[0] ?? null);
}

async function takeOver(file) {
  const [one, where] = NAMES.imported;
  try {
    const { taken, others } = importText(await file.text());
    const rest = others ? `; ${plural(others, one)}${where} that this page does not have left out` : "";
    notice(`Imported ${plural(taken, one)} from ${file.name}${rest}.`, others ? "bad" : "good");
  } catch (error) {
    notice(`${file.name} was not imported: ${error.message}. Choose a file that this page exported.`, "bad");
  }
  refilter();
}
