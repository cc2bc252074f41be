// A line, opened: heard, seen and judged.

import { Animation } from "./animation.js";
import { bytes } from "./bytes.js";
import { h, put, s } from "./dom.js";
import { Head } from "./head.js";
import { address, forget, load } from "./loading.js";
import { clock, figure, size, span, words } from "./numbers.js";
import { Player } from "./player.js";
import { Timeline } from "./timeline.js";

// Drawn, for no font has all of them.
const ICONS = {
  play: ["M4 2.5v11l9-5.5z"], pause: ["M4 2.5h3v11H4z", "M9 2.5h3v11H9z"], back: ["M12 3v10L5 8z", "M3 3h1.6v10H3z"], on: ["M4 3v10l7-5z", "M11.4 3H13v10h-1.6z"],
  up: ["M8 4l5 6H3z"], down: ["M8 12l5-6H3z"], close: ["M4.2 3 8 6.8 11.8 3 13 4.2 9.2 8l3.8 3.8-1.2 1.2L8 9.2 4.2 13 3 11.8 6.8 8 3 4.2z"],
  front: ["M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM8 3a5 5 0 1 1 0 10A5 5 0 0 1 8 3z", "M6.2 5.6a.9.9 0 1 1 0 1.8.9.9 0 0 1 0-1.8zM9.8 5.6a.9.9 0 1 1 0 1.8.9.9 0 0 1 0-1.8z", "M5.4 9.2h5.2a2.7 2.7 0 0 1-5.2 0z"],
};
const icon = (name) => s("svg", { class: "icon", viewBox: "0 0 16 16", "aria-hidden": "true" }, ...ICONS[name].map((d) => s("path", { d, "fill-rule": "evenodd" })));

const RATES = [1, 0.5, 0.25];
const SHOWN_CHANNELS = 6;

export class Drawer {
  /**
   * @param {HTMLElement} place @param {import("./rows.js").Rows} rows @param {import("./reviews.js").Reviews} reviews
   * @param {import("./table.js").Table} table
   */
  constructor(place, rows, reviews, table) {
    this.place = place; this.rows = rows; this.reviews = reviews; this.table = table;
    this.line = null;
    this.build();
    this.head = new Head(this.stage, rows.page.viewer);
    this.player = new Player((seconds) => this.at(seconds), () => this.drawTransport());
    this.place.append(this.player.audio);
    this.timeline = new Timeline(this.timelinePlace, { seek: (seconds) => this.player.seek(seconds), range: (range) => { this.player.range = range; this.drawTransport(); } });
    reviews.onchange(() => this.drawVerdict());
  }

  get isOpen() { return !this.place.hidden; }

  /** Open row i. */
  async open(i) {
    const name = this.rows.name(i), before = this.line === null ? null : this.rows.name(this.line);
    this.returnTo ??= document.activeElement;
    this.line = i;
    this.place.hidden = false;
    document.body.classList.add("with-drawer");
    this.player.pause();
    if (before && before !== name) forget("line", before);
    history.replaceState(null, "", `#${encodeURIComponent(name)}`);
    this.drawTitle(i, name);
    this.drawVerdict();
    let told;
    try {
      told = await load(address("lines", name), "line", name);
    } catch (error) {
      told = { problem: { code: "script-missing", message: error.message, remedy: "Make the report again: a2f-batch report OUT" }, files: {}, facts: {}, made: {}, qc: {} };
    }
    if (this.line === i) await this.show(told);
  }

  close() {
    this.player.pause();
    this.place.hidden = true;
    this.line = null;
    document.body.classList.remove("with-drawer");
    history.replaceState(null, "", location.pathname + location.search);
    (this.returnTo?.isConnected ? this.returnTo : this.table.grid).focus({ preventScroll: true });
    this.returnTo = null;
  }

  /** Go to the next or an earlier line of the table. */
  step(by) {
    const line = this.table.neighbour(by);
    if (line === undefined) return;
    this.table.go(this.table.current + by);
    this.open(line);
  }

  async show(told) {
    this.told = told;
    this.animation = told.animation ? new Animation(told.animation) : null;
    const length = Math.max(this.rows.durations[this.line] || 0, this.animation?.length ?? 0) || 1, flags = told.qc.flags ?? [];
    this.allChannels = false;
    this.timeline.show({ length, wave: told.wave ? bytes(told.wave) : null, flags, animation: this.animation, channels: this.animation?.main(SHOWN_CHANNELS) ?? [] });
    this.player.load(told.sound?.url ?? null, length);
    this.drawProblems(told);
    this.drawFlags(flags);
    this.drawFigures(told);
    this.drawTransport();
    this.place.dataset.line = this.rows.name(this.line);
    this.stage.hidden = !this.animation;
    if (this.animation) {
      const line = this.line;
      this.place.dataset.head = (await this.head.show(told.head)) ? told.head : "";
      if (this.line === line) this.at(this.player.time);
    }
  }

  /** Show a moment: the one place where time becomes a picture. */
  at(seconds) {
    if (!this.timeline) return;
    const { animation } = this, frame = animation?.frame(seconds);
    if (animation) {  // the head first: what else there is to write would only make it late
      this.place.dataset.frame = String(frame);
      this.head.at(animation, seconds);
    }
    this.timeline.at(seconds);
    this.readout.textContent = animation ? `${clock(seconds)}  ·  frame ${frame} of ${animation.frames}` : clock(seconds);
  }

  /** Move by frames. */
  nudge(frames) {
    this.player.pause();
    const { animation } = this;
    if (!animation) { this.player.seek(this.player.time + frames * 0.04); return; }
    // Into the middle of the frame, where no rounding makes it its neighbour.
    this.player.seek(animation.begin(Math.max(0, Math.min(animation.frames - 1, animation.frame(this.player.time) + frames)) + 0.5));
  }

  loop() { this.player.looping = !this.player.looping; this.drawTransport(); }
  slower() { this.player.setRate(RATES[(RATES.indexOf(this.player.rate) + 1) % RATES.length]); }

  judge(verdict) {
    if (this.line === null) return;
    const said = this.reviews.of(this.line);
    this.reviews.say(this.line, said?.verdict === verdict ? "" : verdict, this.note.value.trim());
    if (this.goOn.checked && said?.verdict !== verdict) this.step(1);
  }

  build() {
    const button = (shown, title, onclick, kind = "plain") => h("button", { type: "button", class: kind, title, "aria-label": title, onclick }, shown);
    this.title = h("h2", { tabindex: -1 });
    this.who = h("p", { class: "quiet" });
    this.place_ = h("span", { class: "quiet place" });
    this.stage = h("div", { class: "stage" });
    this.text = h("blockquote", { dir: "auto" });
    this.problems = h("div", { class: "problems" });
    this.flags = h("ul", { class: "flag-list" });
    this.accept = button("✓ Accept", "Accept (A)", () => this.judge("accepted"), "verdict-button good");
    this.reject = button("✗ Reject", "Reject (R)", () => this.judge("rejected"), "verdict-button bad");
    this.note = h("textarea", { rows: 2, placeholder: "Note for whoever fixes it   N", "aria-label": "Note", onchange: () => this.line !== null && this.reviews.say(this.line, this.reviews.verdict(this.line), this.note.value.trim()) });
    this.goOn = h("input", { type: "checkbox", id: "go-on" });
    this.old = h("p", { class: "quiet", text: "Rendered again since the last verdict." });
    this.transport = h("div", { class: "transport", role: "toolbar", "aria-label": "Playing" });
    this.readout = h("output", { class: "readout" });
    this.timelinePlace = h("div", { class: "timeline" });
    this.channels = button("All channels", "Show every channel that moves (C)", () => this.toggleChannels());
    this.figures = h("div", { class: "figures" });
    put(this.place,
      h("header", {}, h("div", { class: "names" }, this.title, this.who), this.place_,
        button(icon("up"), "Previous line (K)", () => this.step(-1)), button(icon("down"), "Next line (J)", () => this.step(1)), button(icon("close"), "Close (Esc)", () => this.close())),
      h("div", { class: "content" },
        h("div", { class: "top" }, this.stage,
          h("div", { class: "side" }, this.text, this.problems, this.flags,
            h("div", { class: "judge" }, h("div", { class: "pair" }, this.accept, this.reject), this.old, this.note,
              h("label", { class: "quiet", for: "go-on" }, this.goOn, " Go on to the next line after a verdict")))),
        this.transport, this.timelinePlace,
        h("p", { class: "hint quiet" }, "Drag to play a stretch · Ctrl + wheel zooms · Shift + wheel moves · double click shows all ", this.channels),
        this.figures));
  }

  drawTitle(i, name) {
    const { rows } = this;
    this.title.textContent = rows.ids[i];
    this.who.textContent = `${rows.locale(i)} · ${rows.character(i)}${rows.durations[i] ? ` · ${span(rows.durations[i])}` : ""}`;
    this.place_.textContent = `${this.table.current + 1} of ${this.table.chosen.length}`;
    this.text.textContent = rows.text(i);
    this.text.hidden = !rows.text(i);
    this.place.setAttribute("aria-label", `Line ${name}`);
    if (!this.place.contains(document.activeElement)) this.title.focus({ preventScroll: true });
  }

  drawVerdict() {
    if (this.line === null) return;
    const said = this.reviews.of(this.line);
    this.accept.setAttribute("aria-pressed", String(said?.verdict === "accepted"));
    this.reject.setAttribute("aria-pressed", String(said?.verdict === "rejected"));
    this.old.hidden = !this.reviews.isOld(this.line);
    if (document.activeElement !== this.note) this.note.value = said?.note ?? "";
  }

  drawTransport() {
    if (!this.player || !this.timeline) return;
    const { player } = this;
    if (!this.buttons) {
      const button = (shown, title, onclick) => h("button", { type: "button", class: "plain", title, "aria-label": title, onclick }, shown);
      this.buttons = {
        back: button(icon("back"), "One frame back (←)", () => this.nudge(-1)), play: h("button", { type: "button", class: "play", onclick: () => player.toggle() }),
        on: button(icon("on"), "One frame on (→)", () => this.nudge(1)), loop: button("↻ Loop", "Loop (L)", () => this.loop()),
        rate: button("1×", "Slow motion (S)", () => this.slower()), front: button(icon("front"), "Look from the front (F)", () => this.head.reset()),
      };
      this.trouble = h("span", { class: "trouble" });
      put(this.transport, this.buttons.back, this.buttons.play, this.buttons.on, this.buttons.loop, this.buttons.rate, this.buttons.front, this.readout, this.trouble);
    }
    const { play, loop, rate } = this.buttons;
    put(play, icon(player.playing ? "pause" : "play"));
    play.setAttribute("aria-label", player.playing ? "Pause (space)" : "Play (space)");
    play.title = play.getAttribute("aria-label");
    loop.setAttribute("aria-pressed", String(player.looping));
    loop.textContent = player.range ? "↻ Loop the stretch" : "↻ Loop";
    rate.textContent = `${player.rate}×`;
    rate.setAttribute("aria-pressed", String(player.rate !== 1));
    this.trouble.textContent = player.trouble ? "This browser can't play the sound. “a2f-batch report OUT --copy-sounds” makes a copy that it can." : "";
  }

  drawProblems(told) {
    const problem = (one, kind = "bad") => h("div", { class: `problem ${kind}` }, h("code", { text: one.code }), h("p", { text: one.message }), h("p", { class: "remedy", text: one.remedy }));
    const found = [told.problem, told.unreadable, told.unheard].filter(Boolean).map((one) => problem(one));
    if (!told.sound && !told.problem) found.push(problem({ code: "sound-missing", message: "The line's sound is not where it was when the line was rendered.", remedy: "Put it back, then make the report again; --copy-sounds keeps a copy beside the page." }, "warn"));
    if (told.sound?.changed) found.push(problem({ code: "sound-changed", message: "The sound has changed since the line was rendered: what you hear may not be what the face says.", remedy: "Render again." }, "warn"));
    if (!told.animation && !told.unreadable && !told.problem) found.push(problem({ code: "no-curves", message: "No file of this line is there that curves can be read from.", remedy: "Render it, to glb for example." }, "warn"));
    put(this.problems, ...found);
  }

  drawFlags(flags) {
    put(this.flags, ...flags.map((flag) => {
      const local = flag.begin !== null && flag.begin !== undefined;
      return h("li", {}, h(local ? "button" : "div", { type: local ? "button" : null, class: "flag", title: local ? "Go there" : null, onclick: local ? () => this.player.seek(flag.begin) : null },
        h("span", { class: "tag", text: words(flag.code) }), local ? h("span", { class: "quiet", text: clock(flag.begin) }) : null, h("span", { class: "said", text: flag.text })),
      flag.remedy ? h("p", { class: "remedy", text: flag.remedy }) : null);
    }));
    this.flags.hidden = !flags.length;
  }

  drawFigures(told) {
    const list = (title, pairs) => (pairs.length ? h("section", {}, h("h3", { text: title }), h("dl", {}, ...pairs.flatMap(([name, value, meaning]) => [h("dt", { text: words(name), title: meaning }), h("dd", { text: value })]))) : null);
    const { source } = told.facts;
    put(this.figures,
      list("Figures", (told.qc.figures ?? []).map(([name, value]) => [name, value, this.rows.page.meanings[name]])),
      list("Line", [
        ...(this.animation ? [["curves shown from", this.animation.format], ["frames", `${this.animation.frames} at ${figure(this.animation.fps)} fps`]] : []),
        ...(source ? [["sound", `${source.format}, ${figure(source.rate / 1000)} kHz, ${source.channels} channel${source.channels === 1 ? "" : "s"}`]] : []),
        ...Object.entries(told.made).filter(([name]) => name !== "fps"),
        ...(told.facts.warnings?.length ? [["warnings", told.facts.warnings.join(", ")]] : [])]),
      list("Files", Object.entries(told.files).map(([name, bytes_]) => [name, size(bytes_)])));
  }

  toggleChannels() {
    if (!this.animation) return;
    this.allChannels = !this.allChannels;
    this.channels.textContent = this.allChannels ? "Main channels" : "All channels";
    this.timeline.setChannels(this.allChannels ? this.animation.all() : this.animation.main(SHOWN_CHANNELS));
  }
}
