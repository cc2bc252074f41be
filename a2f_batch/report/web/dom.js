// Elements without HTML in strings: what a manifest says is text here, whatever it looks like.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element.
 * @param {string} tag
 * @param {Record<string, any>} [props] attributes; `on...` are listeners, `class` and `text` what they say; null and false are left out
 * @param {...(Node|string|null|false)} children
 * @returns {HTMLElement}
 */
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** Make an SVG element; see `h`. */
export function s(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

/** Put nodes in the place of an element's children. */
export function put(element, ...children) {
  element.replaceChildren(...children.filter((one) => one !== null && one !== false && one !== undefined));
  return element;
}

/** Tell of something at the foot of the page, aloud for those who listen to it. */
export function tell(text) {
  const place = document.getElementById("told");
  put(place, h("p", { text }));
  clearTimeout(tell.timer);
  tell.timer = setTimeout(() => put(place), 5000);
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "text") element.textContent = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((one) => one !== null && one !== false && one !== undefined));
  return element;
}
