// The page: text comes in, is answered in slices so that the page stays alive, and is shown.

const SHOWN = 200; // sentences that are drawn at once
const SLICE = 30; // ms of work between two looks at what the user does
const MOST_BYTES = 100e6;
const tagger = new Tagger(page);
const shownNow = { off: new Set(), least: 0, stored: null };
let answers = [];
let drawn = 0;
let run = 0; // the number of the run that goes on; a newer one ends it

const pause = () => new Promise((resolve) => setTimeout(resolve));
const linesOf = (text) => {
  const lines = text.split("\n").map((line) => line.replace(/^\ufeff+/, "").replace(/\r+$/, ""));
  if (lines.at(-1) === "") lines.pop();
  return lines;
};

// sources: [{name, text}]; each of their lines is a sentence.
async function answerAll(sources) {
  const mine = (run += 1);
  const lines = sources.flatMap(({ name, text }) => linesOf(text).map((line, index) => ({ id: `${name}:${index + 1}`, line })));
  answers = [];
  drawn = 0;
  $("results").replaceChildren();
  $("results").hidden = lines.length === 0;
  working(true);
  let until = performance.now() + SLICE;
  const rest = async () => {
    if (performance.now() < until) return;
    progress(answers.length, lines.length);
    drawMore(SHOWN);
    await pause();
    until = performance.now() + SLICE;
  };
  for (const { id, line } of lines) {
    const steps = tagger.answer(line);
    let step = steps.next();
    for (; !step.done && mine === run; step = steps.next()) await rest();
    if (mine !== run) return;
    answers.push({ id, ...step.value });
    await rest();
    if (mine !== run) return;
  }
  finish();
}

function finish() {
  working(false);
  redraw();
  const found = answers.reduce((sum, answer) => sum + answer.entities.length, 0);
  $("state").textContent = `${plural(answers.length, "line")}, ${plural(found, "entity", "entities")}`;
  document.documentElement.dataset.done = run;
}

function stop() {
  run += 1;
  finish();
  $("state").textContent += "; stopped";
}

function working(is) {
  $("stop").hidden = $("progress").hidden = !is;
  $("download").disabled = $("copy").disabled = is || answers.length === 0;
  if (is) progress(0, 1);
}

function progress(done, all) {
  const share = Math.round((100 * done) / Math.max(1, all));
  $("progress").firstElementChild.style.width = `${share}%`;
  $("progress").setAttribute("aria-valuenow", share);
  if (all > 1) $("state").textContent = `${number.format(done)} of ${plural(all, "line")}`;
}

// Draws answers until so many are drawn.
function drawMore(upTo) {
  const parts = [];
  for (; drawn < Math.min(upTo, answers.length); drawn += 1) {
    const answer = answers[drawn];
    if (answer.words.length) parts.push(paragraph(answer, passing(answer, shownNow)));
  }
  $("results").append(...parts);
  $("more").hidden = drawn >= answers.length;
  $("more").textContent = `Show more: ${plural(answers.length - drawn, "line")} below`;
}

function redraw() {
  const upTo = Math.max(drawn, SHOWN);
  drawn = 0;
  $("results").replaceChildren();
  drawMore(upTo);
  drawLegend();
}

function drawLegend() {
  const counts = new Map(page.labels.map((label) => [label, 0]));
  const all = { ...shownNow, off: new Set() };
  for (const answer of answers) for (const { label } of passing(answer, all)) counts.set(label, counts.get(label) + 1);
  $("legend").replaceChildren(
    ...page.labels.map((label) => {
      const button = element("button");
      button.type = "button";
      button.style.setProperty("--h", hueOf(label));
      button.setAttribute("aria-pressed", String(!shownNow.off.has(label)));
      button.append(chip(label), element("span", "count", number.format(counts.get(label))));
      button.onclick = () => {
        if (!shownNow.off.delete(label)) shownNow.off.add(label);
        redraw();
        $("legend").children[page.labels.indexOf(label)].focus();
      };
      return button;
    }),
  );
}

function written() {
  const write = $("format").value === "jsonl" ? asJson : asConll;
  return answers.map((answer) => write(answer, passing(answer, shownNow)));
}

function download() {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob(written(), { type: "text/plain;charset=utf-8" }));
  link.download = `entities.${$("format").value}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  say(`Downloaded ${link.download}`);
}

async function copy() {
  const text = written().join("");
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = element("textarea"); // browsers that give a local file no clipboard
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  say("Copied");
  $("copy").textContent = "Copied";
  setTimeout(() => ($("copy").textContent = "Copy"), 1500);
}

async function read(files) {
  const sources = [];
  for (const file of files) {
    if (file.size > MOST_BYTES) {
      notice(`${file.name} is larger than 100 MB: use ner-distill predict for it, or cut it.`, "bad");
      continue;
    }
    try {
      const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await file.arrayBuffer());
      sources.push({ name: file.name, text });
    } catch {
      notice(`${file.name} is not UTF-8 text: convert it to UTF-8, and open it again.`, "bad");
    }
  }
  if (sources.length) await answerAll(sources);
}

$("name").textContent = page.name;
$("card").append(
  ...page.card.map(([name, value]) => {
    const line = element("div");
    line.append(element("dt", "", name), element("dd", "", value));
    line.lastChild.dir = "auto";
    return line;
  }),
);
const find = () => answerAll([{ name: "text", text: $("text").value }]);
$("form").onsubmit = (event) => {
  event.preventDefault();
  find();
};
$("text").onkeydown = (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) find();
};
$("open").onclick = () => $("file").click();
$("file").onchange = () => {
  read([...$("file").files]);
  $("file").value = "";
};
$("stop").onclick = stop;
$("more").onclick = () => drawMore(drawn + SHOWN);
$("download").onclick = download;
$("copy").onclick = copy;
$("threshold").oninput = () => {
  shownNow.least = Number($("threshold").value);
  $("least").textContent = shownNow.least.toFixed(2);
  redraw();
};
$("own").hidden = Object.keys(page.thresholds).length === 0;
$("stored").onchange = () => {
  shownNow.stored = $("stored").checked ? page.thresholds : null;
  redraw();
};
$("scores").onchange = () => $("results").classList.toggle("scores", $("scores").checked);
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    $("form").classList.toggle("over", kind === "dragover");
    if (kind === "drop") read([...event.dataTransfer.files]);
  });
}
drawLegend();
