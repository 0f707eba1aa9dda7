// What the scripts of all pages share: the data, elements with text as text, numbers, the colours of types.

const page = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");
const plural = (count, one, many = `${one}s`) => `${number.format(count)} ${count === 1 ? one : many}`;
const percent = (value) => `${Math.round(value * 100)} %`;

// A share of 0 to 1 with as many digits as part it from 1 (0.85, 0.9987): of the first of a list many are near 1.
const exactly = (value) => {
  const left = 1 - value;
  return value.toFixed(left > 0 && left < 0.05 ? Math.min(6, 1 - Math.floor(Math.log10(left))) : 2);
};

// An element with text as text: nothing in this page makes HTML of a string.
function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}
const short = (text, most) => (text.length <= most ? text : `${text.slice(0, most - 1)}…`);

const hueOf = (label) => page.hues[Math.max(0, page.labels.indexOf(label))];

function chip(label) {
  const made = element("span", "chip", label);
  made.style.setProperty("--h", hueOf(label));
  made.dir = "auto";
  return made;
}

function say(text) {
  $("said").textContent = text;
}

// A message below the header. It takes the place of an earlier one of the same text, or about the same.
function notice(text, kind = "", about = text) {
  const line = element("p", kind, text);
  line.dataset.about = about;
  const close = element("button", "quiet", "✕");
  close.type = "button";
  close.setAttribute("aria-label", "Close this message");
  close.onclick = () => line.remove();
  line.append(close);
  for (const old of [...$("notices").children]) if (old.dataset.about === about) old.remove();
  $("notices").append(line);
}
