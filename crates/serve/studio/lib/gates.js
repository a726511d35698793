// A gate as a line: its interval, its value, the baseline, and the verdict.

import { h, s, tag } from "./dom.js";
import { three } from "./format.js";

const TONE = { pass: "good", fail: "bad", undecided: "warn" };

/** One judged gate. */
export function interval(gate) {
  const numbers = [gate.low, gate.high, gate.value, gate.baseline].filter((v) => Number.isFinite(v));
  // A share is drawn from 0 to 1; anything else over its own range.
  const share = numbers.every((v) => v >= 0 && v <= 1);
  const low = share ? 0 : Math.min(...numbers);
  const high = share ? 1 : Math.max(...numbers);
  const at = (v) => 4 + ((v - low) / (high - low || 1)) * 292;
  const has = Number.isFinite(gate.low) && Number.isFinite(gate.high);
  const tone = TONE[gate.verdict] ?? "";
  const range = has ? ` [${three(gate.low)}, ${three(gate.high)}]` : "";
  const base = Number.isFinite(gate.baseline) ? `baseline ${three(gate.baseline)}` : "";
  return h(
    "div",
    { class: "gate" },
    h("div", { class: "name" }, h("strong", {}, gate.name), h("span", { class: "soft" }, gate.metric)),
    s(
      "svg",
      { class: `interval ${tone}`, viewBox: "0 0 300 20", role: "img", "aria-label": `${three(gate.value)}${range} ${base}` },
      s("line", { class: "axis", x1: 4, x2: 296, y1: 10, y2: 10 }),
      Number.isFinite(gate.baseline) ? s("line", { class: "base", x1: at(gate.baseline), x2: at(gate.baseline), y1: 3, y2: 17 }) : null,
      has ? s("line", { class: "range", x1: at(gate.low), x2: at(gate.high), y1: 10, y2: 10 }) : null,
      s("circle", { cx: at(gate.value), cy: 10, r: 4 }),
    ),
    h("div", { class: "value" }, h("strong", {}, three(gate.value)), h("span", { class: "soft" }, range), base ? h("span", { class: "soft" }, ` · ${base}`) : null),
    tag(gate.verdict, tone),
  );
}
