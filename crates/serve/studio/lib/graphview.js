// A graph as SVG: places come from the server in layers; nodes wear the state that a run gives them.

import { put, s } from "./dom.js";

const HIGH = 46;
const DOWN = 96;
const GAP = 40;

/** `{ node, mark(states) }`; `states` maps a node's id to waiting, running, done, interrupted or failed. */
export function graphView(graph) {
  const nodes = graph.nodes.map((n, i) => ({
    id: String(n.id),
    label: ends[n.id] ?? String(n.id),
    kind: ends[n.id] ? "" : (n.data?.kind ?? ""),
    x: n.layout?.x ?? 0,
    y: n.layout?.y ?? i,
  }));
  const wide = Math.max(...nodes.map(width), 100);
  const lowX = Math.min(...nodes.map((n) => n.x));
  const lowY = Math.min(...nodes.map((n) => n.y));
  for (const n of nodes) {
    n.cx = (n.x - lowX) * (wide + GAP) + wide / 2 + 24;
    n.cy = (n.y - lowY) * DOWN + HIGH / 2 + 12;
    n.w = width(n);
  }
  const by = new Map(nodes.map((n) => [n.id, n]));
  const edges = (graph.edges ?? []).filter((e) => by.has(String(e.source)) && by.has(String(e.target)));
  const back = edges.filter((e) => by.get(String(e.target)).cy <= by.get(String(e.source)).cy);
  const beside = Math.max(0, ...back.map((e) => labelOf(e).length * 3));
  const edge = Math.max(...nodes.map((n) => n.cx + n.w / 2)) + (back.length ? 66 : 24);
  const across = edge + beside;
  const down = Math.max(...nodes.map((n) => n.cy)) + HIGH / 2 + 12;
  const drawn = new Map(nodes.map((n) => [n.id, box(n)]));
  const svg = s(
    "svg",
    { viewBox: `0 0 ${across} ${down}`, width: across, height: down, role: "img", "aria-label": `Graph with the nodes ${nodes.map((n) => n.label).join(", ")}` },
    s("defs", {}, s("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" }, s("path", { d: "M0 0.6 7.4 4 0 7.4Z", class: "arrow" }))),
    edges.map((e) => line(by.get(String(e.source)), by.get(String(e.target)), e, edge)),
    [...drawn.values()],
  );
  return {
    node: svg,
    mark(states) {
      for (const [id, g] of drawn) {
        const state = states.get(id) ?? (ends[id] ? "" : "waiting");
        g.setAttribute("class", `node ${ends[id] ? "end" : ""} ${state}`);
        g.setAttribute("data-state", state);
        put(g.querySelector("title"), state ? `${id}: ${state}` : id);
      }
    },
  };
}

const ends = { __start__: "start", __end__: "end" };
const width = (n) => Math.max(86, n.label.length * 7.8 + 30, n.kind.length * 6.4 + 26);

function box(n) {
  return s(
    "g",
    { class: "node", "data-node": n.id, transform: `translate(${n.cx} ${n.cy})` },
    s("title", {}, n.id),
    s("rect", { x: -n.w / 2, y: -HIGH / 2, width: n.w, height: HIGH, rx: ends[n.id] ? HIGH / 2 : 9 }),
    s("text", { y: n.kind ? -1 : 4.5 }, n.label),
    n.kind ? s("text", { y: 15, class: "kind" }, n.kind) : null,
  );
}

/** What an edge says of itself. */
const labelOf = (e) => (typeof e.data !== "string" ? "" : e.data.length > 24 ? `${e.data.slice(0, 23)}…` : e.data);

function line(a, b, edge, right) {
  const half = HIGH / 2;
  let d;
  let middle;
  if (a === b || b.cy <= a.cy) {
    const out = right - 14;
    d = `M${a.cx + a.w / 2} ${a.cy} C${out} ${a.cy} ${out} ${b.cy} ${b.cx + b.w / 2 + 2} ${b.cy + (a === b ? 12 : 0)}`;
    middle = [out - 10, (a.cy + b.cy) / 2];
  } else {
    const [y0, y1] = [a.cy + half, b.cy - half - 1];
    const bend = Math.max(18, (y1 - y0) * 0.5);
    // Past a layer in between the line keeps to the side, so that it does not run behind a node.
    const side = y1 - y0 > DOWN && Math.abs(a.cx - b.cx) < 4 ? a.w / 2 + 34 : 0;
    d = `M${a.cx} ${y0} C${a.cx + side} ${y0 + bend} ${b.cx + side} ${y1 - bend} ${b.cx} ${y1}`;
    middle = [(a.cx + b.cx) / 2 + side * 0.75, (y0 + y1) / 2 + 4];
  }
  const path = s("path", { class: `edge ${edge.conditional ? "maybe" : ""}`, d, "marker-end": "url(#arrow)" });
  const label = labelOf(edge);
  return [path, label ? s("text", { class: "edge-label", x: middle[0], y: middle[1] }, label, s("title", {}, edge.data)) : null];
}
