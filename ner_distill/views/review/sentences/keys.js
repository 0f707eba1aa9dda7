// What keys and the mouse do to the current sentence.

// Takes everything back that was said of this sentence.
const forget = () => {
  if (!decisions.has(current.key)) return;
  decide([[current.key, null]]);
  refilter();
};

const KEYS = {
  ...GOING,
  a: () => accept(),
  Enter: () => accept(),
  x: () => accept([]),
  r: toggleSpan,
  Delete: toggleSpan,
  Backspace: toggleSpan,
  "+": addSpan,
  i: addSpan,
  g: applyElsewhere,
  "[": () => moveBorder("start", -1),
  "{": () => moveBorder("start", 1),
  "]": () => moveBorder("end", 1),
  "}": () => moveBorder("end", -1),
  ArrowRight: () => nextSpan(1),
  ArrowLeft: () => nextSpan(-1),
  z: forget,
};

const actionOfKey = (event, name) => KEYS[name];

function wireEditor() {
  $("types").addEventListener("click", (event) => {
    const label = event.target.closest("[data-label]")?.dataset.label;
    if (label !== undefined) relabel(label);
  });
  for (const button of document.querySelectorAll("[data-move]")) {
    const [border, by] = button.dataset.move.split(" ");
    button.onclick = () => moveBorder(border, Number(by));
  }
  const box = $("sentence");
  box.addEventListener("pointerdown", dragStart);
  box.addEventListener("pointermove", dragTo);
  window.addEventListener("pointerup", dragEnd);
  window.addEventListener("pointercancel", () => (drag = null));
}

start({ accept: KEYS.a, empty: KEYS.x, add: addSpan, drop: toggleSpan, same: applyElsewhere });
