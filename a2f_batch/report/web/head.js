// The talking head: the 3D view's script and the head's are loaded when the first line is opened.

import { bytes } from "./bytes.js";
import { h, put } from "./dom.js";
import { address, load, script } from "./loading.js";
import { colour, onTheme } from "./theme.js";

export class Head {
  /** @param {HTMLElement} place @param {boolean} built whether the report has the 3D view */
  constructor(place, built) {
    this.place = place; this.built = built;
    this.stage = null; this.name = ""; this.pose = () => {};
    this.message = h("p", { class: "stage-message", role: "status" });
    put(place, this.message);
    onTheme(() => this.light());
  }

  /** Show the head called `name`. @returns {Promise<boolean>} whether it can be seen */
  async show(name) {
    if (!this.built) {
      this.say("No 3D view: it was not built when this report was made. In a checkout, run “make viewer”, then “a2f-batch report OUT” again.");
      return false;
    }
    const wanted = this.wanted = name;
    try {
      if (!this.stage) {
        this.say("Loading the head …");
        globalThis.a2fViewer ?? await (Head.viewer ??= script("viewer.js"));
        this.stage ??= new globalThis.a2fViewer.Stage(this.place);
        this.light();
      }
      if (this.name !== name) {
        this.say("Loading the head …");
        const glb = bytes(await load(address("heads", name), "head", name));
        if (this.wanted !== name) return false;
        await this.stage.show(glb.buffer);
        this.name = name;
      }
      if (this.wanted !== wanted) return false;
      this.say("");
      return true;
    } catch (error) {
      this.say(`The head can't be shown: ${error.message}`);
      return false;
    }
  }

  /** Pose it. @param {import("./animation.js").Animation} animation @param {number} seconds */
  at(animation, seconds) { this.stage?.pose(animation, seconds); }

  /** Look from the front again. */
  reset() { this.stage?.reset(); }

  light() { this.stage?.setBackground(colour("stage")); }

  say(text) { this.message.textContent = text; this.message.hidden = !text; }
}
