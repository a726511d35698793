// What is running: models and their load, tables, the project's steps and gates, what waits for a person.

import { every, json } from "../lib/api.js";
import { empty, fault, h, put, putIfNew, tag } from "../lib/dom.js";
import { brief, bytes, count, many, moment, span, three } from "../lib/format.js";
import { sparkline } from "../lib/plot.js";
import { interval } from "../lib/gates.js";
import { newCurve, progress, readCurve } from "../lib/runs.js";

// Tokens a second of each model over the last minutes; outlives the page's comings and goings.
const rates = new Map();
const SLOTS = 90;
// What trainings under way have told so far.
const curves = new Map();

export async function show(main, _parts, signal, shell) {
  const head = h("header", { class: "head" });
  const waiting = h("section", { hidden: true, id: "waiting" });
  const work = h("section", { hidden: true, id: "work" });
  const models = h("section", { id: "models" });
  const gates = h("section", { hidden: true, id: "gates" });
  const steps = h("section", { hidden: true, id: "steps" });
  const more = h("section", { hidden: true, id: "others" });
  const trouble = h("div", { hidden: true });
  put(main, head, trouble, waiting, work, models, gates, steps, more);

  const look = async () => {
    try {
      const overview = await shell.overview(signal);
      trouble.hidden = true;
      measure(overview);
      drawHead(head, overview);
      drawModels(models, overview);
      drawOthers(more, overview);
      const asked = await shell.waiting(signal);
      drawWaiting(waiting, asked);
      if (shell.can("admin")) {
        const project = overview.project ? await json("/studio/api/project", { signal }) : null;
        drawSteps(steps, project);
        drawGates(gates, project);
        if (overview.traces) drawWork(work, await underway(signal));
      }
    } catch (e) {
      if (e.name === "AbortError") throw e;
      trouble.hidden = false;
      putIfNew(trouble, e.message, () => fault(e));
    }
  };
  every(2000, look, signal);
}

function measure(overview) {
  const now = performance.now() / 1000;
  for (const m of overview.models) {
    const past = rates.get(m.name) ?? [];
    const last = past.at(-1);
    if (last && now - last.at < 1) continue;
    const made = last ? Math.max(0, m.generation_tokens - last.tokens) : 0;
    past.push({ at: now, tokens: m.generation_tokens, rate: last ? made / (now - last.at) : 0 });
    rates.set(m.name, past.slice(-SLOTS));
  }
}

function drawHead(head, o) {
  const held = o.held ? ` · ${many(o.held, "request")} held` : "";
  putIfNew(head, [o.name, o.version, Math.floor(o.uptime / 60), held], () => [
    h("h1", {}, o.name ?? "What is running"),
    h("p", { class: "soft" }, `up ${span(Math.max(1, o.uptime))}${held}`),
  ]);
}

function drawModels(place, o) {
  const rate = (m) => rates.get(m.name)?.at(-1)?.rate ?? 0;
  const key = o.models.map((m) => [m, (rates.get(m.name) ?? []).map((r) => r.rate)]);
  putIfNew(place, key, () => [
    h("h2", {}, "Models"),
    o.models.length === 0 ? empty(o.project ? "No language model is served yet." : "No language model is served.") : null,
    o.models.map((m) =>
      h(
        "article",
        { class: "card model" },
        h(
          "div",
          { class: "who" },
          h("h3", {}, m.name, " ", m.running ? tag(`${m.running} running`, "live") : tag("loaded", "good")),
          h("p", { class: "soft" }, facts(m)),
        ),
        h(
          "dl",
          { class: "figures" },
          m.kind === "chat" ? [figure("tokens/s", three(rate(m))), figure("first token", span(m.first_token_seconds)), figure("tokens made", count(m.generation_tokens))] : null,
          figure("requests", count(m.requests)),
          figure("waiting", count(m.waiting)),
        ),
        m.kind === "chat" ? sparkline((rates.get(m.name) ?? []).map((r) => r.rate), SLOTS, "tokens a second, the last minutes") : null,
        m.adapters.length ? adapters(m) : null,
      ),
    ),
  ]);
}

const figure = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));

function facts(m) {
  const kind = m.kind === "chat" ? `context ${count(m.context_length)}` : "sentence vectors";
  const all = [m.architecture, `${count(m.parameters)} parameters`, `${m.format}, ${bytes(m.weight_bytes)}`, kind];
  if (m.kv_bytes) all.push(`cache ${bytes(m.kv_bytes)}`);
  return all.join(" · ");
}

function adapters(m) {
  const row = (a) =>
    h(
      "tr",
      {},
      h("td", {}, h("a", { href: `#/chat/${encodeURIComponent(a.name)}` }, a.name)),
      h("td", { class: "n" }, `rank ${a.rank}`),
      h("td", { class: "n" }, bytes(a.bytes)),
      h("td", { class: "n" }, many(a.requests, "request")),
    );
  return h("table", { class: "plain-table" }, h("caption", {}, "Adapters"), h("tbody", {}, m.adapters.map(row)));
}

function drawOthers(place, o) {
  const kinds = [["Table models", "tables", o.tabular], ["Graphs", "graphs", o.graphs], ["Chains", null, o.chains]].filter(([, , names]) => names.length);
  place.hidden = kinds.length === 0;
  const one = (at, n) => h("li", {}, at ? h("a", { href: `#/${at}/${encodeURIComponent(n)}` }, n) : h("span", {}, n));
  putIfNew(place, kinds, () => kinds.map(([title, at, names]) => [h("h2", {}, title), h("ul", { class: "names" }, names.map((n) => one(at, n)))]));
}

function drawWaiting(place, threads) {
  place.hidden = threads.length === 0;
  putIfNew(place, threads, () => [
    h("h2", {}, "Waiting for you"),
    threads.slice(0, 20).map((t) => {
      const question = Object.values(t.interrupts ?? {}).flat()[0]?.value;
      const graph = t.metadata?.graph_id ?? t.metadata?.assistant_id ?? "";
      return h(
        "a",
        { class: "card ask", href: `#/graphs/${encodeURIComponent(graph)}/${t.thread_id}` },
        h("span", {}, ...inALine(question)),
        h("span", { class: "soft" }, `${graph} · ${moment(t.updated_at)}`),
      );
    }),
  ]);
}

/** A question in a line: its words, then what it is about. */
function inALine(question) {
  if (question === undefined) return ["A thread waits"];
  const text = question?.question ?? question?.message ?? question?.prompt;
  if (typeof text !== "string") return [brief(question)];
  const about = Object.values(question).filter((v) => typeof v === "string" && v !== text);
  return [brief(text), about.length ? h("span", { class: "preview" }, brief(about[0], 90)) : null];
}

const STEP = { done: "good", fresh: "good", working: "live", waiting: "", failed: "bad" };

function drawSteps(place, project) {
  const steps = project?.steps ?? [];
  place.hidden = steps.length === 0;
  putIfNew(place, steps, () => [
    h("h2", {}, "Steps"),
    h(
      "ol",
      { class: "steps" },
      steps.map((p) => {
        const took = Number.isFinite(p.seconds) ? span(p.seconds) : "";
        const told = p.state === "failed" ? h("span", { class: "fault" }, p.reason) : h("span", { class: "soft" }, p.state === "waiting" || p.state === "working" ? p.reason : took);
        return h("li", {}, h("span", {}, p.step), tag(p.state, STEP[p.state]), told);
      }),
    ),
  ]);
}

function drawGates(place, project) {
  const gates = project?.gates ?? [];
  place.hidden = gates.length === 0;
  putIfNew(place, gates, () => [h("h2", {}, "Gates"), h("div", { class: "gates" }, gates.map(interval))]);
}

/** Trainings and evaluations that run, with what each told last. */
async function underway(signal) {
  const asked = ["training", "evaluation"].map((kind) => json(`/studio/api/runs?kind=${kind}&status=running&limit=20`, { signal }));
  const runs = (await Promise.all(asked)).flatMap((a) => a.runs);
  for (const id of curves.keys()) if (!runs.some((r) => r.id === id)) curves.delete(id);
  for (const run of runs) {
    if (!curves.has(run.id)) curves.set(run.id, newCurve(run.id));
    await readCurve(curves.get(run.id), signal);
  }
  return runs.map((run) => [run, curves.get(run.id).last]);
}

function drawWork(place, works) {
  place.hidden = works.length === 0;
  // What a run took so far rises by itself.
  putIfNew(place, [works, Math.floor(Date.now() / 5000)], () => [h("h2", {}, "Being worked on"), works.map(([run, last]) => progress(run, last))]);
}
