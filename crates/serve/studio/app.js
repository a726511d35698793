// The shell: who is here, where one is, what waits; pages come and go in its middle.

import { every, json, post, useSession } from "./lib/api.js";
import { h, icon, put } from "./lib/dom.js";

const PAGES = [
  { at: "", name: "Home", icon: "home", load: () => import("./pages/home.js") },
  { at: "training", name: "Training", icon: "training", load: () => import("./pages/training.js") },
  { at: "chat", name: "Chat", icon: "chat", load: () => import("./pages/chat.js") },
  { at: "traces", name: "Traces", icon: "traces", load: () => import("./pages/traces.js") },
  { at: "graphs", name: "Graphs", icon: "graphs", load: () => import("./pages/graphs.js") },
  { at: "tables", name: "Tables", icon: "tables", load: () => import("./pages/tables.js") },
];

const root = document.getElementById("app");
const state = { session: null, overview: null, waiting: [], page: null };
// What the page on show asks for, and what the shell asks for.
let life = null;
const everything = new AbortController();

/** What pages see of the shell. */
const shell = {
  state,
  can: (scope) => !state.session?.login || state.session.scopes.some((s) => s === scope || s === "admin"),
  overview: async (signal) => keep(await json("/studio/api/overview", { signal })),
  waiting: lookForWaiting,
  go: (to) => {
    location.hash = to;
  },
};

function keep(overview) {
  state.overview = overview;
  const foot = document.getElementById("about");
  if (foot) foot.textContent = `Version ${overview.version}`;
  const name = document.getElementById("project");
  if (name) name.textContent = overview.name ?? "Studio";
  return overview;
}

/** Threads that wait for a person, for the badge and the home page. */
async function lookForWaiting(signal) {
  if (!state.overview?.threads) return [];
  state.waiting = await post("/agents/threads/search", { status: "interrupted", limit: 100 }, signal);
  for (const badge of document.querySelectorAll(".badge")) {
    badge.hidden = state.waiting.length === 0;
    badge.textContent = String(state.waiting.length);
  }
  return state.waiting;
}

function theme() {
  const order = ["auto", "light", "dark"];
  const names = { auto: "as the system", light: "light", dark: "dark" };
  const now = () => document.documentElement.dataset.theme ?? "auto";
  const button = h("button", { class: "quiet", id: "theme", type: "button", onclick: turn });
  function turn() {
    const next = order[(order.indexOf(now()) + 1) % order.length];
    if (next === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem("lyceum-theme", next);
    } catch {
      // No storage: it holds until the page is left.
    }
    draw();
  }
  function draw() {
    put(button, icon(now()), h("span", {}, "Theme"));
    button.setAttribute("aria-label", `Theme: ${names[now()]}. Change it`);
    button.title = `Theme: ${names[now()]}`;
  }
  draw();
  return button;
}

function frame() {
  const links = PAGES.map((p) => {
    const badge = p.at === "graphs" ? h("span", { class: "badge", hidden: true, "aria-label": "waiting for you" }, "") : null;
    return h("a", { href: `#/${p.at}`, "data-at": p.at }, icon(p.icon), h("span", {}, p.name), badge);
  });
  const leave = state.session?.signed_in
    ? h("button", { class: "quiet", id: "logout", type: "button", onclick: signOut, title: `Signed in with ${state.session.name}` }, icon("out"), h("span", {}, "Sign out"))
    : null;
  put(
    root,
    h(
      "div",
      { class: "shell" },
      h(
        "header",
        { class: "rail" },
        h("a", { class: "mark", href: "#/" }, h("strong", {}, "Lyceum"), h("span", { id: "project" }, state.overview?.name ?? "Studio")),
        h("nav", { "aria-label": "Pages" }, links),
        h("div", { class: "foot" }, theme(), leave, h("p", { id: "about" }, "")),
      ),
      h("main", { id: "main", tabindex: "-1" }),
    ),
  );
}

async function route() {
  if (!document.getElementById("main")) return;
  const parts = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  const page = PAGES.find((p) => p.at === parts[0]) ?? PAGES[0];
  life?.abort();
  life = new AbortController();
  const signal = life.signal;
  for (const link of document.querySelectorAll(".rail nav a")) {
    if (link.dataset.at === page.at) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${page.name} · ${state.overview?.name ?? "Lyceum"}`;
  const main = document.getElementById("main");
  const changed = state.page !== page.at;
  state.page = page.at;
  const { show } = await page.load();
  if (signal.aborted) return;
  main.className = `page ${page.at || "home"}`;
  put(main);
  if (changed) main.scrollTop = 0;
  try {
    await show(main, parts.slice(1), signal, shell);
  } catch (e) {
    if (e.name !== "AbortError") put(main, h("p", { class: "fault", role: "alert" }, e.message));
  }
}

async function signOut() {
  life?.abort();
  everything.abort();
  await post("/studio/api/logout").catch(() => {});
  // Without a change of the hash that the old page would follow.
  history.replaceState(null, "", "#/");
  location.reload();
}

async function start() {
  state.session = await json("/studio/api/session");
  useSession(state.session);
  if (state.session.login && !state.session.signed_in) {
    const { login } = await import("./pages/login.js");
    return login(root, start);
  }
  await shell.overview();
  frame();
  keep(state.overview);
  every(5000, () => lookForWaiting(everything.signal), everything.signal);
  await route();
}

document.getElementById("skip").addEventListener("click", (e) => {
  e.preventDefault();
  document.getElementById("main")?.focus();
});
window.addEventListener("hashchange", () => route());
window.addEventListener("lyceum-signed-out", () => {
  if (document.getElementById("main")) location.reload();
});
start().catch((e) => put(root, h("p", { class: "fault plain", role: "alert" }, e.message)));
