// A graph as a picture that lives while it runs, its threads, and what they ask of a person.

import { every } from "../lib/api.js";
import { empty, fault, h, put, putIfNew, tag } from "../lib/dom.js";
import { brief, figure, moment, pretty } from "../lib/format.js";
import { graphView } from "../lib/graphview.js";
import { form } from "../lib/schema.js";
import * as agents from "../lib/threads.js";

const PAGE = 20;
// A run that was asked for on another view of this page: thread, and what to send.
let pending = null;

const TONE = { idle: "", busy: "live", interrupted: "warn", error: "bad" };
const WORD = { idle: "done", busy: "running", interrupted: "waits for you", error: "failed" };

export async function show(main, parts, signal, shell) {
  const head = h("header", { class: "head" }, h("h1", {}, "Graphs"));
  const overview = await shell.overview(signal);
  if (!overview.threads) return put(main, head, empty("This server has no graphs."));
  const all = await agents.assistants(signal);
  if (all.length === 0) return put(main, head, empty("This server has no graphs.", "A project names them in its lyceum.yaml."));
  const wanted = parts[0];
  const assistant = all.find((a) => a.graph_id === wanted || a.assistant_id === wanted) ?? all[0];
  const graph = assistant.graph_id;
  const choice = all.length > 1 ? h("ul", { class: "names" }, all.map((a) => h("li", {}, h("a", { href: `#/graphs/${encodeURIComponent(a.graph_id)}`, "aria-current": a === assistant ? "true" : null }, a.name || a.graph_id)))) : null;
  put(head, h("h1", {}, assistant.name || graph), h("span", { class: "soft" }, assistant.description ?? ""));
  const [drawing, schemas] = await Promise.all([agents.graphOf(assistant.assistant_id, signal), agents.schemasOf(assistant.assistant_id, signal)]);
  const page = {
    signal,
    shell,
    graph,
    assistant: assistant.assistant_id,
    thread: parts[1] ?? null,
    view: graphView(drawing),
    states: new Map(),
    asks: h("div", { id: "asks", "aria-live": "polite" }),
    values: h("section", { id: "values" }),
    trouble: h("div", { "aria-live": "assertive" }),
    status: h("span", { id: "status" }),
  };
  page.view.mark(page.states);
  const right = h("aside", {}, starter(page, schemas), threads(page));
  put(main, head, choice, page.asks, page.trouble, h("div", { class: "graph-body" }, h("div", {}, h("div", { class: "canvas" }, page.view.node), page.values), right));
  if (page.thread) {
    head.append(page.status);
    await follow(page);
  } else put(page.values, h("p", { class: "soft" }, "Start a run, or choose a thread, to see it here."));
}

function starter(page, schemas) {
  const fields = form(schemas?.input_schema, { id: "input" });
  const said = h("div");
  const start = async (e) => {
    e.preventDefault();
    try {
      const input = fields.value();
      const made = await agents.newThread(page.graph, page.signal);
      pending = { thread: made.thread_id, what: { input } };
      page.shell.go(`#/graphs/${encodeURIComponent(page.graph)}/${made.thread_id}`);
    } catch (error) {
      if (error.name !== "AbortError") put(said, fault(error));
    }
  };
  return h("form", { class: "card form", onsubmit: start, novalidate: true }, h("h3", {}, "New run"), fields.node, said, h("button", { class: "main", id: "start", type: "submit" }, "Start"));
}

function threads(page) {
  const list = h("div", { class: "threads" });
  const more = h("button", { type: "button", class: "quiet", hidden: true, onclick: () => turn(PAGE) }, "Older");
  const back = h("button", { type: "button", class: "quiet", hidden: true, onclick: () => turn(-PAGE) }, "Newer");
  let offset = 0;
  function turn(by) {
    offset = Math.max(0, offset + by);
    look();
  }
  async function look() {
    const found = await agents.threadsOf(page.graph, offset, PAGE, page.signal);
    const own = found.filter((t) => (t.metadata?.graph_id ?? page.graph) === page.graph);
    more.hidden = found.length < PAGE;
    back.hidden = offset === 0;
    putIfNew(list, [own, page.thread], () =>
      own.length === 0
        ? h("p", { class: "soft" }, "none yet")
        : own.map((t) =>
            h(
              "a",
              { href: `#/graphs/${encodeURIComponent(page.graph)}/${t.thread_id}`, "aria-current": t.thread_id === page.thread ? "true" : null },
              h("span", { class: "id mono" }, t.thread_id),
              tag(WORD[t.status] ?? t.status, TONE[t.status]),
              h("span", { class: "soft" }, moment(t.updated_at)),
            ),
          ),
    );
  }
  page.lookAtThreads = look;
  every(4000, look, page.signal);
  return h("section", {}, h("h2", {}, "Threads"), list, h("div", { class: "pager" }, back, more));
}

/** Shows a thread: what is pending or runs, live; then how it stands. */
async function follow(page) {
  const asked = pending?.thread === page.thread ? pending.what : null;
  pending = null;
  if (asked) await stream(page, agents.run(page.thread, page.assistant, asked, page.signal));
  for (;;) {
    const thread = await agents.thread(page.thread, page.signal);
    if (thread.status !== "busy") return stand(page, thread);
    await stand(page, thread);
    await stream(page, agents.watch(page.thread, page.signal));
  }
}

async function stream(page, told) {
  put(page.asks);
  put(page.trouble);
  put(page.status, tag(WORD.busy, TONE.busy));
  page.states.set("__start__", "done");
  page.states.delete("__end__");
  page.view.mark(page.states);
  try {
    for await (const { event, data, inner } of told) {
      if (inner) continue;
      if (event === "tasks") {
        agents.afterTask(page.states, data);
        page.view.mark(page.states);
      } else if (event === "values") drawValues(page, data);
      else if (event === "error") put(page.trouble, fault(data.message ?? data.error));
      else if (event === "metadata" && data?.status === "run_done") break;
    }
  } catch (e) {
    if (e.name === "AbortError") throw e;
    put(page.trouble, fault(e));
  }
}

/** How a thread stands when nothing runs. */
async function stand(page, thread) {
  const [state, history] = await Promise.all([agents.stateOf(page.thread, page.signal), agents.historyOf(page.thread, page.signal)]);
  page.states = agents.fromHistory(history);
  page.view.mark(page.states);
  put(page.status, tag(WORD[thread.status] ?? thread.status, TONE[thread.status]));
  drawValues(page, state.values);
  put(page.asks);
  if (thread.status === "interrupted") page.asks.append(...agents.questions(state).map((q, _, all) => question(page, q, all.length > 1)));
  if (thread.status === "error") put(page.trouble, failed(page, thread, state));
  page.lookAtThreads?.();
  page.shell.waiting(page.signal).catch(() => {});
}

function again(page, what) {
  pending = { thread: page.thread, what };
  follow(page).catch((e) => {
    if (e.name !== "AbortError") put(page.trouble, fault(e));
  });
}

/** A question, with what can be answered to it. */
function question(page, asked, several) {
  const schema = asked.response_schema ?? {};
  const value = asked.value;
  const text = typeof value === "string" ? value : (value?.question ?? value?.message ?? value?.prompt ?? null);
  const rest = typeof value === "object" && value !== null ? value : null;
  const answer = (given) => again(page, { command: { resume: several ? { [asked.id]: given } : given } });
  const yesNo = schema.type === undefined || schema.type === "boolean";
  const free = schema.type === undefined || schema.type === "string";
  const words = schema.enum ?? value?.options ?? null;
  const field = h("input", { type: "text", "aria-label": "Answer", placeholder: "Answer in words", class: "reply" });
  return h(
    "section",
    { class: "question", "aria-label": "A question for you" },
    h("h3", {}, "Waiting for you"),
    text === null ? null : h("p", {}, String(text)),
    rest ? details(rest, text) : null,
    h(
      "div",
      { class: "acts" },
      Array.isArray(words)
        ? words.map((w) => h("button", { type: "button", onclick: () => answer(w) }, String(w)))
        : yesNo
          ? [h("button", { type: "button", class: "main approve", onclick: () => answer(true) }, "Approve"), h("button", { type: "button", class: "deny", onclick: () => answer(false) }, "Deny")]
          : null,
    ),
    free && !Array.isArray(words)
      ? h(
          "form",
          {
            onsubmit: (e) => {
              e.preventDefault();
              if (field.value) answer(field.value);
            },
          },
          field,
          h("button", { type: "submit" }, "Answer"),
        )
      : null,
  );
}

/** What a question tells beside its words. */
function details(value, text) {
  const rest = Object.entries(value).filter(([k, v]) => v !== text && k !== "options");
  if (rest.length === 0) return null;
  if (rest.some(([, v]) => v !== null && typeof v === "object")) return h("pre", { class: "value" }, pretty(Object.fromEntries(rest)));
  return h("dl", { class: "facts" }, rest.map(([k, v]) => [h("dt", {}, k), h("dd", { title: typeof v === "number" ? String(v) : null }, figure(v))]));
}

function failed(page, thread, state) {
  const of = (state.tasks ?? []).find((t) => t.error);
  const said = thread.error ?? of?.error;
  const text = typeof said === "string" ? said : (said?.message ?? brief(said ?? "it failed", 400));
  return h("div", { class: "question failed" }, h("h3", {}, of ? `${of.name} failed` : "This thread failed"), h("p", { class: "fault" }, text), h("div", { class: "acts" }, h("button", { type: "button", class: "main", id: "continue", onclick: () => again(page, { input: null }) }, "Continue")));
}

function drawValues(page, values) {
  putIfNew(page.values, values, () => [h("h2", {}, "State"), values === null || values === undefined ? h("p", { class: "soft" }, "nothing yet") : h("pre", { class: "value", tabindex: "0" }, cut(pretty(values)))]);
}

const cut = (text) => (text.length > 60000 ? `${text.slice(0, 60000)}\n… cut: ${text.length} characters in all` : text);
