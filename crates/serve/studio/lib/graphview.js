// A graph as SVG: places come from the server, as boxes or as points; nodes wear the state that a run gives them.

import { put, s } from "./dom.js";

const HIGH = 46;
const DOWN = 96;
const GAP = 40;
const MARGIN = 24;

/** `{ node, mark(states) }`; `states` maps a node's id to waiting, running, done, interrupted or failed. */
export function graphView(graph) {
  const nodes = graph.nodes.map((n, i) => ({
    id: String(n.id),
    label: ends[n.id] ?? String(n.id),
    kind: ends[n.id] ? "" : (n.data?.kind ?? ""),
    about: typeof n.data?.label === "string" ? n.data.label : "",
    put: n.layout ?? { x: 0, y: i },
  }));
  const exact = nodes.every((n) => n.put.width > 0 && n.put.height > 0);
  if (exact) boxes(nodes);
  else spread(nodes);
  const by = new Map(nodes.map((n) => [n.id, n]));
  const edges = (graph.edges ?? []).filter((e) => by.has(String(e.source)) && by.has(String(e.target)));
  const back = edges.filter((e) => by.get(String(e.target)).cy <= by.get(String(e.source)).cy);
  const bends = exact ? edges.flatMap((e) => e.points ?? []).map(([x, y]) => [x + MARGIN, y + MARGIN / 2]) : [];
  const held = [...nodes.map((n) => [n.cx + n.w / 2, n.cy]), ...bends];
  for (const e of back) e.out = beside(by.get(String(e.source)).cy, by.get(String(e.target)).cy, held);
  const loops = back.map((e) => e.out + labelOf(e).length * 3);
  const across = Math.max(...held.map(([x]) => x), ...loops) + MARGIN;
  const down = Math.max(...nodes.map((n) => n.cy + n.h / 2)) + MARGIN / 2;
  const drawn = new Map(nodes.map((n) => [n.id, box(n)]));
  const svg = s(
    "svg",
    { viewBox: `0 0 ${across} ${down}`, width: across, height: down, role: "img", "aria-label": `Graph with the nodes ${nodes.map((n) => n.label).join(", ")}` },
    s("defs", {}, s("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" }, s("path", { d: "M0 0.6 7.4 4 0 7.4Z", class: "arrow" }))),
    edges.map((e) => line(by.get(String(e.source)), by.get(String(e.target)), e, exact)),
    [...drawn.values()],
  );
  return {
    node: svg,
    mark(states) {
      for (const [id, g] of drawn) {
        const state = states.get(id) ?? (ends[id] ? "" : "waiting");
        g.setAttribute("class", `node ${ends[id] ? "end" : ""} ${state}`);
        g.setAttribute("data-state", state);
        put(g.querySelector("title"), [id, by.get(id).about, state].filter(Boolean).join(": "));
      }
    },
  };
}

const ends = { __start__: "start", __end__: "end" };
const width = (n) => Math.max(86, n.label.length * 7.8 + 30, n.kind.length * 6.4 + 26);

/** Boxes as the server has them. */
function boxes(nodes) {
  for (const n of nodes) {
    const { x, y, width: w, height: h } = n.put;
    Object.assign(n, { w, h, cx: x + w / 2 + MARGIN, cy: y + h / 2 + MARGIN / 2 });
  }
}

/** Points, in whatever unit: rows one below the other, and as wide as neighbours need. */
function spread(nodes) {
  const rows = [...new Set(nodes.map((n) => n.put.y))].sort((a, b) => a - b);
  for (const n of nodes) Object.assign(n, { w: width(n), h: HIGH });
  const apart = (list) => {
    const sorted = list.toSorted((a, b) => a.put.x - b.put.x);
    const pairs = sorted.slice(1).map((b, i) => [b.put.x - sorted[i].put.x, (sorted[i].w + b.w) / 2 + GAP]);
    return pairs.filter(([d]) => d > 0).map(([d, needed]) => needed / d);
  };
  const inRows = rows.flatMap((y) => apart(nodes.filter((n) => n.put.y === y)));
  const scale = Math.max(...(inRows.length ? inRows : apart(nodes)), 0);
  const left = Math.min(...nodes.map((n) => n.put.x * scale - n.w / 2));
  for (const n of nodes) {
    n.cx = n.put.x * scale - left + MARGIN;
    n.cy = rows.indexOf(n.put.y) * DOWN + (HIGH + MARGIN) / 2;
  }
}

/** How far right a line goes that leads back up: past all that stands between. */
const beside = (low, high, held) => Math.max(...held.filter(([, y]) => y >= high - 1 && y <= low + 1).map(([x]) => x)) + GAP;

function box(n) {
  return s(
    "g",
    { class: "node", "data-node": n.id, transform: `translate(${n.cx} ${n.cy})` },
    s("title", {}, n.id),
    s("rect", { x: -n.w / 2, y: -n.h / 2, width: n.w, height: n.h, rx: ends[n.id] ? n.h / 2 : 9 }),
    s("text", { y: n.kind ? -1 : 4.5 }, n.label),
    n.kind ? s("text", { y: 14, class: "kind" }, n.kind) : null,
  );
}

/** What an edge says of itself. */
const labelOf = (e) => (typeof e.data !== "string" ? "" : e.data.length > 24 ? `${e.data.slice(0, 23)}…` : e.data);

function line(a, b, edge, exact) {
  let d;
  let middle;
  if (a === b || b.cy <= a.cy) {
    const [x0, x1] = [a.cx + a.w / 2, b.cx + b.w / 2 + 2];
    // A curve comes three quarters of the way to its handles.
    const handle = (edge.out - (x0 + x1) / 8) / 0.75;
    d = `M${x0} ${a.cy} C${handle} ${a.cy} ${handle} ${b.cy} ${x1} ${b.cy + (a === b ? 12 : 0)}`;
    middle = [edge.out, (a.cy + b.cy) / 2 + 4];
  } else if (exact && edge.points?.length > 1) {
    const points = edge.points.map(([x, y]) => [x + MARGIN, y + MARGIN / 2]);
    d = through(points);
    const [[x0, y0], [x1, y1]] = points;
    // Nearer to where it leads, so that words of lines from one node keep apart.
    middle = [x0 + (x1 - x0) * 0.72, y0 + (y1 - y0) * 0.62 + 4];
  } else {
    const [y0, y1] = [a.cy + a.h / 2, b.cy - b.h / 2 - 1];
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

/** A line through points that leaves and meets each of them upright. */
function through(points) {
  const [[x, y], ...rest] = points;
  let d = `M${x} ${y}`;
  let [px, py] = [x, y];
  for (const [qx, qy] of rest) {
    const half = (py + qy) / 2;
    d += px === qx ? `L${qx} ${qy}` : `C${px} ${half} ${qx} ${half} ${qx} ${qy}`;
    [px, py] = [qx, qy];
  }
  return d;
}
