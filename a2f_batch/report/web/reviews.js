// Verdicts and notes: kept by the browser, given on as a file that `a2f-batch render --retry-rejected` reads.

const SCHEMA = 1;

export class Reviews {
  /** @param {string} id of the report @param {import("./rows.js").Rows} rows */
  constructor(id, rows) {
    this.rows = rows;
    this.place = `a2f-batch review ${id}`;
    /** @type {Map<string, {verdict: string, note: string, take: string}>} */
    this.kept = new Map();
    this.listeners = [];
    try {
      this.take(JSON.parse(localStorage.getItem(this.place) || '{"lines": []}').lines);
    } catch { /* a browser without memory, or another program's: begin anew */ }
  }

  /** Call `listener` after each change. */
  onchange(listener) { this.listeners.push(listener); }

  /** What was said of row i; null if nothing was, or of an earlier take of it. */
  of(i) {
    const found = this.kept.get(this.rows.name(i));
    return found && !this.isOld(i, found) ? found : null;
  }

  /** Whether what was said of row i is of an earlier take. */
  isOld(i, found = this.kept.get(this.rows.name(i))) {
    return Boolean(found && found.take && this.rows.takes && found.take !== this.rows.takes[i]);
  }

  verdict(i) { return this.of(i)?.verdict ?? ""; }

  /** Say something of row i; empty words take it back. */
  say(i, verdict, note) {
    const name = this.rows.name(i);
    if (verdict || note) this.kept.set(name, { verdict, note, take: this.rows.takes?.[i] ?? "" });
    else this.kept.delete(name);
    this.changed();
  }

  counts() {
    const found = { accepted: 0, rejected: 0, notes: 0 };
    for (const [name, one] of this.kept) {
      const i = this.rows.places.get(name);
      if (i === undefined || this.isOld(i, one)) continue;
      if (one.verdict) found[one.verdict] += 1;
      if (one.note) found.notes += 1;
    }
    return found;
  }

  /** The review as the text of a file. */
  text() {
    const lines = [...this.kept].map(([line, one]) => ({ line, ...one })).sort((a, b) => (a.line < b.line ? -1 : 1));
    return `${JSON.stringify({ kind: "a2f-batch review", schema: SCHEMA, report: this.rows.page.title, lines }, null, 1)}\n`;
  }

  /** Take in a colleague's file; what it says wins. @returns {number} lines that it tells of */
  read(text) {
    const found = JSON.parse(text);
    if (found?.kind !== "a2f-batch review" || found.schema !== SCHEMA || !Array.isArray(found.lines)) throw new Error("no review of a2f-batch");
    const before = this.kept.size;
    this.take(found.lines);
    this.changed();
    return found.lines.length || before;
  }

  take(lines) {
    for (const one of lines) {
      if (typeof one.line !== "string" || !["accepted", "rejected", ""].includes(one.verdict)) continue;
      this.kept.set(one.line, { verdict: one.verdict, note: String(one.note ?? ""), take: String(one.take ?? "") });
    }
  }

  changed() {
    try { localStorage.setItem(this.place, this.text()); } catch { /* full, or not allowed: the download still has everything */ }
    for (const listener of this.listeners) listener();
  }
}
