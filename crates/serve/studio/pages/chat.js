// A conversation with one model, or with two side by side on the same words. It lives in the page alone. What models
// say is shown as text.

import { Refused, events, request } from "../lib/api.js";
import { add, empty, h, put } from "../lib/dom.js";
import { span, three } from "../lib/format.js";

// Outlives the page's comings and goings.
const talk = { turns: [], models: ["", ""], side: false, temperature: 0.7, most: 256, system: "", running: null };

export async function show(main, parts, signal, shell) {
  const overview = await shell.overview(signal);
  const known = speakers(overview);
  if (known.length === 0) {
    put(main, h("header", { class: "head" }, h("h1", {}, "Chat")), empty("No language model is served.", "Start the server with one: lyceum serve MODEL"));
    return;
  }
  const wanted = parts[0] && known.some((k) => k.name === parts[0]) ? parts[0] : null;
  if (wanted) talk.models[0] = wanted;
  if (!known.some((k) => k.name === talk.models[0])) talk.models[0] = known[0].name;
  if (!known.some((k) => k.name === talk.models[1])) talk.models[1] = (known[1] ?? known[0]).name;
  const page = { main, known, log: h("div", { class: "log", "aria-live": "polite", id: "log" }) };
  put(main, controls(page), page.log, composer(page));
  redraw(page);
  signal.addEventListener("abort", () => talk.running?.page === page && (talk.running.page = null));
  if (talk.running) talk.running.page = page;
  page.box.focus();
}

/** Bases and adapters that generate, by the name that requests use. */
function speakers(overview) {
  return overview.models
    .filter((m) => m.kind === "chat")
    .flatMap((m) => [
      { name: m.name, label: m.name, template: m.chat_template, context: m.context_length },
      ...m.adapters.map((a) => ({ name: a.name, label: `${a.name} (on ${m.name})`, template: m.chat_template, context: m.context_length })),
    ]);
}

function controls(page) {
  const choose = (i) =>
    h(
      "select",
      { id: `model-${i}`, "aria-label": i ? "Second model" : "Model", onchange: (e) => (talk.models[i] = e.target.value) },
      page.known.map((k) => h("option", { value: k.name, selected: k.name === talk.models[i] }, k.label)),
    );
  const second = choose(1);
  second.hidden = !talk.side;
  const side = h("button", { type: "button", id: "side", "aria-pressed": String(talk.side), onclick: toggle }, "Side by side");
  function toggle() {
    talk.side = !talk.side;
    side.setAttribute("aria-pressed", String(talk.side));
    second.hidden = !talk.side;
    page.main.classList.toggle("side", talk.side);
  }
  page.main.classList.toggle("side", talk.side);
  const number = (id, name, unit, value, more, keep) =>
    h("label", { class: "inline" }, name, h("input", { id, type: "number", value, ...more, onchange: (e) => keep(e.target) }), unit);
  return h(
    "header",
    { class: "head bar" },
    h("h1", {}, "Chat"),
    choose(0),
    second,
    side,
    h("button", { type: "button", class: "quiet", id: "new", onclick: () => fresh(page) }, "New"),
    h(
      "div",
      { class: "settings" },
      number("temperature", "Temperature", "", talk.temperature, { min: 0, max: 2, step: 0.1 }, (t) => (talk.temperature = within(t, 0, 2, talk.temperature))),
      number("most", "At most", "tokens", talk.most, { min: 1, max: 100000, step: 1 }, (t) => (talk.most = Math.round(within(t, 1, 100000, talk.most)))),
      h(
        "details",
        { class: "system" },
        h("summary", {}, "System prompt"),
        h("textarea", { id: "system", rows: 2, "aria-label": "System prompt", value: talk.system, onchange: (e) => (talk.system = e.target.value) }),
      ),
    ),
  );
}

/** The number in a field, held to its bounds; what was before when it is none. */
function within(field, low, high, before) {
  const n = Number(field.value);
  const good = field.value.trim() !== "" && Number.isFinite(n) ? Math.min(high, Math.max(low, n)) : before;
  field.value = String(good);
  return good;
}

function fresh(page) {
  stop();
  talk.turns = [];
  redraw(page);
  page.box.focus();
}

function composer(page) {
  page.box = h("textarea", { id: "prompt", rows: 1, "aria-label": "Your message", placeholder: "Write something", onkeydown: keys, oninput: grow });
  page.send = h("button", { class: "main", id: "send", type: "submit" }, "Send");
  const form = h("form", { class: "composer", onsubmit: submit }, page.box, page.send, h("p", { class: "soft small" }, "Enter sends, Shift+Enter begins a line, Esc stops"));
  function grow() {
    page.box.style.height = "auto";
    page.box.style.height = `${Math.min(page.box.scrollHeight + 2, 220)}px`;
  }
  function keys(e) {
    if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
      e.preventDefault();
      submit(e);
    } else if (e.key === "Escape") stop();
  }
  function submit(e) {
    e.preventDefault();
    if (talk.running) return stop();
    const text = page.box.value;
    if (!text.trim()) return;
    page.box.value = "";
    grow();
    ask(page, text);
  }
  return form;
}

function stop() {
  talk.running?.control.abort();
}

async function ask(page, text) {
  const names = talk.side ? talk.models : [talk.models[0]];
  const turn = { text, answers: names.map((name) => ({ name, text: "", state: "waiting" })) };
  talk.turns.push(turn);
  talk.running = { control: new AbortController(), page };
  drawTurn(page, turn);
  settle(page);
  page.log.lastElementChild.scrollIntoView({ block: "end" });
  const past = talk.turns.slice(0, -1);
  await Promise.all(turn.answers.map((answer, i) => speak(answer, i, past, text, page.known)));
  const at = talk.running?.page;
  talk.running = null;
  if (at) settle(at);
}

function settle(page) {
  page.send.textContent = talk.running ? "Stop" : "Send";
  page.send.classList.toggle("stop", Boolean(talk.running));
}

/** The conversation as this side has seen it: a turn that this model did not answer gives the other's answer. */
function messages(past, i, text) {
  const all = talk.system.trim() ? [{ role: "system", content: talk.system }] : [];
  for (const turn of past) {
    const answer = turn.answers[i] ?? turn.answers[0];
    if (answer.state === "failed") continue;
    all.push({ role: "user", content: turn.text }, { role: "assistant", content: answer.text });
  }
  return [...all, { role: "user", content: text }];
}

async function speak(answer, i, past, text, known) {
  const speaker = known.find((k) => k.name === answer.name);
  const chat = speaker?.template !== false;
  const common = { model: answer.name, stream: true, stream_options: { include_usage: true }, temperature: talk.temperature, max_tokens: talk.most };
  const asked = chat ? { ...common, messages: messages(past, i, text) } : { ...common, prompt: text };
  const began = performance.now();
  let first = null;
  try {
    const path = chat ? "/v1/chat/completions" : "/v1/completions";
    const response = await request(path, { method: "POST", body: asked, signal: talk.running.control.signal });
    for await (const { data } of events(response)) {
      if (data === "[DONE]") break;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Refused(500, chunk.error.message);
      const choice = chunk.choices?.[0];
      const piece = chat ? choice?.delta?.content : choice?.text;
      if (piece) {
        first ??= performance.now();
        answer.text += piece;
        answer.state = "speaking";
      }
      if (choice?.finish_reason) answer.finish = choice.finish_reason;
      if (chunk.usage) answer.tokens = chunk.usage.completion_tokens;
      answer.seconds = (performance.now() - (first ?? began)) / 1000;
      answer.first = first === null ? null : (first - began) / 1000;
      answer.draw?.();
    }
    answer.state = "done";
  } catch (e) {
    answer.state = e.name === "AbortError" ? "stopped" : "failed";
    answer.error = e.name === "AbortError" ? null : e.message;
  }
  answer.draw?.();
}

function redraw(page) {
  put(page.log);
  if (talk.turns.length === 0) {
    const plain = page.known.find((k) => k.name === talk.models[0])?.template === false;
    add(page.log, empty("Nothing said yet.", plain ? "This model has no chat template: it continues your text." : "The conversation stays in this page until you leave it or begin anew."));
  }
  for (const turn of talk.turns) drawTurn(page, turn);
  settle(page);
}

function drawTurn(page, turn) {
  page.log.querySelector(".empty")?.remove();
  const answers = turn.answers.map((answer) => {
    const words = h("div", { class: "words" });
    const meta = h("p", { class: "meta soft small" });
    answer.draw = () => {
      const end = page.log.scrollHeight - page.log.scrollTop - page.log.clientHeight < 60;
      words.textContent = answer.text;
      words.classList.toggle("typing", answer.state === "waiting" || answer.state === "speaking");
      put(meta, facts(answer));
      if (end) page.log.scrollTop = page.log.scrollHeight;
    };
    const node = h("article", { class: "answer" }, h("h3", {}, answer.name), words, meta);
    answer.draw();
    return node;
  });
  add(page.log, h("section", { class: "turn" }, h("div", { class: "asked" }, turn.text), h("div", { class: "answers" }, answers)));
}

function facts(a) {
  if (a.state === "failed") return h("span", { class: "fault", role: "alert" }, a.error);
  if (a.state === "waiting") return "reading…";
  const all = [];
  if (a.tokens !== undefined) {
    all.push(`${a.tokens} tokens`);
    if (a.tokens > 1 && a.seconds > 0) all.push(`${three((a.tokens - 1) / a.seconds)} tokens/s`);
  }
  if (Number.isFinite(a.first)) all.push(`first token ${span(a.first)}`);
  if (a.state === "stopped") all.push("stopped");
  else if (a.finish === "length") all.push("cut at the limit");
  return all.join(" · ");
}
