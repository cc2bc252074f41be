// Data by script tags: all that a page opened from the disk may load. A data file calls `a2f.<kind>(key..., value)` when it runs.

/** @type {Map<string, {promise: Promise<any>, resolve: (value: any) => void}>} */
const expected = new Map();

function entry(key) {
  let found = expected.get(key);
  if (!found) {
    found = {};
    found.promise = new Promise((resolve) => { found.resolve = resolve; });
    expected.set(key, found);
  }
  return found;
}

const receive = (kind) => (...told) => {
  const value = told.pop();
  entry([kind, ...told].join(" ")).resolve(value);
};

globalThis.a2f = Object.fromEntries(["page", "rows", "details", "strips", "line", "head"].map((kind) => [kind, receive(kind)]));

/** What the page's own scripts bring. @returns {Promise<any>} */
export const brought = (kind, ...key) => entry([kind, ...key].join(" ")).promise;

/**
 * Load a data script once.
 * @param {string} url @param {string} kind @param {...(string|number)} key
 * @returns {Promise<any>} rejected if the file is not there; it may be tried again
 */
export function load(url, kind, ...key) {
  const name = [kind, ...key].join(" ");
  const found = entry(name);
  found.loading ??= script(url).then(() => found.promise).catch((error) => { expected.delete(name); throw error; });
  return found.loading;
}

/** Forget what a script brought, so that thousands of opened lines do not pile up. */
export function forget(kind, ...key) {
  expected.delete([kind, ...key].join(" "));
}

/** Run a script. @param {string} url @returns {Promise<void>} */
export function script(url) {
  return new Promise((resolve, reject) => {
    const tag = document.createElement("script");
    tag.src = url;
    tag.onload = () => { tag.remove(); resolve(); };
    tag.onerror = () => { tag.remove(); reject(new Error(`'${decodeURI(url)}' is missing: copy the whole report folder.`)); };
    document.head.append(tag);
  });
}

/** A name with slashes as an address. */
export const address = (folder, name) => `${folder}/${name.split("/").map(encodeURIComponent).join("/")}.js`;
