// A line's time line: the waveform, its flags and its curves over one another, with one cursor through all.

import { h, put } from "./dom.js";
import { clock, words } from "./numbers.js";
import { colour, onTheme } from "./theme.js";

const RULER = 20, WAVE = 76, LANE = 34;  // pixels, as in the style sheet

export class Timeline {
  /**
   * @param {HTMLElement} place
   * @param {{seek: (seconds: number) => void, range: (range: [number, number]|null) => void}} asked what the user does on it
   */
  constructor(place, asked) {
    this.asked = asked;
    this.canvas = h("canvas", { class: "drawing", role: "presentation" });
    this.playhead = h("div", { class: "playhead", "aria-hidden": "true" });
    this.hover = h("div", { class: "hover", hidden: true, "aria-hidden": "true" }, h("span", {}));
    this.chosen = h("div", { class: "chosen", "aria-hidden": "true" });
    this.labels = h("div", { class: "labels" });
    this.field = h("div", { class: "field", tabindex: 0, role: "slider", "aria-label": "Time", "aria-valuemin": 0, "aria-valuenow": 0 }, this.canvas, this.chosen, this.playhead, this.hover);
    put(place, this.labels, this.field);
    this.view = [0, 1]; this.range = null; this.time = 0;
    this.field.addEventListener("pointerdown", (event) => this.press(event));
    this.field.addEventListener("pointermove", (event) => this.point(event.clientX));
    this.field.addEventListener("pointerleave", () => this.point(null));
    this.field.addEventListener("wheel", (event) => this.zoom(event), { passive: false });
    this.field.addEventListener("dblclick", () => { this.view = [0, this.length]; this.draw(); });
    new ResizeObserver(() => this.draw()).observe(this.field);
    onTheme(() => this.draw());
  }

  /** Show a line. @param {any} told {length, wave, flags, animation, channels} */
  show(told) {
    Object.assign(this, told);
    this.view = [0, this.length]; this.setRange(null, false);
    this.field.setAttribute("aria-valuemax", this.length.toFixed(2));
    this.setChannels(told.channels);
  }

  setChannels(channels) {
    this.channels = channels;
    this.values = new Map();
    const label = (name) => {
      const value = h("output", {});
      this.values.set(name, value);
      return h("div", { class: "lane-label", title: name }, h("span", { text: name }), value);
    };
    put(this.labels, h("div", { class: "ruler-label" }), h("div", { class: "wave-label", text: "Sound" }), ...channels.map(label));
    this.draw();
    this.at(this.time);
  }

  /** Move the playhead. */
  at(seconds) {
    this.time = seconds;
    const x = this.x(seconds);
    this.playhead.style.transform = `translateX(${x}px)`;
    this.playhead.hidden = x < 0 || x > this.width;
    this.field.setAttribute("aria-valuenow", seconds.toFixed(2));
    this.field.setAttribute("aria-valuetext", clock(seconds));
    if (this.pointed === undefined || this.pointed === null) this.tellValues(seconds);
  }

  /** Choose a stretch to be played alone; null for all. */
  setRange(range, tell = true) {
    this.range = range;
    this.drawRange();
    if (tell) this.asked.range(range);
  }

  x(seconds) { return ((seconds - this.view[0]) / (this.view[1] - this.view[0])) * this.width; }
  seconds(x) { return this.view[0] + (x / this.width) * (this.view[1] - this.view[0]); }
  get width() { return this.field.clientWidth; }

  press(event) {
    if (event.button !== 0) return;
    const left = this.field.getBoundingClientRect().left, from = this.seconds(event.clientX - left);
    this.field.setPointerCapture(event.pointerId);
    let dragged = false;
    const drag = (moved) => {
      const to = this.seconds(Math.max(0, Math.min(this.width, moved.clientX - left)));
      if (!dragged && Math.abs(moved.clientX - event.clientX) < 4) return;
      dragged = true;
      this.range = from < to ? [from, to] : [to, from];
      this.drawRange();
    };
    const release = () => {
      this.field.removeEventListener("pointermove", drag);
      if (dragged) { this.setRange([Math.max(0, this.range[0]), Math.min(this.length, this.range[1])]); this.asked.seek(this.range[0]); } else { this.setRange(null); this.asked.seek(from); }
    };
    this.field.addEventListener("pointermove", drag);
    this.field.addEventListener("pointerup", release, { once: true });
  }

  point(clientX) {
    const x = clientX === null ? null : clientX - this.field.getBoundingClientRect().left;
    this.pointed = x === null || x < 0 || x > this.width ? null : this.seconds(x);
    this.hover.hidden = this.pointed === null;
    if (this.pointed === null) { this.tellValues(this.time); return; }
    this.hover.style.transform = `translateX(${x}px)`;
    this.hover.classList.toggle("left", x > this.width - 90);
    this.hover.firstChild.textContent = clock(this.pointed);
    this.tellValues(this.pointed);
  }

  tellValues(seconds) {
    for (const [name, place] of this.values ?? []) place.textContent = this.animation.value(name, seconds).toFixed(2);
  }

  zoom(event) {
    if (!event.ctrlKey && !event.shiftKey && !event.altKey) return;  // the page scrolls
    event.preventDefault();
    const [from, to] = this.view, size = to - from, turn = event.deltaY || event.deltaX;
    if (event.shiftKey) this.setView(from + size * Math.sign(turn) * 0.1, size);
    else {
      const at = this.seconds(event.clientX - this.field.getBoundingClientRect().left), next = Math.max(0.2, Math.min(this.length, size * (turn > 0 ? 1.25 : 0.8)));
      this.setView(at - ((at - from) / size) * next, next);
    }
  }

  setView(from, size) {
    const first = Math.max(0, Math.min(this.length - size, from));
    this.view = [first, first + size];
    this.draw();
    this.at(this.time);
  }

  drawRange() {
    this.chosen.hidden = !this.range;
    if (!this.range) return;
    const [a, b] = this.range.map((one) => this.x(one));
    Object.assign(this.chosen.style, { left: `${a}px`, width: `${Math.max(1, b - a)}px` });
  }

  draw() {
    if (!this.channels || !this.width) return;
    const ratio = devicePixelRatio || 1, { width } = this, height = RULER + WAVE + this.channels.length * LANE;
    this.field.style.height = `${height}px`;
    this.canvas.width = Math.round(width * ratio); this.canvas.height = Math.round(height * ratio);
    const ink = this.canvas.getContext("2d");
    ink.scale(ratio, ratio);
    this.drawRuler(ink, width, height);
    this.drawFlags(ink, height);
    this.drawWave(ink, width);
    this.channels.forEach((name, k) => this.drawCurve(ink, name, RULER + WAVE + k * LANE, width));
    this.drawRange();
    this.at(this.time);
  }

  drawRuler(ink, width, height) {
    const size = this.view[1] - this.view[0];
    const step = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600].find((one) => (one / size) * width > 64) ?? 1200;
    ink.font = `11px ${getComputedStyle(this.field).fontFamily}`;
    ink.textBaseline = "middle";
    for (let tick = Math.ceil(this.view[0] / step) * step; tick <= this.view[1] + 1e-6; tick += step) {
      const x = Math.round(this.x(tick)) + 0.5;
      ink.strokeStyle = colour("line");
      ink.beginPath(); ink.moveTo(x, RULER - 4); ink.lineTo(x, height); ink.stroke();
      ink.fillStyle = colour("muted");
      if (x < width - 34) ink.fillText(tick >= 60 ? clock(tick).slice(0, -4) : `${Number(tick.toFixed(2))} s`, x + 3, RULER / 2);
    }
  }

  drawFlags(ink, height) {
    for (const flag of this.flags ?? []) {
      if (flag.begin === null || flag.begin === undefined) continue;
      const a = this.x(flag.begin), b = Math.max(a + 3, this.x(flag.end ?? flag.begin));
      ink.fillStyle = colour("flag-fill");
      ink.fillRect(a, RULER, b - a, height - RULER);
      ink.fillStyle = colour("warn");
      ink.fillRect(a, RULER - 3, b - a, 3);
      ink.save();
      ink.beginPath(); ink.rect(a, RULER, Math.max(b - a, 120), 16); ink.clip();
      ink.font = `600 10.5px ${getComputedStyle(this.field).fontFamily}`;
      ink.fillText(words(flag.code), a + 4, RULER + 9);
      ink.restore();
    }
  }

  drawWave(ink, width) {
    const middle = RULER + WAVE / 2 + 3, half = WAVE / 2 - 8;
    ink.fillStyle = colour("line");
    ink.fillRect(0, middle, width, 1);
    if (!this.wave?.length) return;
    const per = this.wave.length / this.length, loudest = Math.max(32, this.wave.reduce((a, b) => Math.max(a, b), 0));
    ink.fillStyle = colour("wave-strong");
    for (let x = 0; x < width; x++) {
      const a = Math.floor(this.seconds(x) * per), b = Math.max(a + 1, Math.floor(this.seconds(x + 1) * per));
      let most = 0;
      for (let i = Math.max(0, a); i < Math.min(this.wave.length, b); i++) most = Math.max(most, this.wave[i]);
      const size = (most / loudest) * half;
      if (size > 0.4) ink.fillRect(x, middle - size, 1, 2 * size);
    }
  }

  drawCurve(ink, name, top, width) {
    const { animation } = this, { low, high, values } = animation.curves.get(name), base = top + LANE - 4;
    const [floor, ceiling] = reach(values, low, high), y = (value) => base - ((value - floor) / (ceiling - floor)) * (LANE - 8), yOf = (byte) => y(low + (byte / 255) * (high - low));
    ink.fillStyle = colour("line");
    ink.fillRect(0, top + LANE - 1, width, 1);
    ink.beginPath();
    const first = Math.max(0, animation.frame(this.view[0]) - 1), last = Math.min(animation.frames - 1, animation.frame(this.view[1]) + 2);
    const dense = (last - first) / width;
    const x = (i) => this.x(animation.begin(i));
    if (dense <= 2) for (let i = first; i <= last; i++) ink.lineTo(x(i), yOf(values[i]));
    else {
      for (let i = first; i <= last; i += dense) {
        const some = values.subarray(Math.floor(i), Math.max(Math.floor(i) + 1, Math.floor(i + dense)));
        const at = x(i);
        ink.lineTo(at, yOf(some.reduce((a, b) => Math.min(a, b), 255)));
        ink.lineTo(at, yOf(some.reduce((a, b) => Math.max(a, b), 0)));
      }
    }
    ink.strokeStyle = /^(jaw|mouth|tongue)/i.test(name) ? colour("mouth") : colour("upper");
    ink.lineWidth = 1.4; ink.lineJoin = "round";
    ink.stroke();
    const zero = y(0);
    ink.lineTo(x(last), zero); ink.lineTo(x(first), zero); ink.closePath();
    ink.globalAlpha = 0.13; ink.fillStyle = ink.strokeStyle; ink.fill(); ink.globalAlpha = 1;
    ink.font = `10px ${getComputedStyle(this.field).fontFamily}`;
    ink.textAlign = "right"; ink.fillStyle = colour("muted");
    ink.fillText(String(ceiling), width - 4, top + 8);
    ink.textAlign = "left";
  }
}

/** The range that a lane shows: from 0 to a quarter, a half or all of a shape, and beyond where the curve goes there. */
function reach(values, low, high) {
  const most = low + (values.reduce((a, b) => Math.max(a, b), 0) / 255) * (high - low), least = low + (values.reduce((a, b) => Math.min(a, b), 255) / 255) * (high - low);
  const size = Math.max(most, -least);
  const ceiling = [0.25, 0.5, 1].find((one) => size <= one) ?? Math.ceil(size * 10) / 10;
  return [least < -0.01 ? -ceiling : 0, ceiling];
}
