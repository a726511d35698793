// Line plots as SVG, drawn by us: axes with round numbers, a linear or logarithmic height, a read-out under the
// pointer (or the arrow keys).

import { h, put, s } from "./dom.js";
import { count, three } from "./format.js";

/** A small line without axes: the newest value at the right, room for `slots` of them. */
export function sparkline(values, slots, title) {
  const wide = 240;
  const high = 28;
  const top = Math.max(...values, 1e-9);
  const step = wide / (slots - 1);
  const first = wide - (values.length - 1) * step;
  const at = (v, i) => `${(first + i * step).toFixed(1)},${(high - 2 - (v / top) * (high - 4)).toFixed(1)}`;
  const quiet = values.every((v) => v === 0);
  return s(
    "svg",
    { class: `spark ${quiet ? "still" : ""}`, viewBox: `0 0 ${wide} ${high}`, preserveAspectRatio: "none", role: "img", "aria-label": title },
    s("line", { x1: 0, x2: wide, y1: high - 2, y2: high - 2 }),
    values.length > 1 ? s("polyline", { points: values.map(at).join(" ") }) : null,
  );
}

const EDGE = { left: 56, right: 16, top: 26, bottom: 34 };

/**
 * A plot of lines. `lines`: [{ name, tone, points: [[x, y], …] sorted by x }]. Gives `{ node, draw(lines) }`; it
 * keeps its scale and its pointer when it is drawn again.
 */
export function plot({ x = "step", y = "loss" } = {}) {
  let lines = [];
  let log = false;
  let cursor = null;
  // As large as its place, so that letters keep their size on a phone.
  const SIZE = { wide: 860, high: 340, ...EDGE };
  const canvas = s("svg", { class: "plot", tabindex: "0", role: "img" });
  measure();
  new ResizeObserver(() => measure() && redraw()).observe(canvas);
  const read = h("output", { class: "readout" });
  const scale = h(
    "div",
    { class: "choice", role: "group", "aria-label": "Scale" },
    ["linear", "log"].map((name) => h("button", { type: "button", "aria-pressed": String(name === "linear"), onclick: () => choose(name) }, name)),
  );
  const legend = h("div", { class: "legend" });
  const node = h("figure", { class: "plot-box" }, h("div", { class: "plot-head" }, legend, read, scale), canvas);

  function measure() {
    const wide = Math.max(280, canvas.clientWidth || SIZE.wide);
    const same = canvas.hasAttribute("viewBox") && Math.abs(wide - SIZE.wide) < 2;
    SIZE.wide = wide;
    SIZE.high = wide < 560 ? 240 : 340;
    canvas.setAttribute("viewBox", `0 0 ${SIZE.wide} ${SIZE.high}`);
    return !same;
  }

  function choose(name) {
    log = name === "log";
    for (const b of scale.children) b.setAttribute("aria-pressed", String(b.textContent === name));
    redraw();
  }

  const all = () => lines.flatMap((l) => l.points).filter((p) => Number.isFinite(p[1]) && (!log || p[1] > 0));
  let toX = null;
  let toY = null;
  let fromX = null;

  function redraw() {
    const points = all();
    put(legend, lines.map((l) => h("span", { class: `key ${l.tone}` }, l.name)));
    if (points.length === 0) {
      put(canvas, s("text", { x: SIZE.wide / 2, y: SIZE.high / 2, class: "tick", "text-anchor": "middle" }, "no values yet"));
      canvas.setAttribute("aria-label", "no values yet");
      return;
    }
    const [x0, x1] = wider(extent(points.map((p) => p[0])));
    const grow = (v) => (log ? Math.log10(v) : v);
    let [y0, y1] = wider(extent(points.map((p) => grow(p[1]))));
    const margin = (y1 - y0) * 0.05;
    [y0, y1] = [y0 - margin, y1 + margin];
    const w = SIZE.wide - SIZE.left - SIZE.right;
    const t = SIZE.high - SIZE.top - SIZE.bottom;
    toX = (v) => SIZE.left + ((v - x0) / (x1 - x0)) * w;
    fromX = (p) => x0 + ((p - SIZE.left) / w) * (x1 - x0);
    toY = (v) => SIZE.top + (1 - (grow(v) - y0) / (y1 - y0)) * t;
    const ys = log ? logTicks(y0, y1) : ticks(y0, y1, 5);
    put(
      canvas,
      ys.map((v) => [
        s("line", { class: "grid", x1: SIZE.left, x2: SIZE.wide - SIZE.right, y1: toY(v), y2: toY(v) }),
        s("text", { class: "tick", x: SIZE.left - 8, y: toY(v) + 4, "text-anchor": "end" }, three(v)),
      ]),
      // The axis's name stands at its right end.
      steps(x0, x1, SIZE.wide < 560 ? 4 : 7).filter((v) => toX(v) < SIZE.wide - SIZE.right - 34).map((v) => s("text", { class: "tick", x: toX(v), y: SIZE.high - 12, "text-anchor": "middle" }, count(v))),
      s("text", { class: "tick name", x: SIZE.wide - SIZE.right, y: SIZE.high - 12, "text-anchor": "end" }, x),
      s("text", { class: "tick name", x: SIZE.left, y: 12 }, y),
      lines.map((l) => {
        const shown = thin(l.points.filter((p) => Number.isFinite(p[1]) && (!log || p[1] > 0)), SIZE.wide);
        const path = shown.map((p) => `${toX(p[0]).toFixed(1)},${toY(p[1]).toFixed(1)}`).join(" ");
        const dots = l.dots ? shown.map((p) => s("circle", { class: `dot ${l.tone}`, cx: toX(p[0]), cy: toY(p[1]), r: 3 })) : null;
        return [s("polyline", { class: `line ${l.tone}`, points: path }), dots];
      }),
      s("g", { class: "cursor" }),
    );
    canvas.setAttribute("aria-label", lines.map((l) => `${l.name}: ${l.points.length} values, the last ${three(l.points.at(-1)?.[1] ?? NaN)}`).join("; "));
    point();
  }

  function point() {
    const mark = canvas.querySelector(".cursor");
    const first = lines[0]?.points ?? [];
    if (!mark || !toX || first.length === 0) return;
    if (cursor === null) {
      put(mark);
      put(read, lines.map((l) => (l.points.length ? h("span", { class: `key ${l.tone}` }, three(l.points.at(-1)[1])) : null)));
      return;
    }
    const at = near(first, cursor);
    put(
      mark,
      s("line", { x1: toX(at[0]), x2: toX(at[0]), y1: SIZE.top, y2: SIZE.high - SIZE.bottom }),
      lines.map((l) => {
        const p = near(l.points, at[0]);
        return p && Number.isFinite(p[1]) && (!log || p[1] > 0) ? s("circle", { class: `dot ${l.tone}`, cx: toX(p[0]), cy: toY(p[1]), r: 4 }) : null;
      }),
    );
    put(
      read,
      h("span", {}, `${x} ${at[0]}`),
      lines.map((l) => {
        const p = near(l.points, at[0]);
        return p ? h("span", { class: `key ${l.tone}` }, three(p[1])) : null;
      }),
    );
  }

  canvas.addEventListener("pointermove", (e) => {
    if (!fromX) return;
    const box = canvas.getBoundingClientRect();
    cursor = fromX(((e.clientX - box.left) / box.width) * SIZE.wide);
    point();
  });
  canvas.addEventListener("pointerleave", () => {
    cursor = null;
    point();
  });
  canvas.addEventListener("keydown", (e) => {
    const points = lines[0]?.points ?? [];
    if (points.length === 0) return;
    if (e.key === "Escape") cursor = null;
    else if (e.key === "ArrowLeft" || e.key === "ArrowRight") {
      const now = cursor === null ? points.length - 1 : points.indexOf(near(points, cursor));
      const jump = Math.max(1, Math.floor(points.length / 100));
      const next = Math.min(points.length - 1, Math.max(0, now + (e.key === "ArrowRight" ? jump : -jump)));
      cursor = points[next][0];
    } else return;
    e.preventDefault();
    point();
  });

  return {
    node,
    draw(next) {
      lines = next;
      redraw();
    },
  };
}

function extent(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const v of values) {
    if (v < low) low = v;
    if (v > high) high = v;
  }
  return [low, high];
}

const wider = ([low, high]) => (low === high ? [low - 0.5, high + 0.5] : [low, high]);

/** The point nearest to x; points are sorted. */
function near(points, x) {
  let [low, high] = [0, points.length - 1];
  while (low < high) {
    const mid = (low + high) >> 1;
    if (points[mid][0] < x) low = mid + 1;
    else high = mid;
  }
  const before = points[low - 1];
  const here = points[low];
  return before && Math.abs(before[0] - x) < Math.abs(here[0] - x) ? before : here;
}

/** About `n` round numbers between two. */
function ticks(low, high, n) {
  const rough = (high - low) / n;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * size).find((k) => k >= rough) ?? rough;
  const out = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-9; v += step) out.push(Number(v.toPrecision(12)));
  return out;
}

/** Those of them that are whole, for what is counted. */
const steps = (low, high, n) => ticks(low, high, n).filter(Number.isInteger);

function logTicks(low, high) {
  const out = [];
  const fine = high - low < 1.5;
  for (let power = Math.floor(low); power <= high; power += 1) {
    for (const k of fine ? [1, 2, 3, 5, 7] : [1]) {
      const v = k * 10 ** power;
      const at = Math.log10(v);
      if (at >= low && at <= high) out.push(v);
    }
  }
  return out.length > 1 ? out : ticks(low, high, 4).map((v) => 10 ** v);
}

/** At most `most` points; of each stretch the lowest and the highest stay, so that spikes are seen. */
function thin(points, most) {
  if (points.length <= most) return points;
  const stretch = Math.ceil(points.length / (most / 2));
  const out = [];
  for (let i = 0; i < points.length; i += stretch) {
    const part = points.slice(i, i + stretch);
    const low = part.reduce((a, b) => (b[1] < a[1] ? b : a));
    const high = part.reduce((a, b) => (b[1] > a[1] ? b : a));
    out.push(...(low[0] < high[0] ? [low, high] : low === high ? [low] : [high, low]));
  }
  return out;
}
