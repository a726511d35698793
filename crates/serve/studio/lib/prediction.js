// A prediction as a picture: what is said, probabilities as bars, and what each input added to it.

import { h, s } from "./dom.js";
import { figure, pretty } from "./format.js";

const isObject = (v) => v !== null && typeof v === "object" && !Array.isArray(v);
const isNumber = (v) => typeof v === "number" && Number.isFinite(v);

/** The answer to one row. */
export function prediction(answer) {
  if (!isObject(answer)) return h("pre", { class: "value" }, pretty(answer));
  const rest = Object.entries(answer);
  const take = (fits) => {
    const taken = rest.filter(([k, v]) => fits(k, v));
    for (const one of taken) rest.splice(rest.indexOf(one), 1);
    return taken;
  };
  const explained = take((k, v) => k.endsWith("_contributions") && isObject(v));
  take((k, v) => k.endsWith("_probabilities") && Array.isArray(v));
  const likely = take((k, v) => k.includes("_probabilities_") && isNumber(v));
  const parts = [];
  const isPlain = (v) => !isObject(v) && !(Array.isArray(v) && v.some((one) => one !== null && typeof one === "object"));
  const plain = rest.filter(([, v]) => isPlain(v));
  if (plain.length) parts.push(h("table", { class: "plain-table" }, h("tbody", {}, plain.map(([k, v]) => h("tr", {}, h("td", { class: "soft" }, k), h("td", { class: "n", title: String(v) }, [v].flat().map(figure).join(", ")))))));
  for (const [output, rows] of byOutput(likely)) parts.push(probabilities(output, rows));
  for (const [key, value] of explained) {
    const output = key.slice(0, -"_contributions".length);
    parts.push(...contributions(output, value, answer[`${output}_predictions`]));
  }
  const deep = rest.filter(([, v]) => !isPlain(v));
  if (deep.length) parts.push(h("pre", { class: "value" }, pretty(Object.fromEntries(deep))));
  if (explained.length === 0) parts.push(h("p", { class: "soft small unexplained" }, "This model does not tell what each input added to its answer."));
  return parts;
}

function byOutput(entries) {
  const all = new Map();
  for (const [key, value] of entries) {
    const at = key.indexOf("_probabilities_");
    const output = key.slice(0, at);
    if (!all.has(output)) all.set(output, []);
    all.get(output).push([key.slice(at + "_probabilities_".length), value]);
  }
  return all;
}

/** The likeliest classes of an output, a bar each. */
function probabilities(output, rows) {
  const most = 12;
  const sorted = [...rows].sort((a, b) => b[1] - a[1]);
  const shown = sorted.slice(0, most);
  const bars = shown.map(([name, p]) => line(name, bar(0, p, 0, 1, "part"), `${(p * 100).toFixed(2)} %`));
  const more = sorted.length > most ? h("p", { class: "soft small" }, `and ${sorted.length - most} more`) : null;
  return h("div", { class: "bars probabilities" }, h("h3", {}, `How likely is each ${output}`), bars, more);
}

/** From the expected value to this answer's score, the largest steps first; of classes the one that was said. */
function contributions(output, value, said) {
  const classes = Object.values(value).every(isObject) ? Object.entries(value) : [[null, value]];
  const one = classes.filter(([name]) => name === null || name === String(said));
  return (one.length ? one : classes.slice(0, 1)).map(([name, shares]) => waterfall(name === null ? output : `${output}: ${name}`, shares));
}

function waterfall(title, shares) {
  const { expected_value: expected = 0, ...features } = shares;
  const steps = Object.entries(features).filter(([, v]) => isNumber(v)).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
  const most = 12;
  const shown = steps.slice(0, most);
  const left = steps.slice(most);
  if (left.length) shown.push([`${left.length} others`, left.reduce((sum, [, v]) => sum + v, 0)]);
  let at = isNumber(expected) ? expected : 0;
  const begin = at;
  const spans = shown.map(([name, v]) => {
    const from = at;
    at += v;
    return { name, from, to: at, v };
  });
  const ends = [begin, ...spans.map((p) => p.to)];
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const room = (high - low || 1) * 0.04;
  const rows = spans.map((p) => line(p.name, bar(p.from, p.to, low - room, high + room, p.v < 0 ? "part less" : "part more", begin), `${p.v > 0 ? "+" : ""}${figure(p.v)}`));
  return h("div", { class: "bars contributions" },
    h("h3", {}, `What each input added to the score of ${title}`),
    line("on average", bar(begin, begin, low - room, high + room, "part", begin), figure(begin)),
    rows,
    line("this row", bar(at, at, low - room, high + room, "part", at), figure(at)),
  );
}

const line = (name, picture, value) => h("div", { class: "bar" }, h("span", { class: "label", title: name }, name), picture, h("span", { class: "n" }, value));

/** A bar from one value to another on a scale from `low` to `high`, with a mark at `mark`. */
function bar(from, to, low, high, kind, mark) {
  const x = (v) => (100 * (v - low)) / (high - low || 1);
  const [a, b] = [x(from), x(to)].sort((p, q) => p - q);
  return s("svg", { class: "sharebar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    s("rect", { class: "way", x: 0, y: 0, width: 100, height: 10 }),
    s("rect", { class: kind, x: a, y: 0, width: Math.max(b - a, 0.4), height: 10 }),
    mark === undefined ? null : s("line", { class: "mark", x1: x(mark), x2: x(mark), y1: 0, y2: 10 }));
}
