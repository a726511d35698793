// A form from a JSON Schema of an object: a field for each property; whatever is not a plain word, number or yes/no is
// written as JSON.

import { h } from "./dom.js";

/** `{ node, value() }`: `value` throws an error that names the field. Without properties it is one field of JSON. */
export function form(schema, { start, id = "in" } = {}) {
  const properties = Object.entries(schema?.properties ?? {});
  if (properties.length === 0) {
    const text = start === undefined ? "{}" : JSON.stringify(start, null, 2);
    const area = h("textarea", { id: `${id}-json`, rows: 4, class: "mono", spellcheck: "false", value: text });
    return {
      node: h("div", { class: "field" }, h("label", { for: `${id}-json` }, "Input as JSON"), area),
      value: () => parse(area.value, "input"),
    };
  }
  const required = new Set(schema.required ?? []);
  // Where everything may be left out, nothing says so.
  const free = properties.every(([name, of]) => !required.has(name) || types(of ?? {}).includes("null"));
  const fields = properties.map(([name, of]) => field(name, of ?? {}, { needed: required.has(name), free }, id, start?.[name]));
  return {
    node: fields.map((f) => f.node),
    value: () => {
      const out = {};
      for (const f of fields) {
        const v = f.value();
        if (v !== undefined) out[f.name] = v;
      }
      return out;
    },
  };
}

function parse(text, name) {
  try {
    return JSON.parse(text);
  } catch (e) {
    throw new Error(`${name}: ${e.message}`);
  }
}

const types = (of) => [of.type ?? (of.anyOf ?? of.oneOf ?? []).map((o) => o.type)].flat().filter(Boolean);

/** The type that a field is written as: the first that is not null. One that takes a text beside yes and no is a text. */
function type(of) {
  const all = types(of).filter((t) => t !== "null");
  if (all.includes("object") || all.includes("array")) return all.length === 1 ? all[0] : null;
  return all[0] === "boolean" && all.includes("string") ? "string" : (all[0] ?? null);
}

function field(name, of, { needed, free }, id, start) {
  const empty = types(of).includes("null");
  const required = needed && !empty;
  const made = input(name, of, required, id, start, free);
  const value = () => {
    const v = made.value();
    return v === undefined && needed && empty ? null : v;
  };
  return { ...made, value };
}

function input(name, of, required, id, start, free) {
  const key = `${id}-${name}`;
  const label = h("label", { for: key }, h("b", {}, of.title ?? name), ` ${type(of) ?? "JSON"}${required || free ? "" : ", optional"}`);
  const before = start ?? of.default;
  const kind = type(of);
  const words = Array.isArray(of.enum) ? of.enum : kind === "boolean" ? [true, false] : null;
  if (words) {
    const box = h("select", { id: key }, required ? null : h("option", { value: "" }, "–"), words.map((v, i) => h("option", { value: String(i + 1), selected: v === before }, String(v))));
    return { name, node: h("div", { class: "field" }, label, box), value: () => (box.value ? words[Number(box.value) - 1] : undefined) };
  }
  if (kind === "number" || kind === "integer") {
    const box = h("input", { id: key, type: "number", step: kind === "integer" ? "1" : "any", value: before ?? "" });
    const value = () => {
      if (box.value !== "") return Number(box.value);
      if (required) throw new Error(`${name}: a number is needed`);
      return undefined;
    };
    return { name, node: h("div", { class: "field" }, label, box), value };
  }
  if (kind === "string") {
    const box = h("input", { id: key, type: "text", value: before ?? "" });
    return { name, node: h("div", { class: "field" }, label, box), value: () => (box.value === "" && !required ? undefined : box.value) };
  }
  const box = h("textarea", { id: key, rows: 3, class: "mono", spellcheck: "false", value: before === undefined ? "" : JSON.stringify(before, null, 2) });
  const value = () => {
    if (box.value.trim() !== "") return parse(box.value, name);
    if (required) throw new Error(`${name}: JSON is needed`);
    return undefined;
  };
  return { name, node: h("div", { class: "field" }, label, box), value };
}
