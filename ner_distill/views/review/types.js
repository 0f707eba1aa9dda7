// The buttons of the types, and their keys.

function drawTypes(shown) {
  const buttons = page.labels.map((label, index) => {
    const button = element("button", "type");
    button.type = "button";
    button.dataset.label = label;
    button.style.setProperty("--h", hueOf(label));
    button.setAttribute("role", "radio");
    button.setAttribute("aria-checked", String(label === shown));
    const key = typeKey(index);
    if (key) button.append(element("kbd", "", key), " ");
    const name = element("span", "", label);
    name.dir = "auto";
    button.append(name);
    return button;
  });
  $("types").replaceChildren(...buttons);
}

const typeKey = (index) => (index < 9 ? String(index + 1) : index === 9 ? "0" : index < 19 ? `⇧${index - 9}` : "");

// The type of a digit key: 1 to 9, 0 is the tenth, with shift the 11th to 19th.
function typeOf(event) {
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1] ?? (/^\d$/.test(event.key) ? event.key : null);
  if (digit === null) return undefined;
  const index = digit === "0" ? 9 : Number(digit) - 1 + (event.shiftKey && event.code.startsWith("Digit") ? 10 : 0);
  return page.labels[index];
}
