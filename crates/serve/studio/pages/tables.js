// Models of tables: the report that came with the training, and a row to try.

import { json, post } from "../lib/api.js";
import { empty, fault, h, put } from "../lib/dom.js";
import { figure, pretty } from "../lib/format.js";
import { form } from "../lib/schema.js";

export async function show(main, parts, signal, shell) {
  const overview = await shell.overview(signal);
  const names = overview.tabular;
  const head = h("header", { class: "head" }, h("h1", {}, "Table models"));
  if (names.length === 0) return put(main, head, empty("No table model is served.", "Serve one with lyceum serve --model_path DIR, or a project."));
  const name = names.includes(parts[0]) ? parts[0] : names[0];
  const choice = names.length > 1 ? h("ul", { class: "names" }, names.map((n) => h("li", {}, h("a", { href: `#/tables/${encodeURIComponent(n)}`, "aria-current": n === name ? "true" : null }, n)))) : null;
  const path = `/predict/${encodeURIComponent(name)}`;
  const signature = await json(path, { signal });
  put(main, head, choice, h("h2", {}, names.length > 1 ? `Try a row of ${name}` : `Try a row: ${name}`), attempt(path, signature, signal), ...report(overview, name, shell));
}

function attempt(path, signature, signal) {
  const fields = form(signature.input, { id: "row" });
  const answer = h("div", { "aria-live": "polite", id: "prediction" });
  const send = async (e) => {
    e.preventDefault();
    try {
      const row = fields.value();
      put(answer, prediction(await post(path, row, signal)));
    } catch (error) {
      if (error.name !== "AbortError") put(answer, fault(error));
    }
  };
  return h("form", { class: "card", onsubmit: send, novalidate: true }, h("div", { class: "row-form" }, fields.node), h("div", { class: "acts" }, h("button", { class: "main", id: "predict", type: "submit" }, "Predict")), answer);
}

function prediction(value) {
  const flat = value && typeof value === "object" && Object.values(value).every((v) => v === null || typeof v !== "object");
  if (!flat) return h("pre", { class: "value" }, pretty(value));
  return h("table", { class: "plain-table" }, h("tbody", {}, Object.entries(value).map(([k, v]) => h("tr", {}, h("td", { class: "soft" }, k), h("td", { class: "n", title: String(v) }, figure(v))))));
}

function report(overview, name, shell) {
  if (!overview.reports.includes(name) || !shell.can("admin")) return [];
  const at = `/studio/reports/${encodeURIComponent(name)}/report.html`;
  return [h("h2", {}, "Report"), h("iframe", { class: "report", src: at, sandbox: "", title: `Report of ${name}`, referrerpolicy: "no-referrer" })];
}
