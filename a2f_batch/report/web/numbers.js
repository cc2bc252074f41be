// Numbers as people read them.

const whole = new Intl.NumberFormat("en");

/** 20000 -> "20,000". */
export const count = (value) => whole.format(value);

/** "1 line", "2 lines". */
export const lines = (value) => `${count(value)} line${value === 1 ? "" : "s"}`;

/** Seconds as "4.21 s", "3:07", "2 h 05 min". */
export function span(seconds) {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(2) : seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}:${pad(Math.floor(seconds % 60))} min`;
  return `${count(Math.floor(seconds / 3600))} h ${pad(Math.floor((seconds % 3600) / 60))} min`;
}

/** Seconds on a time line: "0:04.217". */
export function clock(seconds) {
  const ms = Math.max(0, Math.round(seconds * 1000));
  return `${Math.floor(ms / 60000)}:${pad(Math.floor(ms / 1000) % 60)}.${String(ms % 1000).padStart(3, "0")}`;
}

/** A figure in few digits. */
export function figure(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  const size = Math.abs(value);
  return Number.isInteger(value) ? count(value) : size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : size >= 1 ? value.toFixed(2) : value.toFixed(3);
}

/** Bytes as "71 KB". */
export function size(value) {
  return value >= 1e6 ? `${(value / 1e6).toFixed(1)} MB` : `${Math.max(1, Math.round(value / 1e3))} KB`;
}

/** "mouth-in-silence" -> "mouth in silence". */
export const words = (code) => code.replaceAll("-", " ").replaceAll("_", " ");

const pad = (value) => String(value).padStart(2, "0");
