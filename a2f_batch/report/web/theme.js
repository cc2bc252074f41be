// Light, dark, or as the system has it; colours for what is drawn on canvases.

const PLACE = "a2f-batch theme";
const listeners = [];
/** @type {Map<string, string>} */
const colours = new Map();

/** The themes in the order in which the button goes through them. */
export const THEMES = ["auto", "light", "dark"];

export function theme() {
  try { return localStorage.getItem(PLACE) || "auto"; } catch { return "auto"; }
}

export function setTheme(name) {
  try { localStorage.setItem(PLACE, name); } catch { /* it lasts as long as the page then */ }
  apply(name);
}

export function onTheme(listener) { listeners.push(listener); }

/** A colour of the style sheet, such as "accent". Asked for once a theme: each time, the style of what has changed would be found anew. */
export function colour(name) {
  let found = colours.get(name);
  if (!found) colours.set(name, found = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
  return found;
}

function apply(name) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  changed();
}

function changed() {
  colours.clear();
  for (const listener of listeners) listener();
}

apply(theme());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
matchMedia("print").addEventListener("change", () => colours.clear());
