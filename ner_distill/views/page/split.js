// Raw text → words, cut as data/formats/segment.py cuts it. Places are in UTF-16 units, as JavaScript counts.

// White space as Python's str.isspace has it; \s of JavaScript differs (U+001C to U+001F, U+0085, U+FEFF).
const BLANK = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const BETWEEN_BLANKS = new RegExp(`[^${BLANK}]+`, "gu");
const ENDS = new RegExp(`^[${BLANK}]+|[${BLANK}]+$`, "gu");

const HAN = "\\u{4E00}-\\u{9FFF}\\u{3400}-\\u{4DBF}\\u{20000}-\\u{2CEAF}\\u{F900}-\\u{FAFF}\\u{2F800}-\\u{2FA1F}";
const ALNUM = `(?:(?![${HAN}])[\\p{L}\\p{N}\\p{M}_])`;
const CLITIC = `['’](?:[sSmMdD]|re|RE|ve|VE|ll|LL)(?!${ALNUM})`;
const JOINERS = `(?:(?!${CLITIC})['’]|[\\-‐‑./&@+\\u200C\\u200D]|(?<=\\p{N})[,:](?=\\p{N}))`;
const WORD = new RegExp(
  [
    "(?:https?://|www\\.)[^\\p{White_Space}<>\"]*[^\\p{White_Space}<>\".,;:!?)\\]}'’]",
    `(?:\\p{L}\\.){2,}(?!${ALNUM})`,
    "\\p{Lu}\\.(?=\\p{White_Space}\\p{Lu})",
    `${ALNUM}+(?:${JOINERS}${ALNUM}+)*`,
    CLITIC,
    "([\\-.=*~])\\1+",
    "\\P{White_Space}\\p{M}*",
  ].join("|"),
  "gu",
);

// [start, end) of each word. unit: "word", "character" (every code point) or "blank" (what stands between blanks).
function segment(text, unit) {
  if (unit !== "character") {
    return Array.from(text.matchAll(unit === "blank" ? BETWEEN_BLANKS : WORD), (match) => [match.index, match.index + match[0].length]);
  }
  const places = [];
  let start = text.length - text.replace(ENDS, (blanks, at) => (at === 0 ? "" : blanks)).length;
  for (const char of text.replace(ENDS, "")) places.push([start, (start += char.length)]);
  return places;
}

// The same places counted in code points, as Python counts: `places` are in order, and none overlap.
function inCodePoints(text, places) {
  let at = 0;
  let count = 0;
  const counted = (place) => {
    for (; at < place; count += 1) at += text.codePointAt(at) > 0xffff ? 2 : 1;
    return count;
  };
  return places.map(([start, end]) => [counted(start), counted(end)]);
}
