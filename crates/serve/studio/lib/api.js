// Talking with the server this page came from: JSON, streams of events, the session's token.

let csrf = null;

/** What the server said instead of an answer. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Keeps the token that goes with whatever changes something. */
export function useSession(session) {
  csrf = session?.csrf ?? null;
}

/** A response that is fine, or an error with the server's words. `body` is sent as JSON, `text` as it is. */
export async function request(path, { method = "GET", body, text, type, accept = "application/json", signal } = {}) {
  const headers = { accept };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (text !== undefined) headers["content-type"] = type;
  if (csrf && method !== "GET") headers["x-lyceum-csrf"] = csrf;
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      signal,
      credentials: "same-origin",
      body: body === undefined ? text : JSON.stringify(body),
    });
  } catch (e) {
    if (e.name === "AbortError") throw e;
    throw new Refused(0, "the server does not answer");
  }
  if (response.ok) return response;
  if (response.status === 401 && path !== "/studio/api/login") window.dispatchEvent(new Event("lyceum-signed-out"));
  throw new Refused(response.status, await words(response));
}

async function words(response) {
  const text = await response.text().catch(() => "");
  try {
    const told = JSON.parse(text);
    return String(told.error?.message ?? told.detail ?? told.error ?? text);
  } catch {
    return text || `status ${response.status}`;
  }
}

/** The JSON of a response. */
export async function json(path, options) {
  const response = await request(path, options);
  return response.status === 204 ? null : response.json();
}

/** POST of JSON, for JSON. */
export const post = (path, body, signal) => json(path, { method: "POST", body, signal });

/** The server-sent events of a response: `{ event, data, id }`, data as text. */
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      const frames = rest.split(/\r?\n\r?\n/);
      rest = frames.pop();
      for (const frame of frames) {
        const event = { event: "message", data: "", id: null };
        const data = [];
        for (const line of frame.split(/\r?\n/)) {
          if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
          else if (line.startsWith("event:")) event.event = line.slice(6).trim();
          else if (line.startsWith("id:")) event.id = line.slice(3).trim();
        }
        event.data = data.join("\n");
        if (data.length) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Calls now and every so often until the signal; never twice at once, and not while nobody looks. */
export function every(milliseconds, work, signal) {
  let timer = null;
  const turn = async () => {
    if (signal.aborted) return;
    if (!document.hidden) {
      try {
        await work();
      } catch (e) {
        if (e.name === "AbortError") return;
      }
    }
    if (!signal.aborted) timer = setTimeout(turn, milliseconds);
  };
  signal.addEventListener("abort", () => clearTimeout(timer));
  turn();
}
