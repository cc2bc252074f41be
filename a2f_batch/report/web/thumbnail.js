// The mouth's curve under the waveform, a line at a glance.

import { bytes } from "./bytes.js";
import { colour } from "./theme.js";

/** Draw [waveform, mouth] (base64) on a canvas; the waveform above, the mouth below, on one time line. */
export function drawThumbnail(canvas, strip) {
  const ratio = devicePixelRatio || 1, width = canvas.clientWidth || 200, height = canvas.clientHeight || 36;
  canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
  const ink = canvas.getContext("2d");
  ink.scale(ratio, ratio);
  const [wave, mouth] = strip.map((text) => (text ? bytes(text) : new Uint8Array()));
  const middle = height * 0.5;
  if (wave.length) {
    ink.fillStyle = colour("wave");
    const half = middle * 0.46, loudest = Math.max(64, ...wave);
    for (let i = 0; i < wave.length; i++) {
      const size = Math.max(0.5, (wave[i] / loudest) * half);
      ink.fillRect((i * width) / wave.length, middle * 0.5 - size, Math.max(0.8, width / wave.length - 0.4), 2 * size);
    }
  }
  if (mouth.length) {
    const base = height - 1, x = (i) => ((i + 0.5) * width) / mouth.length, widest = Math.max(110, ...mouth), y = (i) => base - (mouth[i] / widest) * (height * 0.44);
    ink.beginPath();
    ink.moveTo(0, base);
    for (let i = 0; i < mouth.length; i++) ink.lineTo(x(i), y(i));
    ink.lineTo(width, base);
    ink.fillStyle = colour("mouth-fill");
    ink.fill();
    ink.beginPath();
    for (let i = 0; i < mouth.length; i++) ink.lineTo(x(i), y(i));
    ink.strokeStyle = colour("mouth");
    ink.lineWidth = 1.2;
    ink.stroke();
  }
}
