// Elements from a tag, properties and children. Children are elements or text, never markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, props, children) {
  for (const [key, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked" || key === "disabled" || key === "hidden") node[key] = value;
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  add(node, children);
  return node;
}

/** Appends children: elements, text, numbers, lists; nothing for null and false. */
export function add(node, children) {
  for (const child of [children].flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

/** An HTML element. */
export const h = (tag, props, ...children) => fill(document.createElement(tag), props, children);

/** An SVG element. */
export const s = (tag, props, ...children) => fill(document.createElementNS(SVG, tag), props, children);

/** Puts these children in place of what is there. */
export function put(node, ...children) {
  node.replaceChildren();
  add(node, children);
  return node;
}

/** As `put`, but leaves everything alone while `key` stays the same: focus and hover survive a poll. */
export function putIfNew(node, key, make) {
  const text = JSON.stringify(key);
  if (node.lyceumKey === text) return false;
  node.lyceumKey = text;
  put(node, make());
  return true;
}

const PATHS = {
  home: "M3.5 9.2 10 4l6.5 5.2M5.5 8v8h9V8M8.5 16v-4.5h3V16",
  training: "M3.5 4v12.5h13M6 7c1.2 4.8 3.8 6.6 10 7",
  chat: "M4 5h12v8.5H9.5L6 16.5v-3H4Z",
  traces: "M4 5h8M6.5 10h9M6.5 15H13M4 10h.01M4 15h.01",
  graphs: "M5.5 7.5a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM14.5 12a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM5.5 16.5a2 2 0 1 0 0-4 2 2 0 0 0 0 4ZM7.3 6.4l5.4 2.7M7.3 13.6l5.4-2.7",
  tables: "M3.5 4.5h13v11h-13ZM3.5 8.2h13M3.5 11.8h13M8 4.5v11",
  light: "M10 13.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM10 2.5v1.5M10 16v1.5M2.5 10H4M16 10h1.5M4.7 4.7l1 1M14.3 14.3l1 1M15.3 4.7l-1 1M5.7 14.3l-1 1",
  dark: "M16 11.6A6.5 6.5 0 0 1 8.4 4a6.5 6.5 0 1 0 7.6 7.6Z",
  auto: "M10 16.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13ZM10 3.5v13",
  out: "M8 4H4.5v12H8M12 6.5 15.5 10 12 13.5M15 10H8",
  bell: "M6 13.5V9a4 4 0 0 1 8 0v4.5l1.5 1.5h-11ZM8.5 17h3",
};

/** A line icon; decoration only. */
export const icon = (name) =>
  s("svg", { class: "icon", viewBox: "0 0 20 20", "aria-hidden": "true" }, s("path", { d: PATHS[name] ?? "" }));

/** A word for a state, with its colour. */
export const tag = (text, tone) => h("span", { class: `tag ${tone ?? ""}` }, text);

/** What stands where there is nothing yet. */
export const empty = (title, ...more) => h("div", { class: "empty" }, h("p", {}, title), ...more.map((m) => h("p", { class: "soft" }, m)));

/** What went wrong, told in place. */
export const fault = (e) => h("p", { class: "fault", role: "alert" }, e?.message ?? String(e));
