// Recorded runs: a list that never holds more than a page, and one trace as a tree with its times.

import { every, json } from "../lib/api.js";
import { empty, fault, h, put, putIfNew, s } from "../lib/dom.js";
import { brief, bytes, count, many, moment, span, three } from "../lib/format.js";
import { beat, status, took, why } from "../lib/runs.js";

const PAGE = 50;
const SHOWN = 2000;
const KINDS = ["chain", "llm", "tool", "retriever", "embedding", "training", "evaluation"];
const STATES = ["running", "success", "error", "interrupted", "cancelled"];

// The filters and the place in the list, kept while one looks at a trace.
const view = { kind: "", status: "", name: "", thread: "", before: [] };

export async function show(main, parts, signal, shell) {
  if (!shell.can("admin")) return put(main, h("h1", {}, "Traces"), empty("This key may not read traces.", "They hold what everybody has asked: they need a key with the scope admin."));
  if (!shell.state.overview?.traces) return put(main, h("h1", {}, "Traces"), empty("This server records nothing."));
  return parts[0] ? trace(main, parts[0], parts[1], signal) : list(main, signal);
}

function list(main, signal) {
  const rows = h("tbody");
  const trouble = h("div");
  const older = h("button", { type: "button", id: "older", onclick: () => move(1) }, "Older");
  const newer = h("button", { type: "button", id: "newer", onclick: () => move(-1) }, "Newer");
  const place = h("span", { class: "soft small" });
  let next = null;

  const choose = (key, name, words) =>
    h(
      "select",
      { id: `filter-${key}`, "aria-label": name, onchange: (e) => filter(key, e.target.value) },
      h("option", { value: "" }, `Any ${name.toLowerCase()}`),
      words.map((w) => h("option", { value: w, selected: view[key] === w }, w)),
    );
  const write = (key, name) =>
    h("input", { id: `filter-${key}`, type: "search", "aria-label": name, placeholder: name, value: view[key], onchange: (e) => filter(key, e.target.value.trim()) });

  function filter(key, value) {
    view[key] = value;
    view.before = [];
    look();
  }
  function move(by) {
    if (by > 0 && next) view.before.push(next);
    else if (by < 0) view.before.pop();
    look();
  }

  async function look() {
    const query = new URLSearchParams({ root: "1", limit: String(PAGE) });
    for (const key of ["kind", "status", "name", "thread"]) if (view[key]) query.set(key, view[key]);
    const before = view.before.at(-1);
    if (before) query.set("before", before);
    try {
      const answer = await json(`/studio/api/runs?${query}`, { signal });
      next = answer.next;
      put(trouble);
      older.disabled = !next;
      newer.disabled = view.before.length === 0;
      place.textContent = answer.runs.length ? `page ${view.before.length + 1}` : "";
      putIfNew(rows, [answer.runs, beat(answer.runs)], () => (answer.runs.length ? answer.runs.map(row) : h("tr", {}, h("td", { colspan: 6 }, empty("No runs here.")))));
    } catch (e) {
      if (e.name === "AbortError") throw e;
      put(trouble, fault(e));
    }
  }

  put(
    main,
    h("header", { class: "head" }, h("h1", {}, "Traces")),
    h("div", { class: "filters", role: "search" }, choose("kind", "Kind", KINDS), choose("status", "Status", STATES), write("name", "Name"), write("thread", "Thread")),
    trouble,
    h(
      "table",
      { class: "list" },
      h("thead", {}, h("tr", {}, h("th", { class: "c-name" }, "Name"), h("th", { class: "c-kind" }, "Kind"), h("th", { class: "c-status" }, "Status"), h("th", { class: "n c-tokens" }, "Tokens"), h("th", { class: "c-when" }, "Began"), h("th", { class: "n c-took" }, "Took"))),
      rows,
    ),
    h("div", { class: "pager" }, newer, older, place),
  );
  // Only the newest page changes by itself.
  every(3000, () => (view.before.length === 0 || rows.childElementCount === 0 ? look() : null), signal);
}

function row(run) {
  return h(
    "tr",
    {},
    h("td", {}, h("a", { href: `#/traces/${run.id}` }, run.name || run.kind), run.preview ? h("span", { class: "preview" }, brief(run.preview)) : null, why(run)),
    h("td", { class: "kind soft" }, run.kind),
    h("td", {}, status(run)),
    h("td", { class: "n tokens soft" }, tokens(run.facts)),
    h("td", { class: "soft" }, moment(run.start_ms)),
    h("td", { class: "n took" }, span(took(run))),
  );
}

/** Tokens read and made. */
function tokens({ prompt_tokens: read, completion_tokens: made }) {
  return (read ?? made ?? null) === null ? "" : `${count(read ?? 0)} + ${count(made ?? 0)}`;
}

async function trace(main, id, chosen, signal) {
  const head = h("header", { class: "head" });
  const tree = h("nav", { class: "tree", "aria-label": "Runs of this trace" });
  const detail = h("section", { class: "detail", "aria-live": "polite" });
  put(main, h("p", {}, h("a", { href: "#/traces" }, "← Traces")), head, h("div", { class: "trace-body" }, tree, detail));
  let shown = null;
  const look = async () => {
    const answer = await json(`/studio/api/runs/${id}`, { signal });
    const runs = answer.runs;
    const root = runs.find((r) => r.id === id) ?? runs[0];
    putIfNew(head, [root, runs.length, beat(root)], () => [h("h1", {}, root.name || root.kind), status(root), h("span", { class: "soft" }, `${moment(root.start_ms)} · ${span(took(root))} · ${many(answer.total ?? runs.length, "run")}`)]);
    putIfNew(tree, [runs, chosen, beat(root)], () => branches(runs, root, chosen ?? id, answer.total));
    const run = runs.find((r) => r.id === (chosen ?? id)) ?? root;
    const key = `${run.id} ${run.status}`;
    if (key !== shown) {
      shown = key;
      await drawDetail(detail, run, signal);
    }
    return root.status === "running";
  };
  if (await look()) {
    every(1500, async () => {
      await look();
    }, signal);
  }
  tree.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
}

/** The runs in the order of a tree, each with its place on the root's time line. */
function branches(runs, root, chosen, total) {
  const below = new Map();
  for (const r of runs) {
    if (r.id === root.id) continue;
    if (!below.has(r.parent)) below.set(r.parent, []);
    below.get(r.parent).push(r);
  }
  for (const list of below.values()) list.sort((a, b) => a.start_ms - b.start_ms || (a.id < b.id ? -1 : 1));
  const start = root.start_ms;
  const end = Math.max(root.end_ms ?? Date.now(), ...runs.map((r) => r.end_ms ?? 0), start + 1);
  const out = [];
  const stack = [[root, 0]];
  while (stack.length && out.length < SHOWN) {
    const [run, depth] = stack.pop();
    out.push(branch(run, depth, root.id, run.id === chosen, start, end));
    for (const child of (below.get(run.id) ?? []).toReversed()) stack.push([child, depth + 1]);
  }
  const hidden = (total ?? runs.length) - out.length;
  return [out, hidden > 0 ? h("p", { class: "soft small" }, `${count(hidden)} more runs are not shown`) : null];
}

function branch(run, depth, root, current, start, end) {
  const from = ((run.start_ms - start) / (end - start)) * 100;
  const wide = Math.max(((run.end_ms ?? Date.now()) - run.start_ms) / (end - start) * 100, 0.8);
  const tone = run.status === "error" ? "bad" : run.status === "running" ? "live" : "";
  const label = h("span", { class: "label" }, run.name || run.kind, h("small", {}, run.kind));
  label.style.paddingLeft = `${Math.min(depth, 12) * 1.05}rem`;
  return h(
    "a",
    { href: `#/traces/${root}/${run.id}`, class: run.status === "error" ? "failed" : "", "aria-current": current ? "true" : null, title: run.error ?? null },
    label,
    s(
      "svg",
      { class: "timebar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
      s("rect", { class: "way", x: 0, y: 3.5, width: 100, height: 1 }),
      s("rect", { class: `part ${tone}`, x: Math.min(from, 99.2), y: 0, width: Math.min(wide, 100 - Math.min(from, 99.2)), height: 8, rx: 0.4 }),
    ),
    h("span", { class: "time" }, span(took(run))),
  );
}

const FACTS = {
  prompt_tokens: ["prompt", (v) => `${count(v)} tokens`],
  completion_tokens: ["completion", (v) => `${count(v)} tokens`],
  first_token_ms: ["first token", (v) => span(v / 1000)],
  cost: ["cost", three],
};

async function drawDetail(place, run, signal) {
  const facts = Object.entries({ ...run.metadata, ...run.facts }).filter(([, v]) => v !== null && typeof v !== "object");
  const input = h("div");
  const output = h("div");
  const happened = h("div");
  put(
    place,
    h("h2", {}, run.name || run.kind),
    run.error ? h("p", { class: "fault" }, run.error) : null,
    h(
      "dl",
      {},
      pair("kind", run.kind),
      pair("status", run.status),
      pair("took", span(took(run))),
      run.thread ? pair("thread", run.thread) : null,
      facts.map(([k, v]) => pair(FACTS[k]?.[0] ?? k, (FACTS[k]?.[1] ?? String)(v))),
      pair("id", run.id),
    ),
    h("h2", {}, "Input"),
    input,
    h("h2", {}, "Output"),
    output,
    happened,
  );
  await Promise.all([
    content(input, run, "input", signal),
    run.status === "running" ? put(output, h("p", { class: "soft" }, "still running")) : content(output, run, "output", signal),
    occurrences(happened, run, signal),
  ]);
}

const pair = (name, value) => [h("dt", {}, name), h("dd", {}, value)];

async function content(place, run, side, signal) {
  try {
    const url = `/studio/api/runs/${run.id}/content?side=${side}`;
    const part = await json(url, { signal });
    if (part.bytes === 0) return put(place, h("p", { class: "soft" }, "nothing recorded"));
    const text = part.cut ? part.text : indented(part.text);
    put(
      place,
      h("pre", { class: "value", tabindex: "0", "data-side": side }, text),
      part.cut
        ? h("p", { class: "cut" }, `the first ${bytes(part.text.length)} of ${bytes(part.bytes)}`, h("a", { href: `${url}&whole=1`, download: `${side}-${run.id}.json` }, part.kept < part.bytes ? `Download all that is kept (${bytes(part.kept)})` : "Download the whole"))
        : null,
    );
  } catch (e) {
    if (e.name === "AbortError") throw e;
    put(place, fault(e));
  }
}

/** JSON with indents; a text as itself. */
function indented(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "string" ? value : JSON.stringify(value, null, 2);
  } catch {
    return text;
  }
}

async function occurrences(place, run, signal) {
  const { events } = await json(`/studio/api/runs/${run.id}/events?limit=200`, { signal });
  if (events.length === 0) return;
  put(
    place,
    h("h2", {}, "Events"),
    events.map((e) => h("div", { class: "event" }, h("span", { class: "soft" }, `+${span((e.at_ms - run.start_ms) / 1000)}`), h("span", {}, e.name), h("code", { class: "soft" }, JSON.stringify(e.data)?.slice(0, 300) ?? ""))),
  );
}
