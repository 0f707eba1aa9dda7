// What keys and the mouse do to the current entity.

const cancel = () => {
  draft = null;
  draw();
};
const clearDecision = () => {
  if (decisions.has(current.key)) decide([[current.key, null]]);
  refilter();
};
const toggleWhole = () => {
  if ($("whole").hidden) return;
  whole = !whole;
  draw();
};
const suggest = () => current.entity.instead?.length && settle("correct", current.entity.instead);
const move = (border, by) => correct(() => moveBorder(border, by));

const ALWAYS = {
  "[": () => move("start", -1),
  "{": () => move("start", 1),
  "]": () => move("end", 1),
  "}": () => move("end", -1),
  x: toggleWhole,
  "?": GOING["?"],
};
const DECIDING = {
  ...GOING,
  a: () => settle("accept"),
  r: () => settle("reject"),
  c: () => correct(),
  s: suggest,
  g: toggleTogether,
  Backspace: clearDecision,
  Delete: clearDecision,
};
const CORRECTING = {
  Enter: save,
  Escape: cancel,
  "+": () => correct(addSpan),
  "-": () => correct(dropSpan),
};

const relabel = (label) => correct(() => (active().label = label));

function actionOfKey(event, name) {
  if (draft && (name === "ArrowLeft" || name === "ArrowRight")) {
    const rtl = getComputedStyle($("sentence")).direction === "rtl";
    const by = (name === "ArrowRight") !== rtl ? 1 : -1;
    return () => move(event.shiftKey ? "start" : "end", by);
  }
  const act = ALWAYS[name] ?? (draft ? CORRECTING : DECIDING)[name];
  if (!act && draft && DECIDING[name]) return () => say("Enter saves the correction, Escape leaves it");
  return act;
}

// After a click with the mouse, Enter saves rather than clicking the same button again.
function inEditor(change) {
  return (event) => {
    correct(change(event));
    if (event.detail > 0) $("save").focus();
  };
}

function wireEditor() {
  $("types").addEventListener("click", (event) => {
    const label = event.target.closest("[data-label]")?.dataset.label;
    if (label === undefined) return;
    inEditor(() => () => (active().label = label))(event);
    if (event.detail === 0) $("types").querySelector("[aria-checked=true]")?.focus();
  });
  for (const button of document.querySelectorAll("[data-move]")) {
    const [border, by] = button.dataset.move.split(" ");
    button.onclick = inEditor(() => () => moveBorder(border, Number(by)));
  }
  $("add").onclick = inEditor(() => addSpan);
  $("drop").onclick = inEditor(() => dropSpan);
  $("save").onclick = save;
  $("cancel").onclick = cancel;
  const box = $("sentence");
  box.addEventListener("pointerdown", dragStart);
  box.addEventListener("pointermove", (event) => dragTo(event) && draw());
  window.addEventListener("pointerup", () => {
    if (drag && !drag.moved && draft) correct(() => clickWord(drag.from));
    drag = null;
  });
  window.addEventListener("pointercancel", () => (drag = null));
}

start({
  accept: DECIDING.a,
  reject: DECIDING.r,
  correct: DECIDING.c,
  suggest,
  together: toggleTogether,
  whole: toggleWhole,
});
