// The report's page.

import { h, put, tell } from "./dom.js";
import { Drawer } from "./drawer.js";
import { listen } from "./keys.js";
import { brought } from "./loading.js";
import { count } from "./numbers.js";
import { drawOverview } from "./overview.js";
import { printable } from "./printing.js";
import { Reviews } from "./reviews.js";
import { Rows } from "./rows.js";
import { Table } from "./table.js";
import { THEMES, setTheme, theme } from "./theme.js";

async function begin() {
  const page = await brought("page"), rows = new Rows(page);
  await rows.fill();
  const reviews = new Reviews(page.id, rows);
  let drawer = null;
  const table = new Table(document.getElementById("lines"), rows, reviews, (i) => drawer.open(i));
  drawer = new Drawer(document.getElementById("drawer"), rows, reviews, table);
  const open = (name) => {
    const i = rows.places.get(name);
    if (i === undefined) tell(`There is no line '${name}' in this report.`);
    else { table.select(i); drawer.open(i); }
  };
  drawOverview(document.getElementById("overview"), rows, reviews, (change) => table.narrow(change), open);
  const download = () => save(reviews, page);
  drawActions(reviews, download);
  listen({ table, drawer, download });
  printable(document.getElementById("printed"), rows, table, reviews);
  const linked = () => { if (location.hash.length > 1) open(decodeURIComponent(location.hash.slice(1))); };
  addEventListener("hashchange", linked);
  document.documentElement.dataset.ready = "";
  await rows.fillDetails();
  table.choose();
  reviews.changed();
  linked();
  document.documentElement.dataset.ready = "all";
}

function drawActions(reviews, download) {
  const file = h("input", { type: "file", accept: ".json,application/json", class: "hidden", tabindex: -1, "aria-hidden": "true", onchange: async () => {
    const [chosen] = file.files;
    if (!chosen) return;
    try { tell(`${count(reviews.read(await chosen.text()))} lines of '${chosen.name}' taken in.`); } catch (error) { tell(`'${chosen.name}' can't be read: ${error.message}. Choose a file that this page's Download made.`); }
    file.value = "";
  } });
  const said = h("button", { type: "button", class: "primary", onclick: download });
  const look = h("button", { type: "button", class: "plain", onclick: () => { setTheme(THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]); name(); } });
  const name = () => { look.textContent = { auto: "◐ Auto", light: "☀ Light", dark: "☾ Dark" }[theme()]; look.title = "Light, dark, or as the system has it"; };
  const draw = () => { const { accepted, rejected, notes } = reviews.counts(); said.textContent = `Download review (${count(accepted + rejected || notes)})`; said.disabled = !(accepted + rejected + notes); };
  reviews.onchange(draw);
  draw(); name();
  put(document.getElementById("actions"), look, h("button", { type: "button", class: "plain", text: "? Keys", onclick: () => document.getElementById("help").showModal() }),
    h("button", { type: "button", class: "plain", text: "Print", onclick: () => print() }),
    h("button", { type: "button", class: "plain", text: "Load review", onclick: () => file.click() }), file, said);
}

/** Give the review as a file. */
function save(reviews, page) {
  const { accepted, rejected, notes } = reviews.counts();
  if (!(accepted + rejected + notes)) { tell("Nothing is reviewed yet: open a line, then A accepts and R rejects it."); return; }
  const url = URL.createObjectURL(new Blob([reviews.text()], { type: "application/json" }));
  const link = h("a", { href: url, download: `${page.title}-review.json` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
  tell(`Saved. Render the rejected lines again with: a2f-batch render MANIFEST --out OUT --retry-rejected ${page.title}-review.json`);
}

addEventListener("DOMContentLoaded", () => {
  const waiting = document.getElementById("waiting");
  const late = setTimeout(() => { if (waiting?.isConnected) waiting.textContent = "The report's data is not there: copy the whole report folder, not the page alone."; }, 4000);
  begin().then(() => clearTimeout(late), (error) => { waiting?.isConnected && (waiting.textContent = `The report can't be shown: ${error.message}`); throw error; });
});
