// What an answer rests on: one card for each number, the quoted spans marked in their passage.

import { download, fileName } from "/static/client.js";
import { showDocument } from "/static/viewer.js";
import { make, worded } from "/static/texts.js";

// Offsets of the service count code points; those of JavaScript strings count UTF-16 units.
export function markedText(characters, offset, spans) {
  const nodes = [];
  let at = 0;
  for (const [start, end] of merged(spans)) {
    const from = Math.max(start - offset, at);
    const to = Math.min(end - offset, characters.length);
    if (to <= from) continue;
    nodes.push(characters.slice(at, from).join(""), make("mark", {}, characters.slice(from, to).join("")));
    at = to;
  }
  nodes.push(characters.slice(at).join(""));
  return nodes;
}

function merged(spans) {
  const result = [];
  for (const [start, end] of [...spans].sort((a, b) => a[0] - b[0])) {
    const last = result.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else result.push([start, end]);
  }
  return result;
}

export function sourceCards(answer, prefix) {
  const groups = new Map();
  for (const citation of answer.citations) {
    if (!groups.has(citation.n)) groups.set(citation.n, []);
    groups.get(citation.n).push(citation);
  }
  return [...groups.entries()].sort((a, b) => a[0] - b[0]).map(([n, citations]) => card(n, citations, answer, prefix));
}

function card(n, citations, answer, prefix) {
  const first = citations[0];
  const spans = citations.map((citation) => [citation.start, citation.end]);
  return make("article", { class: "source", id: `${prefix}-${n}`, tabindex: "-1" },
    head(String(n), first),
    ...passages(citations, answer.hits),
    citations.every((citation) => citation.supported) ? "" : worded("p", "unsupported", {}, { class: "unsupported" }),
    actions(first, answer.kb, spans));
}

// Each quote within the passage that was found, or by itself where it lies beside it.
function passages(citations, hits) {
  const found = new Map();
  for (const citation of citations) {
    const hit = hits.find((one) => one.document_id === citation.document_id
      && one.start <= citation.start && citation.end <= one.end);
    const place = hit ?? { start: citation.start, text: citation.quote };
    const key = hit ? hit.chunk_id : `${citation.start}-${citation.end}`;
    if (!found.has(key)) found.set(key, { place, spans: [] });
    found.get(key).spans.push([citation.start, citation.end]);
  }
  return [...found.values()].map(({ place, spans }) =>
    make("blockquote", {}, ...markedText([...place.text], place.start, spans)));
}

function head(label, place) {
  return make("header", {},
    label ? make("span", { class: "n", "aria-hidden": "true" }, label) : "",
    make("div", {},
      make("strong", { title: place.uri }, place.title || fileName(place.uri)),
      place.heading ? make("span", { class: "path" }, place.heading) : ""),
    place.page === null ? "" : worded("span", "page", { n: place.page }, { class: "badge" }));
}

function actions(place, kb, spans) {
  return make("p", { class: "actions" },
    worded("button", "show", {}, { type: "button", class: "plain", onclick: () => showDocument(place.document_id, kb, spans) }),
    worded("button", "original", {}, {
      type: "button", class: "plain",
      onclick: () => download(place.document_id, kb, fileName(place.uri)).catch((error) => window.dispatchEvent(new CustomEvent("kb-problem", { detail: error }))),
    }));
}

export function foundPassages(hits, kb, name) {
  if (!hits.length) return "";
  return make("details", { class: "found" },
    worded("summary", name, { n: hits.length }),
    ...hits.map((hit) => make("article", { class: "source" },
      head("", hit),
      make("blockquote", {}, hit.text),
      actions(hit, kb, [[hit.start, hit.end]]))));
}
