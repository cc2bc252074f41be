// A row of the table. There are as many as are in view; one that leaves it becomes another line's.

import { h, put } from "./dom.js";
import { span, words } from "./numbers.js";
import { clearThumbnail, drawThumbnail } from "./thumbnail.js";

export const ROW = 52;  // pixels, as in the style sheet

export class Row {
  /**
   * @param {import("./rows.js").Rows} rows @param {import("./reviews.js").Reviews} reviews
   * @param {(place: number, line: number) => void} chosen called when it is clicked
   */
  constructor(rows, reviews, chosen) {
    this.rows = rows; this.reviews = reviews;
    this.place = -1;  // in the table's order
    this.line = -1;
    this.isDrawn = false;
    const cell = (kind, ...content) => h("div", { role: "gridcell", class: kind }, ...content);
    this.score = h("span", { class: "badge" });
    this.name = cell("name");
    this.locale = h("span"); this.character = h("span", { class: "quiet" });
    this.picture = h("canvas", { class: "thumbnail", role: "presentation" });
    this.text = cell("text"); this.text.dir = "auto";
    this.length = cell("length"); this.flags = cell("flags"); this.verdict = cell("verdict");
    this.element = h("div", { class: "row", role: "row", onclick: () => chosen(this.place, this.line) }, cell("score", this.score), this.name,
      cell("who", this.locale, this.character), cell("picture", this.picture), this.text, this.length, this.flags, this.verdict);
  }

  /** Show line i in a place of the table; its thumbnail is drawn apart, when there is time. */
  show(place, i) {
    const { rows } = this, score = rows.scores[i], finished = rows.finished(i);
    this.place = place; this.line = i;
    if (this.isDrawn) { clearThumbnail(this.picture); this.isDrawn = false; }
    this.element.id = `row-${i}`;
    this.element.setAttribute("aria-rowindex", String(place + 2));
    this.element.style.transform = `translateY(${place * ROW}px)`;
    this.score.className = `badge ${rows.failed(i) ? "bad" : finished ? (score !== null && score >= 1 ? "warn" : "calm") : ""}`;
    this.score.textContent = finished ? (score === null ? "–" : score.toFixed(1)) : rows.state(i);
    this.name.textContent = this.name.title = rows.ids[i];
    this.locale.textContent = rows.locale(i);
    this.character.textContent = rows.character(i);
    this.text.textContent = this.text.title = rows.text(i);
    this.length.textContent = rows.durations[i] ? span(rows.durations[i]) : "";
    const names = rows.flags[i].map((flag) => words(rows.page.flags[flag]));
    put(this.flags, ...names.slice(0, 2).map((text) => h("span", { class: "tag", text })),
      names.length > 2 ? h("span", { class: "tag more", text: `+${names.length - 2}`, title: names.slice(2).join(", ") }) : null);
    put(this.verdict, this.said());
  }

  /** Load its thumbnail, and draw it if it is still the same line's by then. */
  async draw() {
    const { line } = this, strip = await this.rows.strip(line).catch(() => null);
    if (!strip || this.line !== line) return;
    drawThumbnail(this.picture, strip);
    this.isDrawn = true;
  }

  /** @param {boolean} is whether it is the one that keys act on */
  mark(is) {
    this.element.classList.toggle("current", is);
    this.element.setAttribute("aria-selected", String(is));
  }

  said() {
    const said = this.reviews.of(this.line);
    if (!said) return this.reviews.isOld(this.line) ? h("span", { class: "quiet", text: "new take" }) : null;
    const shown = { accepted: ["good", "✓ accepted"], rejected: ["bad", "✗ rejected"] }[said.verdict];
    return h("span", { title: said.note || null }, shown ? h("span", { class: `badge ${shown[0]}`, text: shown[1] }) : "", said.note ? h("span", { class: "quiet", text: " ✎" }) : "");
  }
}
