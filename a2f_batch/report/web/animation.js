// A line's exported curves.

import { bytes, shorts } from "./bytes.js";

// What a face is read by; other names follow by how much they move.
const MAIN = ["jawOpen", "mouthClose", "mouthPucker", "mouthFunnel", "mouthSmileLeft", "mouthPressLeft", "eyeBlinkLeft", "browInnerUp"];

export class Animation {
  /** @param {any} told of the line's script */
  constructor(told) {
    this.fps = told.fps; this.frames = told.frames; this.start = told.start; this.format = told.format;
    this.names = told.names;
    const all = bytes(told.values);
    /** @type {Map<string, {values: Uint8Array, low: number, high: number}>} */
    this.curves = new Map(told.names.map((name, k) => [name, { values: all.subarray(k * told.frames, (k + 1) * told.frames), low: told.ranges[name]?.[0] ?? 0, high: told.ranges[name]?.[1] ?? 1 }]));
    this.turns = Object.entries(told.turns ?? {}).map(([node, text]) => ({ node: Number(node), values: shorts(text) }));
  }

  /** Seconds from the first frame to the end of the last. */
  get length() { return this.start + this.frames / this.fps; }

  /** The number of the frame that is shown at a time. */
  frame(seconds) { return Math.max(0, Math.min(this.frames - 1, Math.floor((seconds - this.start) * this.fps + 1e-4))); }

  /** Where a frame begins. */
  begin(frame) { return this.start + frame / this.fps; }

  /** A channel's value at a time, in a straight line between frames, as programs play it. */
  value(name, seconds) {
    const curve = this.curves.get(name);
    if (!curve) return 0;
    const at = Math.max(0, Math.min(this.frames - 1, (seconds - this.start) * this.fps)), i = Math.floor(at), j = Math.min(this.frames - 1, i + 1);
    const byte = curve.values[i] + (curve.values[j] - curve.values[i]) * (at - i);
    return curve.low + (byte / 255) * (curve.high - curve.low);
  }

  /** The channels to show first, `count` of them. */
  main(count) {
    const moved = new Map(this.names.map((name) => [name, this.movement(name)]));
    const first = MAIN.filter((name) => (moved.get(name) ?? 0) > 0);
    const rest = this.names.filter((name) => !first.includes(name)).sort((a, b) => moved.get(b) - moved.get(a));
    return [...first, ...rest].slice(0, count);
  }

  /** All channels, those that move most first. */
  all() { return this.names.map((name) => [name, this.movement(name)]).sort((a, b) => b[1] - a[1]).map(([name]) => name); }

  movement(name) {
    const { values, low, high } = this.curves.get(name);
    let sum = 0;
    for (let i = 1; i < values.length; i++) sum += Math.abs(values[i] - values[i - 1]);
    return sum * (high - low);
  }
}
