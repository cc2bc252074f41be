// Keys: all that a supervisor does a thousand times.

import { h, put } from "./dom.js";

const KEYS = [
  ["J  K", "next, previous line"], ["Enter", "open the line"], ["Esc", "close it"], ["Space", "play, pause"], ["←  →", "one frame; with Shift a second"],
  ["L", "loop the line, or the stretch that was dragged"], ["S", "slow motion: half, quarter"], ["C", "all channels"], ["F", "look from the front"],
  ["A", "accept"], ["R", "reject"], ["N", "write a note"], ["/", "search"], ["D", "download the review"], ["?", "these keys"],
];

/** @param {{table: any, drawer: any, download: () => void}} page */
export function listen({ table, drawer, download }) {
  const help = document.getElementById("help");
  put(help, h("h2", { text: "Keys" }), h("dl", {}, ...KEYS.flatMap(([key, does]) => [h("dt", {}, ...key.split("  ").map((one) => h("kbd", { text: one }))), h("dd", { text: does })])),
    h("form", { method: "dialog" }, h("button", { class: "plain", text: "Close" })));
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    if (event.key === "Escape") {
      if (isField(event.target)) event.target.blur();
      else if (drawer.isOpen) drawer.close();
      return;
    }
    if (isField(event.target)) return;
    const opened = drawer.isOpen, onButton = event.target instanceof HTMLButtonElement || event.target.getAttribute?.("role") === "button";
    const does = {
      "/": () => document.getElementById("search").focus(), "?": () => help.showModal(), d: download,
      j: () => (opened ? drawer.step(1) : table.go(table.current + 1)), k: () => (opened ? drawer.step(-1) : table.go(Math.max(0, table.current - 1))),
      ...(opened ? {
        " ": onButton ? undefined : () => drawer.player.toggle(), ArrowLeft: () => (event.shiftKey ? drawer.player.seek(drawer.player.time - 1) : drawer.nudge(-1)),
        ArrowRight: () => (event.shiftKey ? drawer.player.seek(drawer.player.time + 1) : drawer.nudge(1)),
        ArrowDown: () => drawer.step(1), ArrowUp: () => drawer.step(-1), l: () => drawer.loop(), s: () => drawer.slower(), c: () => drawer.toggleChannels(),
        f: () => drawer.head.reset(), a: () => drawer.judge("accepted"), r: () => drawer.judge("rejected"), n: () => drawer.note.focus(),
      } : {}),
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!does) return;
    event.preventDefault();
    does();
  });
}

const isField = (element) => element instanceof HTMLTextAreaElement || element instanceof HTMLSelectElement || (element instanceof HTMLInputElement && element.type !== "checkbox");
