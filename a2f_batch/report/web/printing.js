// On paper: the lines of the table in its order, as many as somebody would read.

import { h, put } from "./dom.js";
import { lines, span, words } from "./numbers.js";
import { drawThumbnail } from "./thumbnail.js";

const MOST = 100;

/** @param {HTMLElement} place @param {import("./rows.js").Rows} rows @param {import("./table.js").Table} table @param {import("./reviews.js").Reviews} reviews */
export function printable(place, rows, table, reviews) {
  const fill = () => {
    const some = [...table.chosen.slice(0, MOST)], said = (i) => reviews.of(i);
    const heads = ["Score", "Line", "Language", "Character", "Sound and mouth", "Text", "Length", "Flags", "Verdict"];
    put(place, h("h2", { text: some.length < table.chosen.length ? `The first ${some.length} of ${lines(table.chosen.length)}` : lines(some.length) }),
      h("table", {}, h("thead", {}, h("tr", {}, ...heads.map((text) => h("th", { text })))),
        h("tbody", {}, ...some.map((i) => h("tr", {},
          h("td", { text: rows.failed(i) ? rows.state(i) : rows.scores[i] === null ? "–" : rows.scores[i].toFixed(1) }), h("td", { text: rows.ids[i] }),
          h("td", { text: rows.locale(i) }), h("td", { text: rows.character(i) }), h("td", {}, h("canvas", { class: "thumbnail", "data-row": i })), h("td", { text: rows.text(i) }),
          h("td", { text: rows.durations[i] ? span(rows.durations[i]) : "" }), h("td", { text: rows.flags[i].map((flag) => words(rows.page.flags[flag])).join(", ") }),
          h("td", { text: [said(i)?.verdict, said(i)?.note].filter(Boolean).join(": ") }))))));
    // What was scrolled over is there already and is drawn; a print does not wait for the rest.
    return Promise.all([...place.querySelectorAll("canvas")].map(async (canvas) => {
      const strip = await rows.strip(Number(canvas.dataset.row)).catch(() => null);
      if (strip) drawThumbnail(canvas, strip);
    }));
  };
  addEventListener("beforeprint", fill);
  return fill;
}
