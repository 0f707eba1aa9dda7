// The errors in their sentences: filters, a page at a time, gold above predicted.

const data = JSON.parse(document.getElementById("data").textContent);
const PAGE = 20; // sentences
const RTL = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;
const $ = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");
const plural = (count, one, many = `${one}s`) => `${number.format(count)} ${count === 1 ? one : many}`;

// An element with text as text: nothing in this page makes HTML of a string.
function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

const items = data.sentences.map((sentence) => ({
  ...sentence,
  errors: sentence.parts.flatMap((part) => part.errors),
  text: [sentence.id, ...sentence.parts.map((part) => part.words.join(data.separator))].join("\n").toLowerCase(),
}));
const wanted = { kind: -1, type: -1, text: "" };
let chosen = items;
let page = 0;

const fits = ([kind, gold, found]) =>
  (wanted.kind < 0 || kind === wanted.kind) && (wanted.type < 0 || gold === wanted.type || found === wanted.type);

function filter() {
  chosen = items.filter((item) => item.errors.some(fits) && item.text.includes(wanted.text));
  page = 0;
  draw();
}

function draw() {
  const pages = Math.max(1, Math.ceil(chosen.length / PAGE));
  const errors = chosen.reduce((sum, item) => sum + item.errors.filter(fits).length, 0);
  const more = data.left_out ? `; ${plural(data.left_out, "more sentence")} not in this page` : "";
  $("shown").textContent = `${plural(errors, "error")} in ${plural(chosen.length, "sentence")}${more}`;
  $("list").replaceChildren(...chosen.slice(page * PAGE, (page + 1) * PAGE).map(drawItem));
  $("place").textContent = `${number.format(page + 1)} of ${number.format(pages)}`;
  $("back").disabled = page === 0;
  $("next").disabled = page + 1 >= pages;
  $("pages").hidden = pages === 1;
}

function turn(by) {
  page += by;
  draw();
  $("errors").scrollIntoView();
}

function chip(label) {
  const made = element("span", `chip t${label}`, data.labels[label]);
  made.dir = "auto";
  return made;
}

function drawItem(item) {
  const box = element("article", "item");
  const what = element("div", "what");
  for (const [kind, gold, found] of item.errors) {
    const one = element("span", "kind");
    one.append(element("b", "", data.kinds[kind]));
    if (gold >= 0) one.append(chip(gold));
    if (gold >= 0 && found >= 0) one.append("→");
    if (found >= 0) one.append(chip(found));
    what.append(one);
  }
  const id = element("span", "id", item.id);
  id.dir = "auto";
  what.append(id);
  box.append(what);
  for (const part of item.parts) {
    const key = ([start, end, label]) => `${start} ${end} ${label}`;
    const gold = new Set(part.gold.map(key));
    const found = new Set(part.found.map(key));
    box.append(
      side("gold", part, part.gold, (span) => found.has(key(span))),
      side("predicted", part, part.found, (span) => gold.has(key(span))),
    );
  }
  return box;
}

function side(name, part, spans, isRight) {
  const row = element("div", `side ${name}`);
  const said = element("div", "said");
  // The direction of a sentence is that of its first letter.
  const first = /\p{L}/u.exec(part.words.find((word) => /\p{L}/u.test(word)) ?? "");
  said.dir = first && RTL.test(first[0]) ? "rtl" : "ltr";
  if (part.from > 0) said.append(element("span", "cut", "… "));
  marked(said, part.words, spans, isRight);
  if (part.cut) said.append(element("span", "cut", " …"));
  row.append(element("span", "", name), said);
  return row;
}

// The words with spans as marks, inner ones in outer ones; what crosses another one goes on in a second mark.
function marked(box, words, spans, isRight) {
  const waiting = [...spans].sort((one, other) => one[0] - other[0] || other[1] - one[1]);
  const open = []; // {span, mark}, the outermost first
  const top = () => (open.length ? open[open.length - 1].mark : box);
  const begin = (span) => {
    const mark = element("mark", `t${span[2]}${isRight(span) ? " right" : ""}`);
    if (span.length > 3) mark.title = `${data.labels[span[2]]} ${span[3].toFixed(3)}`;
    top().append(mark);
    open.push({ span, mark });
  };
  for (let place = 0; place <= words.length; place += 1) {
    const ends = open.findIndex(({ span }) => span[1] === place);
    if (ends >= 0) {
      const closed = open.splice(ends);
      for (const { span, mark } of closed) {
        if (span[1] !== place) continue;
        const name = element("bdi", "name", data.labels[span[2]]);
        mark.append(name);
      }
      if (place < words.length) closed.filter(({ span }) => span[1] !== place).forEach(({ span }) => begin(span));
    }
    if (place === words.length) break;
    if (place > 0) top().append(data.separator);
    while (waiting.length && waiting[0][0] === place) begin(waiting.shift());
    top().append(words[place]);
  }
}

function prepare() {
  const all = data.counts.reduce((sum, count) => sum + count, 0);
  const choices = [[-1, "all", all], ...data.kinds.map((kind, index) => [index, kind, data.counts[index]])];
  for (const [kind, name, count] of choices) {
    const button = element("button", "", `${name} ${number.format(count)}`);
    button.type = "button";
    button.dataset.kind = kind < 0 ? "all" : data.kinds[kind];
    button.setAttribute("aria-pressed", kind === wanted.kind);
    button.addEventListener("click", () => {
      wanted.kind = kind;
      for (const other of $("kinds").children) other.setAttribute("aria-pressed", other === button);
      filter();
    });
    $("kinds").append(button);
  }
  $("type").append(new Option("every type", "-1"), ...data.labels.map((label, index) => new Option(label, String(index))));
  $("type").addEventListener("change", () => {
    wanted.type = Number($("type").value);
    filter();
  });
  $("text").addEventListener("input", () => {
    wanted.text = $("text").value.trim().toLowerCase();
    filter();
  });
  $("back").addEventListener("click", () => turn(-1));
  $("next").addEventListener("click", () => turn(1));
  $("errors").hidden = false;
  draw();
}

if (items.length) prepare();
document.documentElement.dataset.ready = "yes";
