// Trainings: the loss of one as it falls, and those that were.

import { every, json } from "../lib/api.js";
import { empty, fault, h, put, putIfNew } from "../lib/dom.js";
import { count, moment, span, three } from "../lib/format.js";
import { plot } from "../lib/plot.js";
import { beat, newCurve, readCurve, status, took, why } from "../lib/runs.js";

export async function show(main, parts, signal, shell) {
  if (!shell.can("admin")) return put(main, h("h1", {}, "Training"), empty("This key may not look at trainings.", "They need a key with the scope admin."));
  if (!shell.state.overview?.traces) return put(main, h("h1", {}, "Training"), empty("This server records nothing."));
  const head = h("header", { class: "head" });
  const now = h("dl", { class: "figures", id: "now" });
  const others = h("section");
  const picture = plot({ x: "step", y: "loss" });
  const trouble = h("div");
  const box = h("div", { id: "loss" }, now, picture.node);
  put(main, head, trouble, box, others);

  let chosen = parts[0] ?? null;
  let curve = null;
  const look = async () => {
    try {
      const { runs } = await json("/studio/api/runs?kind=training&limit=50", { signal });
      putIfNew(others, [runs, chosen, beat(runs)], () => past(runs, chosen));
      const run = runs.find((r) => r.id === chosen) ?? (chosen ? await only(chosen, signal) : runs[0]);
      box.hidden = !run;
      if (!run) return void putIfNew(head, "none", () => [h("h1", {}, "Training")]);
      if (curve?.id !== run.id) curve = newCurve(run.id);
      await readCurve(curve, signal);
      putIfNew(head, [run, beat(run)], () => [h("h1", {}, run.name || "Training"), status(run), h("span", { class: "soft" }, `${moment(run.start_ms)} · ${span(took(run))}`)]);
      drawNow(now, curve, run);
      const lines = [{ name: "train", tone: "first", points: curve.train }];
      if (curve.validation.length) lines.push({ name: "validation", tone: "second", points: curve.validation, dots: curve.validation.length < 40 });
      if (curve.fresh) picture.draw(lines);
      put(trouble);
    } catch (e) {
      if (e.name === "AbortError") throw e;
      put(trouble, fault(e));
    }
  };
  every(1500, look, signal);
}

async function only(id, signal) {
  const { runs } = await json(`/studio/api/runs/${id}`, { signal });
  return runs.find((r) => r.id === id);
}

function drawNow(place, curve, run) {
  const last = curve.last;
  const best = curve.validation.reduce((a, b) => (a === null || b[1] < a[1] ? b : a), null);
  const steps = last.steps ?? run.metadata?.steps;
  const all = [
    ["step", last.step === undefined ? "–" : `${count(last.step)}${steps ? ` of ${count(steps)}` : ""}`],
    ["loss", Number.isFinite(last.loss) ? three(last.loss) : "–"],
    ["best validation", best ? `${three(best[1])} at ${count(best[0])}` : "–"],
    ["learning rate", Number.isFinite(last.lr) ? three(last.lr) : "–"],
    ["tokens/s", Number.isFinite(last.tokens_per_second) ? three(last.tokens_per_second) : "–"],
  ];
  putIfNew(place, all, () => all.map(([k, v]) => h("div", {}, h("dt", {}, k), h("dd", {}, v))));
}

function past(runs, chosen) {
  if (runs.length === 0) return empty("No training was recorded yet.", "One shows up here while it runs: lyceum finetune, pretrain, or a project.");
  const row = (r) =>
    h(
      "tr",
      {},
      h("td", {}, h("a", { href: `#/training/${r.id}`, "aria-current": r.id === chosen ? "true" : null }, r.name || "training"), why(r)),
      h("td", {}, status(r)),
      h("td", { class: "soft" }, moment(r.start_ms)),
      h("td", { class: "n took" }, span(took(r))),
    );
  return [h("h2", {}, "All trainings"), h("table", { class: "list" }, h("thead", {}, h("tr", {}, h("th", {}, "Name"), h("th", { class: "c-status" }, "Status"), h("th", { class: "c-when" }, "Began"), h("th", { class: "n c-took" }, "Took"))), h("tbody", {}, runs.map(row)))];
}
