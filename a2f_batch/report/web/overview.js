// What a supervisor wants to know first: how many, how long, what failed and why, where the odd ones are.

import { h, s, put } from "./dom.js";
import { count, figure, lines, span, words } from "./numbers.js";

/**
 * Draw the overview.
 * @param {HTMLElement} place @param {import("./rows.js").Rows} rows @param {import("./reviews.js").Reviews} reviews
 * @param {(change: Partial<import("./rows.js").Filter>) => void} narrow shows some lines in the table
 * @param {(name: string) => void} open shows a line
 */
export function drawOverview(place, rows, reviews, narrow, open) {
  const cards = h("div", { class: "cards" });
  const draw = () => put(cards, ...figures(rows, reviews, narrow));
  reviews.onchange(draw);
  draw();
  put(place, cards,
    h("div", { class: "panels" },
      rows.scores.some((score) => score !== null) ? histogram(rows, narrow) : null,
      rows.page.flags.length ? flags(rows, narrow) : null,
      totals(rows, narrow)),
    rows.page.failures.length ? failures(rows, open, narrow) : null);
}

function figures(rows, reviews, narrow) {
  const of = (is) => rows.ids.reduce((sum, _, i) => sum + Number(is(i)), 0);
  const failed = of((i) => rows.failed(i)), finished = of((i) => rows.finished(i)), flagged = of((i) => rows.flags[i].length > 0);
  const unfinished = rows.length - failed - finished, audio = rows.durations.reduce((sum, one) => sum + one, 0);
  const said = reviews.counts(), run = rows.page.runs.at(-1);
  const card = (label, value, more, show, kind = "") => h(show ? "button" : "div", {
    class: `card ${kind}`, type: show ? "button" : null, onclick: show ? () => narrow({ show }) : null, title: show ? "Show these lines" : null,
  }, h("span", { class: "label", text: label }), h("span", { class: "value", text: value }), h("span", { class: "more", text: more }));
  return [
    card("Lines", count(rows.length), `${span(audio)} of sound`, ""),
    card("Finished", count(finished), unfinished ? `${lines(unfinished)} not finished` : `${share(finished, rows.length)} of all`, unfinished ? "unfinished" : "", unfinished ? "warn" : "good"),
    card("Failed", count(failed + unnamed(rows)), failed ? "each with a remedy below" : "every line has its files", failed ? "failed" : "", failed ? "bad" : "good"),
    card("To look at", count(flagged), `${share(flagged, rows.length)} have flags`, flagged ? "flagged" : "", flagged ? "warn" : "good"),
    card("Reviewed", count(said.accepted + said.rejected), `${count(said.accepted)} accepted, ${count(said.rejected)} rejected`, said.rejected ? "rejected" : said.accepted ? "accepted" : ""),
    run ? card("Last run", run.wall === null ? "going on" : span(run.wall), pace(run), "") : null,
  ].filter(Boolean);
}

const unnamed = (rows) => rows.page.failures.reduce((sum, group) => sum + group.such.filter(([name]) => !name).length, 0);
const share = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(part && part / whole < 0.01 ? 2 : 0)} %` : "0 %");

function pace(run) {
  const day = new Date(run.started * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  return run.wall && run.audio ? `${day}, ${Math.round(run.audio / run.wall)}× real time` : day;
}

function panel(title, note, ...content) {
  return h("section", { class: "panel" }, h("h2", { text: title }, note ? h("small", { text: note }) : null), ...content);
}

/** Bars that show their lines when they are pressed. A score under 1 means that no flag stands. */
function histogram(rows, narrow) {
  const scores = rows.scores.filter((score) => score !== null).sort((a, b) => a - b);
  const last = Math.max(2, Math.ceil(scores[Math.floor((scores.length - 1) * 0.995)] ?? 1));
  const step = [0.25, 0.5, 1, 2, 5, 10, 20, 50].find((one) => last / one <= 24) ?? last / 24, bars = Math.ceil(last / step) + 1;
  const heights = new Array(bars).fill(0);
  for (const score of scores) heights[Math.min(bars - 1, Math.floor(score / step))] += 1;
  const most = Math.max(...heights), width = 360, height = 120, wide = width / bars;
  const bar = (amount, i) => {
    const tall = amount ? Math.max(3, (Math.log1p(amount) / Math.log1p(most)) * height) : 0, from = i * step;
    const range = i === bars - 1 ? [from, Infinity] : [from, from + step];
    const label = `${lines(amount)} with a score ${i === bars - 1 ? `of ${figure(from)} or more` : `from ${figure(from)} to ${figure(from + step)}`}`;
    const show = () => amount && narrow({ score: range });
    return s("g", {
      class: `bar${from >= 1 ? " high" : ""}`, role: "button", tabindex: amount ? 0 : -1, "aria-label": label, onclick: show,
      onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); show(); } },
    }, s("title", { text: label }), s("rect", { class: "reach", x: i * wide, y: 0, width: wide, height }),
    s("rect", { class: "fill", x: i * wide + 1, y: height - tall, width: Math.max(1, wide - 2), height: tall, rx: 1.5 }));
  };
  const every = Math.ceil(bars / 8);
  const ticks = heights.map((_, i) => (i % every ? null : s("text", { x: i * wide + 1, y: height + 14, text: String(Number((i * step).toFixed(2))) })));
  return panel("Score", "the higher, the sooner to look at; 1 and more has a flag",
    s("svg", { class: "histogram", viewBox: `0 0 ${width} ${height + 18}`, role: "group", "aria-label": "Lines by score, on a logarithmic scale" }, ...heights.map(bar),
      s("line", { class: "axis", x1: 0, x2: width, y1: height + 0.5, y2: height + 0.5 }), ...ticks));
}

function flags(rows, narrow) {
  const counts = new Array(rows.page.flags.length).fill(0);
  for (const some of rows.flags) for (const flag of some) counts[flag] += 1;
  const order = counts.map((_, i) => i).sort((a, b) => counts[b] - counts[a]), most = Math.max(...counts);
  return panel("Flags", "",
    h("ul", { class: "bars" }, ...order.map((i) => h("li", {}, h("button", { type: "button", onclick: () => narrow({ flag: rows.page.flags[i] }) },
      h("span", { class: "name", text: words(rows.page.flags[i]) }), h("span", { class: "amount", text: count(counts[i]) }),
      meter(counts[i] / most))))));
}

function meter(part) {
  return s("svg", { class: "meter", viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" },
    s("rect", { width: 100, height: 4, class: "ground" }), s("rect", { width: Math.max(1, 100 * part), height: 4, class: "fill" }));
}

function totals(rows, narrow) {
  const groups = new Map();
  for (let i = 0; i < rows.length; i++) {
    const key = rows.locales[i] * 65536 + rows.characters[i];
    const found = groups.get(key) ?? { locale: rows.locale(i), character: rows.character(i), lines: 0, audio: 0, failed: 0, flagged: 0 };
    found.lines += 1; found.audio += rows.durations[i]; found.failed += Number(rows.failed(i)); found.flagged += Number(rows.flags[i].length > 0);
    groups.set(key, found);
  }
  const sorted = [...groups.entries()].sort((a, b) => a[0] - b[0]).map(([, group]) => group);
  const cell = (value, kind = "") => h("td", { class: `number ${value ? kind : "none"}`, text: value ? count(value) : "·" });
  return panel("Languages and characters", "",
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Languages and characters" }, h("table", { class: "totals" },
      h("thead", {}, h("tr", {}, ...["Language", "Character", "Lines", "Sound", "Flagged", "Failed"].map((name, i) => h("th", { scope: "col", class: i > 1 ? "number" : null, text: name })))),
      h("tbody", {}, ...sorted.map((group, i) => h("tr", { class: i && sorted[i - 1].locale === group.locale ? "same" : null },
        h("th", { scope: "row" }, h("button", { class: "link", type: "button", text: group.locale, onclick: () => narrow({ locale: group.locale }) })),
        h("td", {}, h("button", { class: "link", type: "button", text: group.character, onclick: () => narrow({ locale: group.locale, character: group.character }) })),
        h("td", { class: "number", text: count(group.lines) }), h("td", { class: "number", text: span(group.audio) }), cell(group.flagged, "warn"), cell(group.failed, "bad")))))));
}

function failures(rows, open, narrow) {
  return h("section", { class: "panel failures" }, h("h2", { text: "Failures" }, h("small", { text: "and what to do now" })),
    ...rows.page.failures.map((group, i) => h("details", { open: i < 3 },
      h("summary", {}, h("span", { class: "amount bad", text: count(group.count) }), h("code", { text: group.code }), h("span", { class: "remedy", text: group.remedy })),
      h("ul", {}, ...group.such.map(([name, message]) => h("li", {}, name ? h("button", { class: "link", type: "button", text: name, onclick: () => open(name) }) : null, h("span", { text: message })))),
      group.count > group.such.length ? h("button", { class: "link", type: "button", text: `Show all ${lines(group.count)}`, onclick: () => narrow({ show: "failed" }) }) : null)));
}

