// The mouth's curve under the waveform, a line at a glance.

import { bytes } from "./bytes.js";
import { colour } from "./theme.js";

const WIDTH = 200, HEIGHT = 38;  // pixels, as in the style sheet: to ask the page for them would have it laid out for every picture

/** Draw [waveform, mouth] (base64) on a canvas; the waveform above, the mouth below, on one time line. */
export function drawThumbnail(canvas, strip) {
  const ratio = devicePixelRatio || 1, width = Math.round(WIDTH * ratio), height = Math.round(HEIGHT * ratio);
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  const ink = pen(canvas), [wave, mouth] = strip.map((text) => (text ? bytes(text) : new Uint8Array()));
  ink.setTransform(ratio, 0, 0, ratio, 0, 0);
  ink.clearRect(0, 0, WIDTH, HEIGHT);
  drawWave(ink, wave);
  drawMouth(ink, mouth);
}

/** Make a canvas empty again. */
export function clearThumbnail(canvas) { pen(canvas).clearRect(0, 0, WIDTH, HEIGHT); }

// Not by the graphics card: to hand it many small pictures takes longer than to draw them, above all where there is none and it is played.
const pen = (canvas) => canvas.getContext("2d", { willReadFrequently: true });

function drawWave(ink, wave) {
  if (!wave.length) return;
  const middle = HEIGHT * 0.5, half = middle * 0.46, loudest = Math.max(64, ...wave), wide = Math.max(0.8, WIDTH / wave.length - 0.4);
  ink.beginPath();
  for (let i = 0; i < wave.length; i++) {
    const size = Math.max(0.5, (wave[i] / loudest) * half);
    ink.rect((i * WIDTH) / wave.length, middle * 0.5 - size, wide, 2 * size);
  }
  ink.fillStyle = colour("wave");
  ink.fill();
}

function drawMouth(ink, mouth) {
  if (!mouth.length) return;
  const base = HEIGHT - 1, x = (i) => ((i + 0.5) * WIDTH) / mouth.length, widest = Math.max(110, ...mouth), y = (i) => base - (mouth[i] / widest) * (HEIGHT * 0.44);
  ink.beginPath();
  ink.moveTo(0, base);
  for (let i = 0; i < mouth.length; i++) ink.lineTo(x(i), y(i));
  ink.lineTo(WIDTH, base);
  ink.fillStyle = colour("mouth-fill");
  ink.fill();
  ink.beginPath();
  for (let i = 0; i < mouth.length; i++) ink.lineTo(x(i), y(i));
  ink.strokeStyle = colour("mouth");
  ink.lineWidth = 1.2;
  ink.stroke();
}
