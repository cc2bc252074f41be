// Base64 to numbers.

/** @param {string} text @returns {Uint8Array} */
export function bytes(text) {
  const binary = atob(text);
  const found = new Uint8Array(binary.length);
  for (let i = 0; i < found.length; i++) found[i] = binary.charCodeAt(i);
  return found;
}

/** Little-endian 16-bit numbers. @param {string} text @returns {Int16Array} */
export function shorts(text) {
  const view = new DataView(bytes(text).buffer);
  return Int16Array.from({ length: view.byteLength / 2 }, (_, i) => view.getInt16(2 * i, true));
}
