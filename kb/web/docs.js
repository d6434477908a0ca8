// Shows the OpenAPI description of the service, without anything from elsewhere.

import { make } from "/static/texts.js";

export async function showApi(container, load) {
  if (container.childElementCount) return;
  const api = await load();
  const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })));
  const blocks = paragraphs(api.info.description);
  container.replaceChildren(
    make("h1", {}, `${api.info.title} ${api.info.version}`),
    ...blocks.filter((block) => block.tagName === "P"),
    make("p", {}, make("a", { href: "/openapi.json" }, "openapi.json")),
    make("h2", {}, "Operations"),
    ...operations.map((one) => operationOf(one, api)),
    make("h2", {}, "Error codes"),
    ...blocks.filter((block) => block.tagName !== "P"));
}

function operationOf({ path, method, operation }, api) {
  const body = operation.requestBody?.content ?? {};
  return make("details", { class: "operation" },
    make("summary", {},
      make("span", { class: `method ${method}` }, method.toUpperCase()),
      make("code", {}, path),
      make("span", { class: "quiet" }, operation.summary ?? "")),
    ...paragraphs(operation.description ?? ""),
    parameterTable(operation.parameters ?? []),
    ...Object.entries(body).map(([type, one]) => schemaBlock(`Request, ${type}`, one.schema, api)),
    ...Object.entries(operation.responses ?? {}).flatMap(([status, response]) =>
      Object.entries(response.content ?? {}).map(([type, one]) => schemaBlock(`${status}, ${type}`, one.schema, api))));
}

function parameterTable(parameters) {
  if (!parameters.length) return "";
  return make("table", {},
    make("thead", {}, make("tr", {}, ...["Parameter", "In", "Type", ""].map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...parameters.map((one) => make("tr", {},
      make("td", {}, make("code", {}, one.name)), make("td", {}, one.in),
      make("td", {}, shape(one.schema)), make("td", {}, one.description ?? "")))));
}

function schemaBlock(title, schema, api) {
  const name = schema?.$ref?.split("/").pop();
  const resolved = name ? api.components.schemas[name] : schema;
  const fields = Object.entries(resolved?.properties ?? {});
  return make("div", { class: "schema" },
    make("h3", {}, name ? `${title}: ${name}` : title),
    fields.length
      ? make("table", {}, make("tbody", {}, ...fields.map(([field, one]) => make("tr", {},
        make("td", {}, make("code", {}, field), resolved.required?.includes(field) ? " *" : ""),
        make("td", {}, shape(one)), make("td", {}, one.description ?? "")))))
      : make("p", { class: "quiet" }, shape(resolved ?? {})));
}

function shape(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(shape).join(" or ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" or ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return `list of ${shape(schema.items ?? {})}`;
  return schema.type ?? "anything";
}

// The little of Markdown that the descriptions use: paragraphs, tables, `code`.
function paragraphs(description) {
  return description.trim().split(/\n\s*\n/).filter(Boolean).map((block) => {
    const lines = block.split("\n");
    if (!lines[0].startsWith("|")) return make("p", {}, ...inline(lines.join(" ")));
    const cells = lines.filter((line) => !/^[|\s-]+$/.test(line)).map((line) => line.split("|").slice(1, -1));
    return make("table", {},
      make("thead", {}, make("tr", {}, ...cells[0].map((cell) => make("th", { scope: "col" }, cell.trim())))),
      make("tbody", {}, ...cells.slice(1).map((row) => make("tr", {}, ...row.map((cell) => make("td", {}, ...inline(cell.trim())))))));
  });
}

function inline(line) {
  return line.split("`").map((part, index) => (index % 2 ? make("code", {}, part) : part));
}

const page = document.getElementById("api-page");
if (page) await showApi(page, async () => (await fetch("/openapi.json")).json());
