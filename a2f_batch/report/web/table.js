// The table: any number of lines, of which those in view are in the page. Its rows move in the flow of the page, so the page's own scroll bar is theirs.

import { h, put } from "./dom.js";
import { count, figure, lines, words } from "./numbers.js";
import { ROW, Row } from "./row.js";
import { SHOWN } from "./rows.js";
import { onTheme } from "./theme.js";

const SPARE = 4;  // rows above and below that are ready
const FEW = 6;  // thumbnails that are drawn for one picture of the screen
const REST = 80;  // milliseconds after lines have flown by, until thumbnails are loaded and drawn

const COLUMNS = [
  { name: "score", label: "Score", down: true },
  { name: "line", label: "Line" },
  { name: "locale", label: "Language" },
  { name: null, label: "Sound and mouth" },
  { name: null, label: "Text" },
  { name: "duration", label: "Length", down: true },
  { name: "flags", label: "Flags", down: true },
  { name: "verdict", label: "Verdict" },
];

export class Table {
  /**
   * @param {HTMLElement} place @param {import("./rows.js").Rows} rows @param {import("./reviews.js").Reviews} reviews
   * @param {(i: number) => void} open shows a row's line
   */
  constructor(place, rows, reviews, open) {
    this.rows = rows; this.reviews = reviews; this.open = open;
    this.filter = { search: "", locale: "", character: "", flag: "", show: "", score: null };
    this.order = { column: "score", down: true };
    this.chosen = new Uint32Array();
    this.current = -1;  // the row that keys act on: a place in `chosen`
    /** @type {Map<number, Row>} by place in `chosen` */
    this.live = new Map();
    /** @type {Set<Row>} whose thumbnails are not yet drawn */
    this.undrawn = new Set();
    this.flown = 0;  // when many rows last came into view at once
    this.bar = h("div", { class: "toolbar", role: "search" });
    this.heads = h("div", { class: "row heads", role: "row" });
    this.none = h("p", { class: "waiting", text: "No line fits. Clear the filter to see all.", hidden: true });
    this.body = h("div", { class: "body", role: "rowgroup" });
    this.grid = h("div", { class: "grid", role: "grid", tabindex: 0, "aria-label": "Lines", "aria-describedby": "amount", onkeydown: (event) => this.key(event) },
      h("div", { class: "sticky" }, this.bar, this.heads), this.body, this.none);
    put(place, this.grid);
    this.drawBar();
    addEventListener("scroll", () => this.schedule(), { passive: true });
    addEventListener("resize", () => this.schedule());
    onTheme(() => this.redraw());
    reviews.onchange(() => this.redraw());
    this.choose();
  }

  /** Change what is shown. @param {Partial<import("./rows.js").Filter>} change */
  narrow(change) {
    Object.assign(this.filter, change);
    this.drawBar();
    this.choose();
    this.grid.scrollIntoView({ block: "start" });
  }

  /** Find the rows to show, keep the current line where it still is, and draw. */
  choose() {
    const line = this.chosen[this.current];
    this.chosen = this.rows.chosen(this.filter, this.order, (i) => this.reviews.verdict(i));
    this.current = line === undefined ? -1 : this.chosen.indexOf(line);
    this.body.style.height = `${this.chosen.length * ROW}px`;
    this.grid.setAttribute("aria-rowcount", String(this.chosen.length + 1));
    this.drawHeads();
    this.amount.textContent = this.chosen.length === this.rows.length ? lines(this.rows.length) : `${count(this.chosen.length)} of ${lines(this.rows.length)}`;
    this.clear.hidden = !Object.values(this.filter).some(Boolean);
    this.redraw();
  }

  /** Make `line` the current row; if it is not among those shown, show all. @returns {boolean} whether it is there */
  select(line) {
    let at = this.chosen.indexOf(line);
    if (at < 0 && line !== undefined) {
      Object.assign(this.filter, { search: "", locale: "", character: "", flag: "", show: "", score: null });
      this.drawBar();
      this.choose();
      at = this.chosen.indexOf(line);
    }
    this.go(at);
    return at >= 0;
  }

  /** The line `step` rows from the current one; undefined at the ends. */
  neighbour(step) { return this.chosen[this.current + step]; }

  /** Make a place in the list current, and bring it into view. */
  go(at) {
    if (at < 0 || at >= this.chosen.length) return;
    this.current = at;
    const top = this.body.getBoundingClientRect().top + at * ROW, above = this.body.previousElementSibling.offsetHeight;
    if (top < above || top + ROW > innerHeight) scrollBy({ top: top - Math.max(above, innerHeight / 3) });
    this.draw();
    for (const row of this.live.values()) this.mark(row);
  }

  key(event) {
    if (event.target !== this.grid || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(innerHeight / ROW) - 4), last = this.chosen.length - 1;
    const to = { ArrowDown: this.current + 1, ArrowUp: this.current - 1, PageDown: Math.min(last, this.current + page),
      PageUp: Math.max(0, this.current - page), Home: 0, End: last }[event.key];
    if (to !== undefined) { event.preventDefault(); this.go(Math.max(0, to)); }
    if (event.key === "Enter" && this.current >= 0) { event.preventDefault(); this.open(this.chosen[this.current]); }
  }

  schedule() { this.frame ??= requestAnimationFrame(() => { this.frame = undefined; this.draw(); }); }

  /** Show every row anew: another order, another verdict, other colours. */
  redraw() {
    const rows = [...this.live.values()];
    this.live.clear();
    this.draw(rows);
  }

  /** Show the rows that are in view. Those that have left it, and `free` ones, become those that have come. */
  draw(free = []) {
    const top = this.body.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(-top / ROW) - SPARE), end = Math.min(this.chosen.length, Math.ceil((innerHeight - top) / ROW) + SPARE);
    for (const [place, row] of this.live) if (place < first || place >= end) { free.push(row); this.live.delete(place); }
    if (end - first - this.live.size > FEW) this.flown = performance.now();
    for (let place = first; place < end; place++) if (!this.live.has(place)) this.live.set(place, this.row(place, free.pop()));
    for (const row of free) { row.element.remove(); this.undrawn.delete(row); }
    this.none.hidden = this.chosen.length > 0;
  }

  row(place, row = new Row(this.rows, this.reviews, (at, line) => { this.go(at); this.open(line); })) {
    const i = this.chosen[place];
    row.show(place, i);
    this.mark(row);
    if (!row.element.isConnected) this.body.append(row.element);
    this.undrawn.delete(row);
    if (this.rows.finished(i)) { this.undrawn.add(row); this.drawLater(); }
    return row;
  }

  /** Draw thumbnails, some a picture of the screen, and none while lines fly by: scrolling goes first. */
  drawLater() {
    this.drawing ??= requestAnimationFrame(() => {
      this.drawing = undefined;
      const some = performance.now() - this.flown > REST ? [...this.undrawn].slice(0, FEW) : [];
      for (const row of some) { this.undrawn.delete(row); row.draw(); }
      if (this.undrawn.size) this.drawLater();
    });
  }

  mark(row) {
    const is = row.place === this.current;
    row.mark(is);
    if (is) this.grid.setAttribute("aria-activedescendant", row.element.id);
  }

  drawHeads() {
    put(this.heads, ...COLUMNS.map(({ name, label, down }) => {
      const sorted = name !== null && this.order.column === name;
      const turn = () => {
        this.order = { column: name, down: sorted ? !this.order.down : Boolean(down) };
        this.choose();
        this.heads.querySelector(`[data-column="${name}"]`)?.focus();
      };
      return h("div", { role: "columnheader", "aria-sort": sorted ? (this.order.down ? "descending" : "ascending") : null },
        name === null ? label : h("button", { type: "button", class: "sorter", "data-column": name, onclick: turn, text: `${label}${sorted ? (this.order.down ? " ↓" : " ↑") : ""}` }));
    }));
  }

  drawBar() {
    const { page } = this.rows;
    const select = (name, label, options) => h("select", { "aria-label": label, class: this.filter[name] ? "set" : null, onchange: (event) => { this.filter[name] = event.target.value; event.target.classList.toggle("set", Boolean(event.target.value)); this.choose(); } },
      h("option", { value: "", text: label }), ...options.map(([value, text]) => h("option", { value, text, selected: this.filter[name] === value })));
    this.amount = h("span", { id: "amount", class: "amount", role: "status" });
    this.clear = h("button", { type: "button", class: "plain", text: "Clear", onclick: () => { this.narrow({ search: "", locale: "", character: "", flag: "", show: "", score: null }); this.grid.focus(); } });
    const search = h("input", { type: "search", id: "search", placeholder: "Search names and text   /", "aria-label": "Search names and text", value: this.filter.search,
      oninput: (event) => { this.filter.search = event.target.value; clearTimeout(this.typing); this.typing = setTimeout(() => this.choose(), 90); } });
    put(this.bar, search,
      select("show", "All lines", Object.entries(SHOWN).map(([value, { label }]) => [value, label])),
      select("locale", "All languages", page.locales.map((one) => [one, one])),
      select("character", "All characters", page.characters.map((one) => [one, one])),
      page.flags.length ? select("flag", "All flags", page.flags.map((one) => [one, words(one)])) : null,
      this.filter.score ? h("button", { type: "button", class: "chip", title: "Show all scores", onclick: () => this.narrow({ score: null }),
        text: `score ${this.filter.score[1] === Infinity ? `≥ ${figure(this.filter.score[0])}` : `${figure(this.filter.score[0])} to ${figure(this.filter.score[1])}`} ×` }) : null,
      this.clear, h("span", { class: "gap" }), this.amount);
  }
}
