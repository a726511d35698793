// Numbers, times and sizes as people read them.

/** 1 234 567 as `1.23 M`. */
export function count(n) {
  if (n === null || n === undefined) return "–";
  for (const [size, unit] of [[1e12, " T"], [1e9, " G"], [1e6, " M"], [1e4, " k"]]) {
    if (Math.abs(n) >= size) return three(unit === " k" ? n / 1e3 : n / size) + unit;
  }
  return Number.isInteger(n) ? String(n) : three(n);
}

/** Bytes. */
export function bytes(n) {
  if (n === null || n === undefined) return "–";
  const units = ["B", "KB", "MB", "GB", "TB"];
  let at = 0;
  while (n >= 1000 && at < units.length - 1) {
    n /= 1000;
    at += 1;
  }
  return `${at === 0 ? n : three(n)} ${units[at]}`;
}

/** Three significant digits, without an exponent where one can do without. */
export function three(n) {
  if (n === 0 || !Number.isFinite(n)) return String(n);
  const size = Math.abs(n);
  if (size >= 1e6 || size < 1e-4) return n.toExponential(2);
  return size >= 100 ? String(Math.round(n)) : String(Number(n.toPrecision(3)));
}

/** A span of seconds. */
export function span(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  if (seconds < 0.001) return `${Math.max(0, Math.round(seconds * 1e6))} µs`;
  if (seconds < 1) return `${three(seconds * 1000)} ms`;
  if (seconds < 60) return `${three(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

/** A moment: the time today, else the day too. Takes milliseconds or an ISO text. */
export function moment(when) {
  const date = new Date(when);
  if (Number.isNaN(date.getTime())) return "–";
  const time = date.toTimeString().slice(0, 8);
  const two = (n) => String(n).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return date.toDateString() === new Date().toDateString() ? time : `${day} ${time}`;
}

/** JSON, indented. */
export const pretty = (value) => JSON.stringify(value, null, 2);

/** The first words of a value, on one line. */
export function brief(value, most = 140) {
  const text = typeof value === "string" ? value : JSON.stringify(value) ?? "";
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}

/** `1 request`, `2 requests`. */
export const many = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;

/** A value in a word: a number to six figures. */
export const figure = (v) => (typeof v === "number" && !Number.isInteger(v) ? String(Number(v.toPrecision(6))) : String(v));
