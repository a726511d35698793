// Signing in with an API key. The key leaves the page at once and is kept nowhere in it.

import { post } from "../lib/api.js";
import { h, put } from "../lib/dom.js";

export function login(root, done) {
  const key = h("input", { id: "key", type: "password", autocomplete: "current-password", spellcheck: "false", required: true });
  const said = h("p", { class: "fault", role: "alert", hidden: true });
  const button = h("button", { class: "main", type: "submit" }, "Sign in");
  const form = h(
    "form",
    { class: "login", onsubmit: send },
    h("h1", {}, "Lyceum"),
    h("p", { class: "soft" }, "This server has API keys. Sign in with one of them."),
    h("label", { for: "key" }, "API key"),
    key,
    said,
    button,
    h("p", { class: "soft small" }, "Make one with ", h("code", {}, "lyceum keys create NAME"), "; traces need the scope admin."),
  );
  async function send(e) {
    e.preventDefault();
    button.disabled = true;
    said.hidden = true;
    try {
      await post("/studio/api/login", { key: key.value });
      key.value = "";
      await done();
    } catch (error) {
      said.textContent = error.message;
      said.hidden = false;
      button.disabled = false;
      key.select();
    }
  }
  put(root, h("main", { id: "main", class: "door", tabindex: "-1" }, form));
  key.focus();
}
