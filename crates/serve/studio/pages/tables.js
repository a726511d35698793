// Models of tables: a row to try and what each of its inputs added, pasted rows, the report of the training.

import { json, post, request } from "../lib/api.js";
import { empty, fault, h, put } from "../lib/dom.js";
import { figure, many } from "../lib/format.js";
import { prediction } from "../lib/prediction.js";
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
  put(main, head, choice,
    h("h2", {}, names.length > 1 ? `Try a row of ${name}` : `Try a row: ${name}`), attempt(path, signature, signal),
    h("h2", {}, "Paste rows"), pasted(name, path, signature, signal),
    ...report(overview, name, shell));
}

/** With what each input added, where the model tells; a model that cannot is asked again without. */
async function explained(path, row, signal) {
  try {
    return await post(`${path}?contributions=true`, row, signal);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return post(path, row, signal);
  }
}

function attempt(path, signature, signal) {
  const fields = form(signature.input, { id: "row" });
  const answer = h("div", { "aria-live": "polite", id: "prediction" });
  const send = async (e) => {
    e.preventDefault();
    try {
      put(answer, prediction(await explained(path, fields.value(), signal)));
    } catch (error) {
      if (error.name !== "AbortError") put(answer, fault(error));
    }
  };
  return h("form", { class: "card", onsubmit: send, novalidate: true }, h("div", { class: "row-form" }, fields.node), h("div", { class: "acts" }, h("button", { class: "main", id: "predict", type: "submit" }, "Predict")), answer);
}

const SHOWN = 200;

function pasted(name, path, signature, signal) {
  const columns = Object.keys(signature.input?.properties ?? {});
  const area = h("textarea", { id: "rows", rows: 5, class: "mono", spellcheck: "false", "aria-label": "Rows as CSV", placeholder: `${columns.join(",")}\n…` });
  const answer = h("div", { "aria-live": "polite", id: "answers" });
  let link = null;
  const forget = () => link && URL.revokeObjectURL(link);
  signal.addEventListener("abort", forget);
  const send = async (e) => {
    e.preventDefault();
    try {
      const told = await request(path, { method: "POST", text: area.value, type: "text/csv", accept: "text/csv", signal });
      const text = await told.text();
      forget();
      link = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
      put(answer, table(text, h("a", { href: link, download: `${name}.csv`, id: "download" }, "Download as CSV")));
    } catch (error) {
      if (error.name !== "AbortError") put(answer, fault(error));
    }
  };
  return h("form", { class: "card", onsubmit: send, novalidate: true },
    h("p", { class: "soft small" }, "A header line with the names of the columns, then a line for each row."), area,
    h("div", { class: "acts" }, h("button", { class: "main", id: "predict-rows", type: "submit" }, "Predict all")), answer);
}

function table(text, download) {
  const [names = [], ...rows] = records(text);
  const cell = (v) => h("td", { class: v !== "" && Number.isFinite(Number(v)) ? "n" : null, title: v }, v !== "" && Number.isFinite(Number(v)) ? figure(Number(v)) : v);
  const more = rows.length > SHOWN ? `, the first ${SHOWN} are shown` : "";
  return [
    h("p", { class: "acts" }, h("span", { class: "soft" }, many(rows.length, "answer") + more), download),
    h("div", { class: "wide-table" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", {}, "row"), names.map((n) => h("th", {}, n)))), h("tbody", {}, rows.slice(0, SHOWN).map((r, i) => h("tr", {}, h("td", { class: "n soft" }, i + 1), r.map(cell)))))),
  ];
}

/** CSV text as lists of cells. */
function records(text) {
  const out = [];
  let row = [];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    if (end === "" && row.length === 0 && quoted === undefined && plain === "") break;
    row.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === ",") continue;
    out.push(row);
    row = [];
  }
  return out;
}

function report(overview, name, shell) {
  if (!overview.reports.includes(name) || !shell.can("admin")) return [];
  const at = `/studio/reports/${encodeURIComponent(name)}/report.html`;
  return [h("h2", {}, "Report"), h("iframe", { class: "report", src: at, sandbox: "", title: `Report of ${name}`, referrerpolicy: "no-referrer" })];
}
