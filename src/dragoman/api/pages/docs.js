// Shows /api/openapi.json as a page. No library, no network beside this server; all text goes in as text.
"use strict";

const METHODS = ["get", "post", "put", "delete"];
let components = {};

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function typeOf(schema, depth = 0, open = []) {
  if (!schema || Object.keys(schema).length === 0) return "any";
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    if (depth > 3 || open.includes(name)) return name;
    return typeOf(components[name], depth, [...open, name]);
  }
  if (schema.anyOf) return [...new Set(schema.anyOf.map((each) => typeOf(each, depth, open)))].join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.type === "array") return schema.prefixItems
    ? `[${schema.prefixItems.map((each) => typeOf(each, depth, open)).join(", ")}]`
    : `${typeOf(schema.items, depth, open)}[]`;
  if (schema.properties) {
    const pad = "  ".repeat(depth + 1);
    const lines = Object.entries(schema.properties).map(([name, each]) => {
      const mark = (schema.required || []).includes(name) ? "" : "?";
      return `${pad}${name}${mark}: ${typeOf(each, depth + 1, open)}`;
    });
    return `{\n${lines.join("\n")}\n${"  ".repeat(depth)}}`;
  }
  if (schema.additionalProperties) return `{ [name]: ${typeOf(schema.additionalProperties, depth, open)} }`;
  return schema.type || "any";
}

function parameters(operation) {
  if (!operation.parameters?.length) return [];
  const rows = operation.parameters.map((each) =>
    element("tr", {},
      element("td", {}, element("code", { textContent: each.name + (each.required ? "" : "?") })),
      element("td", { textContent: each.in }),
      element("td", {}, element("code", { textContent: typeOf(each.schema) })),
      element("td", { textContent: each.description || "" })));
  const head = element("tr", {}, ...["Name", "In", "Type", ""].map((textContent) => element("th", { textContent })));
  return [element("h3", { textContent: "Parameters" }), element("table", {}, head, ...rows)];
}

function content(title, described) {
  return Object.entries(described?.content || {}).flatMap(([kind, each]) => [
    element("h3", { textContent: `${title} · ${kind}` }),
    element("pre", { tabIndex: 0 }, element("code", { textContent: typeOf(each.schema) })),
  ]);
}

function fill(body, operation) {
  const answers = Object.entries(operation.responses).filter(([status]) => status !== "default");
  body.append(
    element("p", { textContent: operation.description || "" }),
    ...parameters(operation),
    ...content("Body", operation.requestBody),
    ...answers.flatMap(([status, each]) => [
      ...(each.content ? content(`Answer ${status}`, each) : [element("h3", { textContent: `Answer ${status}` })]),
      element("p", { textContent: each.description }),
    ]),
  );
}

function show(path, method, operation) {
  const body = element("div", { className: "body" });
  const summary = element("summary", {},
    element("b", { textContent: method.toUpperCase() }),
    element("code", { textContent: path }),
    element("span", { textContent: (operation.description || "").split("\n")[0] }));
  const details = element("details", { id: operation.operationId }, summary, body);
  details.dataset.text = `${method} ${path} ${operation.operationId} ${operation.description}`.toLowerCase();
  details.addEventListener("toggle", () => { if (details.open && !body.hasChildNodes()) fill(body, operation); });
  return details;
}

function filterBy(text) {
  const words = text.toLowerCase().split(/\s+/);
  for (const details of document.querySelectorAll("details")) {
    details.hidden = !words.every((word) => details.dataset.text.includes(word));
  }
  for (const section of document.querySelectorAll("section")) {
    section.hidden = !section.querySelector("details:not([hidden])");
  }
}

async function start() {
  const main = document.getElementById("operations");
  const reply = await fetch("/api/openapi.json");
  if (!reply.ok) throw new Error(`the server answered ${reply.status}`);
  const spec = await reply.json();
  components = spec.components.schemas;
  document.getElementById("version").textContent = spec.info.version;
  document.getElementById("description").textContent = spec.info.description;
  const operations = Object.entries(spec.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({ path, method, operation: item[method] })));
  main.replaceChildren(...spec.tags.map((tag) => {
    const own = operations.filter((each) => each.operation.tags.includes(tag.name));
    const section = element("section", {},
      element("h2", { textContent: tag.name }), element("p", { textContent: tag.description }));
    section.append(...own.map((each) => show(each.path, each.method, each.operation)));
    return section;
  }));
  main.removeAttribute("aria-busy");
  document.getElementById("filter").addEventListener("input", (event) => filterBy(event.target.value));
  if (location.hash) document.getElementById(location.hash.slice(1))?.setAttribute("open", "");
}

start().catch((error) => {
  document.getElementById("operations").replaceChildren(
    element("p", { role: "alert", textContent: `The description could not be loaded: ${error.message}. Reload to try again.` }));
});
