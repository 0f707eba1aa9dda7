// Keys, mouse and the start.

const cancel = () => {
  draft = null;
  draw();
};
const clearDecision = () => {
  if (decisions.has(current.key)) decide([[current.key, null]]);
  refilter();
};
const nextOpen = () => {
  const open = (item) => !decisions.has(item.key);
  const next = view.slice(place() + 1).find(open) ?? view.find(open);
  if (next) select(next);
  else say("nothing is left to do");
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
  "?": () => $("keys").showModal(),
};
const DECIDING = {
  a: () => settle("accept"),
  r: () => settle("reject"),
  c: () => correct(),
  s: suggest,
  u: back,
  g: toggleTogether,
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
  Backspace: clearDecision,
  Delete: clearDecision,
};
const CORRECTING = {
  Enter: save,
  Escape: cancel,
  "+": () => correct(addSpan),
  "-": () => correct(dropSpan),
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
  const onButton = event.target.matches("button") && (key === "Enter" || key === " ");
  if (onButton) return undefined; // the button's own
  if (!current) return key === "?" ? ALWAYS["?"] : key === "u" ? back : undefined;
  const label = typeOf(event);
  if (label !== undefined) return () => correct(() => (active().label = label));
  // shift with a bracket, on keyboards that name it after the bracket
  if (event.shiftKey && key === "[") return ALWAYS["{"];
  if (event.shiftKey && key === "]") return ALWAYS["}"];
  if (draft && (key === "ArrowLeft" || key === "ArrowRight")) {
    const rtl = getComputedStyle($("sentence")).direction === "rtl";
    const by = (key === "ArrowRight") !== rtl ? 1 : -1;
    return () => move(event.shiftKey ? "start" : "end", by);
  }
  const mode = draft ? CORRECTING : DECIDING;
  const name = key.length === 1 ? key.toLowerCase() : key;
  const act = ALWAYS[name] ?? mode[name];
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
  const clicks = { accept: DECIDING.a, reject: DECIDING.r, correct: DECIDING.c, suggest, together: toggleTogether, undo: back, export: download };
  for (const [id, act] of Object.entries(clicks)) $(id).onclick = act;
  $("whole").onclick = toggleWhole;
  $("help").onclick = ALWAYS["?"];
  $("import").onclick = () => $("file").click();
  $("file").onchange = async () => {
    for (const file of $("file").files) await takeOver(file);
    $("file").value = "";
  };
  window.addEventListener("storage", (event) => {
    // another tab went on: show its decisions, and do not write over them
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
select(items.find((item) => !decisions.has(item.key)) ?? items[0]);
document.documentElement.dataset.ready = "yes";
