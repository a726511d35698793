// A recorded run as pages show it: its state, how long it took, how far it is.

import { json } from "./api.js";
import { h, tag } from "./dom.js";
import { moment, span, three } from "./format.js";

const STATUS = { running: "live", error: "bad", interrupted: "warn", cancelled: "" };

/** The state of a run as a word. */
export const status = (run) => (run.status === "success" ? h("span", { class: "soft" }, "ok") : tag(run.status, STATUS[run.status] ?? ""));

/** What ended a run early, below its name: red where it failed. */
export const why = (run) => (run.error ? h("span", { class: `why ${run.status === "error" ? "fault" : "soft"}` }, run.error) : null);

/** Changes while a run goes on, so that what is drawn of it is drawn again. */
export const beat = (runs) => ([runs].flat().some((r) => r.status === "running") ? Math.floor(Date.now() / 1000) : 0);

/** Seconds that it took, or has taken so far. Times are milliseconds since 1970. */
export const took = (run) => ((run.end_ms ?? Date.now()) - run.start_ms) / 1000;

/** A training's curve, to be read with `readCurve` again and again. */
export const newCurve = (id) => ({ id, after: 0, train: [], validation: [], last: {}, fresh: true });

/** Reads what happened in a training since the last look; `fresh` says whether anything did. */
export async function readCurve(curve, signal) {
  curve.fresh = curve.after === 0;
  for (;;) {
    const { events, more } = await json(`/studio/api/runs/${curve.id}/events?limit=5000&after=${curve.after}`, { signal });
    for (const e of events) {
      const data = e.data ?? {};
      if (e.name === "step") {
        curve.train.push([data.step, data.loss]);
        curve.last = data;
      } else if (e.name === "validation") curve.validation.push([data.step, data.loss]);
      curve.after = e.seq;
      curve.fresh = true;
    }
    if (!more) return curve;
  }
}

/** A training or an evaluation under way, with its bar. `last` is what it told last. */
export function progress(run, last = {}) {
  const at = last.step;
  const of = last.steps ?? run.metadata?.steps;
  const part = Number.isFinite(at) && of > 0 ? Math.min(1, at / of) : null;
  return h(
    "a",
    { class: "card run", href: run.kind === "training" ? `#/training/${run.id}` : `#/traces/${run.id}` },
    h("strong", {}, run.name),
    h("span", { class: "soft" }, `${run.kind} · since ${moment(run.start_ms)} · ${span(took(run))}`),
    part === null ? null : h("progress", { max: 1, value: part, "aria-label": "progress" }),
    Number.isFinite(at) ? h("span", { class: "soft" }, `step ${at}${of > 0 ? ` of ${of}` : ""}${Number.isFinite(last.loss) ? ` · loss ${three(last.loss)}` : ""}`) : null,
  );
}
