// The table: any number of lines, of which those in view are in the page. Its rows move in the flow of the page, so the page's own scroll bar is theirs.

import { h, put } from "./dom.js";
import { count, figure, lines, span, words } from "./numbers.js";
import { SHOWN } from "./rows.js";
import { drawThumbnail } from "./thumbnail.js";
import { onTheme } from "./theme.js";

const ROW = 52;  // pixels, as in the style sheet
const SPARE = 8;  // rows above and below that are ready

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
    /** @type {Map<number, HTMLElement>} place in `chosen` -> its element */
    this.live = new Map();
    this.bar = h("div", { class: "toolbar", role: "search" });
    this.heads = h("div", { class: "row heads", role: "row" });
    this.body = h("div", { class: "body", role: "rowgroup" });
    this.grid = h("div", { class: "grid", role: "grid", tabindex: 0, "aria-label": "Lines", "aria-describedby": "amount", onkeydown: (event) => this.key(event) },
      h("div", { class: "sticky" }, this.bar, this.heads), this.body);
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
    for (const [place, row] of this.live) this.mark(row, place);
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

  redraw() {
    this.body.replaceChildren();
    this.live.clear();
    this.draw();
  }

  /** Put the rows that are in view into the page, and take the others out. */
  draw() {
    const top = this.body.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(-top / ROW) - SPARE), end = Math.min(this.chosen.length, Math.ceil((innerHeight - top) / ROW) + SPARE);
    for (const [place, row] of this.live) if (place < first || place >= end) { row.remove(); this.live.delete(place); }
    for (let place = first; place < end; place++) {
      if (this.live.has(place)) continue;
      const row = this.row(place);
      this.live.set(place, row);
      this.body.append(row);
    }
    if (!this.chosen.length && !this.body.firstChild) this.body.append(h("p", { class: "waiting", text: "No line fits. Clear the filter to see all." }));
  }

  row(place) {
    const { rows } = this, i = this.chosen[place], score = rows.scores[i], picture = h("canvas", { class: "thumbnail", role: "presentation" });
    const row = h("div", { class: "row", role: "row", id: `row-${i}`, "aria-rowindex": place + 2, onclick: () => { this.go(place); this.open(i); } },
      h("div", { role: "gridcell", class: "score" }, rows.failed(i) ? h("span", { class: "badge bad", text: rows.state(i) }) : rows.finished(i)
        ? h("span", { class: `badge ${score !== null && score >= 1 ? "warn" : "calm"}`, text: score === null ? "–" : score.toFixed(1) }) : h("span", { class: "badge", text: rows.state(i) })),
      h("div", { role: "gridcell", class: "name", title: rows.ids[i], text: rows.ids[i] }),
      h("div", { role: "gridcell", class: "who" }, h("span", { text: rows.locale(i) }), h("span", { class: "quiet", text: rows.character(i) })),
      h("div", { role: "gridcell", class: "picture" }, picture),
      h("div", { role: "gridcell", class: "text", title: rows.text(i), text: rows.text(i), dir: "auto" }),
      h("div", { role: "gridcell", class: "length", text: rows.durations[i] ? span(rows.durations[i]) : "" }),
      h("div", { role: "gridcell", class: "flags" }, ...rows.flags[i].slice(0, 2).map((flag) => h("span", { class: "tag", text: words(rows.page.flags[flag]) })),
        rows.flags[i].length > 2 ? h("span", { class: "tag more", text: `+${rows.flags[i].length - 2}`, title: rows.flags[i].slice(2).map((flag) => words(rows.page.flags[flag])).join(", ") }) : null),
      h("div", { role: "gridcell", class: "verdict" }, this.verdict(i)));
    row.style.transform = `translateY(${place * ROW}px)`;
    this.mark(row, place);
    if (rows.finished(i)) rows.strip(i).then((strip) => { if (row.isConnected) drawThumbnail(picture, strip); }, () => {});
    return row;
  }

  verdict(i) {
    const said = this.reviews.of(i);
    if (!said) return this.reviews.isOld(i) ? h("span", { class: "quiet", text: "new take" }) : "";
    const shown = { accepted: ["good", "✓ accepted"], rejected: ["bad", "✗ rejected"] }[said.verdict];
    return h("span", { title: said.note || null }, shown ? h("span", { class: `badge ${shown[0]}`, text: shown[1] }) : "", said.note ? h("span", { class: "quiet", text: " ✎" }) : "");
  }

  mark(row, place) {
    row.classList.toggle("current", place === this.current);
    row.setAttribute("aria-selected", String(place === this.current));
    if (place === this.current) this.grid.setAttribute("aria-activedescendant", row.id);
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
