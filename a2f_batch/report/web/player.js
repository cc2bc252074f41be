// The clock of a line: where its sound is. The sound's own time is what moves the head; without a sound, the wall clock does.

export class Player {
  /**
   * @param {(seconds: number) => void} tick called for every picture while it plays, and after every jump
   * @param {() => void} changed called when it starts, stops or can't play
   */
  constructor(tick, changed) {
    this.tick = tick; this.changed = changed;
    this.audio = document.createElement("audio");
    this.audio.preload = "auto";
    this.rate = 1; this.looping = false;
    /** @type {[number, number]|null} seconds that are played alone */
    this.range = null;
    for (const kind of ["play", "pause", "loadedmetadata", "error"]) this.audio.addEventListener(kind, () => { this.audible = !this.audio.error && Boolean(this.audio.src); this.changed(); });
    this.audio.addEventListener("ended", () => this.ended());
    // Beside the pictures: a page in the background is shown none, and still ends a stretch where it ends.
    this.audio.addEventListener("timeupdate", () => this.playing && this.isOver() && this.ended());
    this.audio.addEventListener("seeked", () => this.tick(this.time));
    this.frames = 0;
  }

  /** Take another line. @param {string|null} url @param {number} length seconds */
  load(url, length) {
    this.pause();
    this.length = length; this.range = null; this.silent = { at: 0, since: null };
    this.audible = Boolean(url);
    if (url) { this.audio.src = url; this.audio.playbackRate = this.rate; } else { this.audio.removeAttribute("src"); this.audio.load(); }
    this.tick(0);
  }

  /** Seconds. */
  get time() {
    if (this.audible) return this.audio.currentTime;
    const { at, since } = this.silent;
    return since === null ? at : Math.min(this.length, at + ((performance.now() - since) / 1000) * this.rate);
  }

  get playing() { return this.audible ? !this.audio.paused : this.silent?.since !== null && this.silent !== undefined; }

  /** Why the sound can't be heard; "" if it can. */
  get trouble() { return this.audio.error && this.audio.getAttribute("src") ? this.audio.error.message || "The browser can't play it." : ""; }

  async play() {
    const [from, to] = this.range ?? [0, this.length];
    if (this.time < from - 0.01 || this.time >= to - 0.02) this.seek(from);
    if (this.audible) {
      try { await this.audio.play(); } catch { if (this.audio.error) { this.audible = false; this.silent = { at: this.time || 0, since: performance.now() }; } else return; }
    } else this.silent = { at: this.silent.at, since: performance.now() };
    this.changed();
    this.run();
  }

  pause() {
    if (this.audible) this.audio.pause();
    else if (this.silent) this.silent = { at: this.time, since: null };
    this.changed();
  }

  toggle() { return this.playing ? this.pause() : this.play(); }

  seek(seconds) {
    const to = Math.max(0, Math.min(this.length, seconds));
    if (this.audible) this.audio.currentTime = to;
    else this.silent = { at: to, since: this.playing ? performance.now() : null };
    this.tick(to);
  }

  setRate(rate) {
    if (!this.audible && this.silent) this.silent = { at: this.time, since: this.playing ? performance.now() : null };
    this.rate = rate; this.audio.playbackRate = rate;
    this.changed();
  }

  /** Ask the clock for every picture that the screen shows. */
  run() {
    const mine = ++this.frames;
    const step = () => {
      if (mine !== this.frames || !this.playing) return;
      if (this.isOver()) this.ended();
      else this.tick(this.time);
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  /** Whether what is to be played has been. Without a stretch the sound itself says so. */
  isOver() { return (Boolean(this.range) || !this.audible) && this.time >= (this.range?.[1] ?? this.length); }

  ended() {
    const from = this.range?.[0] ?? 0;
    if (this.looping) {
      this.seek(from);
      this.play();
      return;
    }
    const end = this.range?.[1] ?? this.length;
    this.pause();
    if (!this.audible) this.silent = { at: end, since: null };
    this.tick(end);
  }
}
