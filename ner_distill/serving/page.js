"use strict";
const at = (id) => document.getElementById(id);
let labels = [], lines = [], entities = [];

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function marked(entity, text) {
  const made = element("mark", text);
  made.style.setProperty("--hue", (255 + 137.5 * Math.max(0, labels.indexOf(entity.label))) % 360);
  made.append(element("b", entity.label), element("i", entity.score.toFixed(2)));
  return made;
}

// Entities may lie in others: those are named behind the text.
function paragraph(line, found) {
  const made = element("p", ""), characters = [...line], inside = [];
  const slice = (start, end) => characters.slice(start, end).join("");
  let place = 0;
  for (const entity of [...found].sort((a, b) => a.start - b.start || b.end - a.end)) {
    if (entity.start < place) { inside.push(entity); continue; }
    made.append(slice(place, entity.start), marked(entity, slice(entity.start, entity.end)));
    place = entity.end;
  }
  made.append(slice(place));
  if (inside.length) {
    const also = element("span", "\nalso ");
    also.className = "inside";
    for (const entity of inside) also.append(marked(entity, entity.text), " ");
    made.append(also);
  }
  return made;
}

function say(text, wrong) {
  at("message").textContent = text;
  at("message").className = wrong ? "wrong" : "";
}

function show() {
  const least = Number(at("least").value);
  at("shown").textContent = least.toFixed(2);
  const passing = entities.map((own) => own.filter((entity) => entity.score >= least));
  at("found").replaceChildren(...lines.map((line, number) => paragraph(line, passing[number])));
  if (lines.length) {
    const count = passing.reduce((sum, own) => sum + own.length, 0);
    say(count === 1 ? "1 entity" : `${count} entities`);
  }
}

async function ask(event) {
  event.preventDefault();
  const texts = at("text").value.split("\n").filter((line) => line.trim());
  if (!texts.length) { say("Write a sentence first."); return; }
  const button = document.querySelector("button");
  button.disabled = true;
  say("…");
  try {
    const response = await fetch("predict", {
      method: "POST", headers: {"content-type": "application/json"}, body: JSON.stringify({texts}),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
    [lines, entities] = [texts, answer.entities];
    show();
  } catch (error) {
    say(error.message, true);
  }
  button.disabled = false;
}

at("ask").addEventListener("submit", ask);
at("least").addEventListener("input", show);
at("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) at("ask").requestSubmit();
});
at("curl").textContent =
  `curl ${new URL("predict", location.href)} -H 'content-type: application/json' -d '{"texts": ["A sentence."]}'`;
fetch("health").then((response) => response.json()).then((health) => {
  labels = health.labels;
  at("model").textContent = `${health.model}: ${labels.join(", ")}`;
}).catch((error) => say(error.message, true));
