// All lines in columns, and which of them are shown in which order.

import { brought, load } from "./loading.js";

export class Rows {
  /** @param {any} page what the page's script told */
  constructor(page) {
    this.page = page;
    this.length = page.lines;
    this.ids = []; this.locales = []; this.characters = []; this.states = []; this.durations = []; this.scores = []; this.flags = [];
    this.texts = null; this.takes = null;
  }

  /** Take in the rows that came with the page. */
  async fill() {
    for (let i = 0; i * this.page.chunks.rows < this.length; i++) {
      const some = await brought("rows", i);
      for (const column of ["ids", "locales", "characters", "states", "durations", "scores", "flags"]) {
        for (const value of some[column]) this[column].push(value);
      }
    }
    this.places = new Map(this.ids.map((_, i) => [this.name(i), i]));
  }

  /** Load what is said, and the names of takes. */
  async fillDetails() {
    const parts = Array.from({ length: Math.ceil(this.length / this.page.chunks.details) }, (_, i) => load(`data/details-${i}.js`, "details", i));
    const texts = [], takes = [];
    for (const part of parts) {
      const some = await part;
      texts.push(...some.texts);
      takes.push(...some.takes);
    }
    this.texts = texts; this.takes = takes;
    this.searched = null;
  }

  name(i) { return `${this.locale(i)}/${this.character(i)}/${this.ids[i]}`; }
  locale(i) { return this.page.locales[this.locales[i]]; }
  character(i) { return this.page.characters[this.characters[i]]; }
  state(i) { return this.page.states[this.states[i]]; }
  text(i) { return this.texts ? this.texts[i] : ""; }
  failed(i) { const state = this.state(i); return state === "failed" || state === "quarantined"; }
  finished(i) { const state = this.state(i); return state === "done" || state === "kept"; }

  /** The thumbnail of row i: [waveform, mouth] as base64. @returns {Promise<[string, string]>} */
  async strip(i) {
    const size = this.page.chunks.strips, chunk = Math.floor(i / size);
    return (await load(`data/strips-${chunk}.js`, "strips", chunk))[i - chunk * size];
  }

  /**
   * Which rows to show, in order.
   * @param {Filter} filter @param {{column: string, down: boolean}} order @param {(i: number) => string} verdict
   * @returns {Uint32Array}
   */
  chosen(filter, order, verdict) {
    const words = filter.search.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length && !this.searched) {
      this.searched = this.ids.map((id, i) => `${this.name(i)} ${this.text(i)}`.toLowerCase());
    }
    const locale = this.page.locales.indexOf(filter.locale), character = this.page.characters.indexOf(filter.character);
    const flag = this.page.flags.indexOf(filter.flag);
    const found = [];
    for (let i = 0; i < this.length; i++) {
      if (locale >= 0 && this.locales[i] !== locale) continue;
      if (character >= 0 && this.characters[i] !== character) continue;
      if (flag >= 0 && !this.flags[i].includes(flag)) continue;
      if (filter.score && !(this.scores[i] !== null && this.scores[i] >= filter.score[0] && this.scores[i] < filter.score[1])) continue;
      if (filter.show && !SHOWN[filter.show].is(this, i, verdict)) continue;
      if (words.length && !words.every((word) => this.searched[i].includes(word))) continue;
      found.push(i);
    }
    const by = ORDERS[order.column], sign = order.down ? -1 : 1;
    const keys = by(this, verdict);
    found.sort((a, b) => {
      const x = keys(a), y = keys(b);
      if (x === y) return a - b;
      if (x === null) return 1;  // what has no such thing comes last, either way
      if (y === null) return -1;
      return (x < y ? -1 : 1) * sign;
    });
    return Uint32Array.from(found);
  }
}

/** @typedef {{search: string, locale: string, character: string, flag: string, show: string, score: [number, number]|null}} Filter */

/** What a table can be narrowed to. */
export const SHOWN = {
  flagged: { label: "Flagged", is: (rows, i) => rows.flags[i].length > 0 },
  failed: { label: "Failed", is: (rows, i) => rows.failed(i) },
  unfinished: { label: "Not finished", is: (rows, i) => !rows.failed(i) && !rows.finished(i) },
  kept: { label: "Edited by hand", is: (rows, i) => rows.state(i) === "kept" },
  open: { label: "Without a verdict", is: (rows, i, verdict) => !verdict(i) },
  accepted: { label: "Accepted", is: (rows, i, verdict) => verdict(i) === "accepted" },
  rejected: { label: "Rejected", is: (rows, i, verdict) => verdict(i) === "rejected" },
};

const collator = new Intl.Collator("en", { numeric: true });

/** Places of names in their order, so that rows compare by number. */
function ranks(names) {
  const order = names.map((_, i) => i).sort((a, b) => collator.compare(names[a], names[b]));
  const found = new Uint32Array(names.length);
  order.forEach((i, rank) => { found[i] = rank; });
  return found;
}

const ORDERS = {
  score: (rows) => (i) => (rows.failed(i) ? Infinity : rows.scores[i]),
  line: (rows) => { rows.idRanks ??= ranks(rows.ids); return (i) => rows.idRanks[i]; },
  locale: (rows) => (i) => rows.locales[i] * 65536 + rows.characters[i],
  duration: (rows) => (i) => (rows.durations[i] > 0 ? rows.durations[i] : null),
  flags: (rows) => (i) => rows.flags[i].length,
  verdict: (rows, verdict) => (i) => verdict(i) || null,
};
