// Keys and buttons that both pages have, and the start.

const GOING = {
  u: () => back(),
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

// What a key does; a page has `actionOfKey`, for what it does to the current item, and `relabel`.
function actionOf(event) {
  const { key } = event;
  if (event.target.matches("button") && (key === "Enter" || key === " ")) return undefined; // the button's own
  if (!current) return key === "?" || key === "u" ? GOING[key] : undefined;
  const label = typeOf(event);
  if (label !== undefined) return () => relabel(label);
  const opened = event.shiftKey ? { "[": "{", "]": "}" }[key] : undefined; // keyboards that name it after the bracket
  return actionOfKey(event, opened ?? (key.length === 1 ? key.toLowerCase() : key));
}

// clicks: id of a button -> what it does.
function wire(clicks) {
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
  const all = { ...clicks, undo: GOING.u, export: GOING.e, help: GOING["?"] };
  for (const [id, act] of Object.entries(all)) $(id).onclick = () => act();
  $("import").onclick = () => $("file").click();
  $("file").onchange = async () => {
    for (const file of $("file").files) await takeOver(file);
    $("file").value = "";
  };
  window.addEventListener("storage", (event) => {
    // another tab went on: show what was done there, and do not write over it
    if (event.key === STORED && recall()) refilter();
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted && recall()) refilter(); // back again: other pages may have gone on meanwhile
  });
  window.addEventListener("beforeunload", (event) => {
    if (!kept && !exported) event.preventDefault();
  });
}

function start(clicks) {
  $("name").textContent = page.name;
  recall();
  warnIfNotKept();
  fillFilters();
  filter();
  wire(clicks);
  wireEditor();
  select(openBehind(items, -1) ?? items[0]);
  document.documentElement.dataset.ready = "yes";
}
