// Keys, mouse and the start.

const nextOpen = () => {
  const next = view.slice(place() + 1).find((item) => !isDone(item)) ?? view.find((item) => !isDone(item));
  if (next) select(next);
  else say("nothing is left to do");
};
// Takes everything back that was said of this sentence.
const forget = () => {
  if (!decisions.has(current.key)) return;
  decide([[current.key, null]]);
  refilter();
};

const KEYS = {
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
  u: back,
  z: forget,
  n: nextOpen,
  e: download,
  j: () => go(1),
  k: () => go(-1),
  ArrowDown: () => go(1),
  ArrowUp: () => go(-1),
  PageDown: () => go(10),
  PageUp: () => go(-10),
  Home: () => go(-items.length),
  End: () => go(items.length),
  "?": () => $("keys").showModal(),
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || $("keys").open) return;
  const inField = event.target.matches("input, select");
  if (event.key === "Escape" && inField) return void $("list").focus();
  if (inField) return;
  if (event.key === "/") {
    event.preventDefault();
    return $("text").select();
  }
  const act = actionOf(event);
  if (!act) return;
  event.preventDefault();
  act();
}

function actionOf(event) {
  const { key } = event;
  if (event.target.matches("button") && (key === "Enter" || key === " ")) return undefined; // the button's own
  if (!current) return key === "?" ? KEYS["?"] : key === "u" ? back : undefined;
  const label = typeOf(event);
  if (label !== undefined) return () => relabel(label);
  // shift with a bracket, on keyboards that name it after the bracket
  if (event.shiftKey && key === "[") return KEYS["{"];
  if (event.shiftKey && key === "]") return KEYS["}"];
  return KEYS[key.length === 1 ? key.toLowerCase() : key];
}

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

function wire() {
  document.addEventListener("keydown", onKey);
  $("list").addEventListener("scroll", drawList, { passive: true });
  $("list").addEventListener("click", (event) => {
    const rank = event.target.closest("[data-rank]")?.dataset.rank;
    if (rank !== undefined) select(items[rank]);
  });
  window.addEventListener("resize", drawList);
  $("text").oninput = refilter;
  for (const id of ["type", "state"]) {
    $(id).onchange = () => {
      refilter();
      $("list").focus();
    };
  }
  $("clear").onclick = () => {
    for (const id of ["text", "type", "state"]) $(id).value = "";
    refilter();
  };
  const clicks = {
    accept: KEYS.a, empty: KEYS.x, add: addSpan, drop: toggleSpan, same: applyElsewhere, undo: back, export: download,
    help: KEYS["?"],
  };
  for (const [id, act] of Object.entries(clicks)) $(id).onclick = () => act();
  $("import").onclick = () => $("file").click();
  $("file").onchange = async () => {
    for (const file of $("file").files) await takeOver(file);
    $("file").value = "";
  };
  window.addEventListener("storage", (event) => {
    // another tab went on: show its answers, and do not write over them
    if (event.key === STORED && recall()) refilter();
  });
  window.addEventListener("beforeunload", (event) => {
    if (!kept && !exported) event.preventDefault();
  });
  wireEditor();
}

$("name").textContent = page.name;
recall();
warnIfNotKept();
fillFilters();
filter();
wire();
select(items.find((item) => !isDone(item)) ?? items[0]);
document.documentElement.dataset.ready = "yes";
