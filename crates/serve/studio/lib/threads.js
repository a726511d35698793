// Threads of the agent server, and what its runs tell as they go.

import { events, json, post, request } from "./api.js";

const AT = "/agents";
const MODES = ["tasks", "updates", "values"];

export const assistants = (signal) => post(`${AT}/assistants/search`, { limit: 200, offset: 0 }, signal);
export const graphOf = (id, signal) => json(`${AT}/assistants/${encodeURIComponent(id)}/graph`, { signal });
export const schemasOf = (id, signal) => json(`${AT}/assistants/${encodeURIComponent(id)}/schemas`, { signal });
export const threadsOf = (graph, offset, limit, signal) => post(`${AT}/threads/search`, { metadata: { graph_id: graph }, limit, offset }, signal);
export const thread = (id, signal) => json(`${AT}/threads/${id}`, { signal });
export const stateOf = (id, signal) => json(`${AT}/threads/${id}/state`, { signal });
export const historyOf = (id, signal) => post(`${AT}/threads/${id}/history`, { limit: 100 }, signal);
export const newThread = (graph, signal) => post(`${AT}/threads`, { metadata: { graph_id: graph } }, signal);

/** Starts a run, or takes one up again, and gives its events. It goes on when the page is left. */
export async function* run(threadId, assistant, what, signal) {
  const body = { assistant_id: assistant, ...what, stream_mode: MODES, on_disconnect: "continue" };
  yield* told(await request(`${AT}/threads/${threadId}/runs/stream`, { method: "POST", body, signal }));
}

/** The events of what runs on a thread, until it has ended. Whoever comes too late for the end hears none, so the
 *  thread is looked at now and then, too. */
export async function* watch(threadId, signal) {
  const heard = new AbortController();
  const leave = () => heard.abort();
  signal.addEventListener("abort", leave);
  const timer = setInterval(async () => {
    const now = await thread(threadId, heard.signal).catch(() => null);
    if (now && now.status !== "busy") leave();
  }, 1500);
  try {
    yield* told(await request(`${AT}/threads/${threadId}/stream`, { signal: heard.signal }));
  } catch (e) {
    if (signal.aborted || e.name !== "AbortError") throw e;
  } finally {
    clearInterval(timer);
    signal.removeEventListener("abort", leave);
    leave();
  }
}

async function* told(response) {
  for await (const { event, data } of events(response)) yield { event: event.split("|")[0], data: JSON.parse(data), inner: event.includes("|") };
}

/** What a node's state becomes when a task starts or ends. */
export function afterTask(states, task) {
  const ended = "result" in task || "error" in task || "interrupts" in task;
  let state = "running";
  if (ended) state = task.error ? "failed" : task.interrupts?.length ? "interrupted" : "done";
  states.set(task.name, state);
}

/** States of the nodes as a thread's kept history tells them. History is newest first: what an older state planned has
 *  been done, what the newest plans waits. A later input begins anew. */
export function fromHistory(history) {
  const states = new Map();
  history.toReversed().forEach((kept, i, all) => {
    if (kept.metadata?.source === "input") states.clear();
    for (const task of kept.tasks ?? []) {
      if (i < all.length - 1) states.set(task.name, "done");
      else states.set(task.name, task.error ? "failed" : task.interrupts?.length ? "interrupted" : "waiting");
    }
  });
  if (history.length) states.set("__start__", "done");
  if (history.length && (history[0].next ?? []).length === 0) states.set("__end__", "done");
  return states;
}

/** The questions that a thread's state waits with: `[{ id, value, response_schema }]`. */
export function questions(state) {
  const own = state.interrupts ?? [];
  return own.length ? own : (state.tasks ?? []).flatMap((t) => t.interrupts ?? []);
}
