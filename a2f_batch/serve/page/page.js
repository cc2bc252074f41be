// A sound in, its curves and the talking head out; the player, the time line and the head are the report's.

import { Animation } from "./web/animation.js";
import { h, put } from "./web/dom.js";
import { clock, span } from "./web/numbers.js";
import { Player } from "./web/player.js";
import { colour, onTheme } from "./web/theme.js";
import { Timeline } from "./web/timeline.js";

const FORMATS = ["glb", "fbx", "csv", "anim"], CHANNELS = 6, WAVE_HZ = 200;
const at = (id) => document.getElementById(id);

/** Curves of /process-audio, as the report's drawings want them: 8 bits a value, over each channel's own range. */
class Curves extends Animation {
  constructor(names, { blendshapes, fps, num_frames }) {
    super({ fps, frames: num_frames, start: 0, format: "", names, values: "", ranges: {} });
    this.curves = new Map(names.map((name, k) => {
      const values = blendshapes.map((row) => row[k]), low = Math.min(0, ...values), high = Math.max(...values, low + 1e-6);
      return [name, { values: Uint8Array.from(values, (value) => Math.round(((value - low) / (high - low)) * 255)), low, high }];
    }));
  }
}

let curves = null, stage = null, viewer = null, url = null, latest = 0;
const player = new Player(show, () => { at("play").textContent = player.playing ? "❚❚" : "▶"; });
const timeline = new Timeline(at("timeline"), { seek: (seconds) => player.seek(seconds), range: (range) => { player.range = range; } });

/** Show a moment: the one place where time becomes a picture. */
function show(seconds) {
  if (!curves) return;
  timeline.at(seconds);
  stage?.pose(curves, seconds);
  const frame = curves.frame(seconds);
  at("result").dataset.frame = String(frame);
  at("readout").textContent = `${clock(seconds)}  ·  frame ${frame} of ${curves.frames}`;
}

/** Render a sound and show it. @param {File} file */
async function take(file) {
  const mine = ++latest, asked = query();
  delete document.documentElement.dataset.shown;
  tell(`Rendering ${file.name} …`);
  try {
    const [answer, names, glb, wave] = await Promise.all([
      post("process-audio", file, asked).then((one) => one.json()),
      given(fetch(`blendshape-names?${new URLSearchParams({ profile: asked.profile })}`)).then((one) => one.json()),
      post("bake", file, { ...asked, format: "glb" }).then((one) => one.arrayBuffer()),
      peaks(file),
    ]);
    if (mine !== latest) return;
    curves = new Curves(names.blendshape_names, answer.data);
    at("result").hidden = false;
    if (url) URL.revokeObjectURL(url);
    url = URL.createObjectURL(file);
    const length = Math.max(answer.data.duration, curves.length);
    timeline.show({ length, wave, flags: [], animation: curves, channels: curves.main(CHANNELS) });
    put(at("downloads"), ...FORMATS.map((format) => h("button", { type: "button", class: "plain", text: format, onclick: () => save(file, { ...asked, format }) })));
    await head(glb);
    player.load(url, length);
    const said = answer.metadata.warnings.map((code) => ` ${code.replaceAll("-", " ")}.`).join("");
    tell(`${file.name}: ${span(answer.data.duration)}, ${curves.frames} frames.${said}`);
    document.documentElement.dataset.shown = file.name;
  } catch (error) {
    if (mine === latest) tell(error.message, true);
  }
}

/** Put the head on the stage. @param {ArrayBuffer} glb */
async function head(glb) {
  try {
    viewer ??= await script("viewer.js").then(() => true, () => false);
    if (!viewer) { message("No 3D view: it was not built. In a checkout, run “make viewer”, then start the service again."); return; }
    if (!stage) {
      stage = new globalThis.a2fViewer.Stage(at("stage"));
      onTheme(() => stage.setBackground(colour("stage")));
      stage.setBackground(colour("stage"));
    }
    await stage.show(glb);
    message("");
  } catch (error) {
    message(`The head can't be shown: ${error.message}`);
  }
}

/** Download a file. */
async function save(file, asked) {
  try {
    const answer = await post("bake", file, asked), name = decodeURIComponent(/filename\*=UTF-8''(\S+)/.exec(answer.headers.get("content-disposition"))[1]);
    const link = h("a", { href: URL.createObjectURL(await answer.blob()), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  } catch (error) {
    tell(error.message, true);
  }
}

function query() { return Object.fromEntries(["profile", "emotion", "fps", "seed"].map((id) => [id, at(id).value])); }

function post(path, file, asked) {
  const body = new FormData();
  body.append("file", file);
  return given(fetch(`${path}?${new URLSearchParams(asked)}`, { method: "POST", body }));
}

/** The answer, or an error that says what the service says. @param {Promise<Response>} asked */
async function given(asked) {
  const answer = await asked.catch(() => { throw new Error("The service does not answer. Was it stopped?"); });
  if (answer.ok) return answer;
  const { problem, remedy } = await answer.json().catch(() => ({ problem: `The service answered ${answer.status}.`, remedy: "" }));
  throw new Error(`${problem} ${remedy}`);
}

/** The loudest of every 1 / WAVE_HZ s, 0 to 255; null where the browser can't decode the sound. */
async function peaks(file) {
  try {
    const context = new OfflineAudioContext(1, 1, 16000), sound = await context.decodeAudioData(await file.arrayBuffer()), samples = sound.getChannelData(0);
    const step = sound.sampleRate / WAVE_HZ, wave = new Uint8Array(Math.ceil(samples.length / step));
    samples.forEach((sample, i) => { const k = Math.floor(i / step), size = Math.min(255, Math.abs(sample) * 255); if (size > wave[k]) wave[k] = size; });
    return wave;
  } catch { return null; }
}

function script(src) {
  return new Promise((resolve, reject) => document.head.append(Object.assign(document.createElement("script"), { src, onload: resolve, onerror: reject })));
}

function tell(text, bad = false) { at("state").textContent = text; at("state").classList.toggle("bad", bad); }
function message(text) { at("stage-message").textContent = text; at("stage-message").hidden = !text; }

let chosen = null;
const choose = (file) => { if (file) { chosen = file; take(file); } };
at("file").addEventListener("change", () => choose(at("file").files[0]));
at("form").addEventListener("submit", (event) => event.preventDefault());
for (const id of ["profile", "emotion", "fps", "seed"]) at(id).addEventListener("change", () => choose(chosen));
addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("over"); });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("over"); });
addEventListener("drop", (event) => { event.preventDefault(); document.body.classList.remove("over"); choose(event.dataTransfer.files[0]); });
at("play").addEventListener("click", () => player.toggle());
addEventListener("keydown", (event) => { if (event.key === " " && event.target === document.body && curves) { event.preventDefault(); player.toggle(); } });

const { profiles } = await given(fetch("health")).then((one) => one.json());
put(at("profile"), ...profiles.map((name) => h("option", { text: name })));
document.documentElement.dataset.ready = "";
