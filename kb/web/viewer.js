// A document's text in a dialog, at the place that was cited.

import { getJson } from "/static/client.js";
import { markedText } from "/static/sources.js";
import { make, text, worded } from "/static/texts.js";

// Characters shown before and after the place; all of a book would make the page slow.
const AROUND = 15_000;

export async function showDocument(documentId, kb, spans = []) {
  try {
    fill(await getJson(`/documents/${encodeURIComponent(documentId)}`, { kb }), spans);
  } catch (error) {
    window.dispatchEvent(new CustomEvent("kb-problem", { detail: error }));
  }
}

function fill(found, spans) {
  const dialog = document.getElementById("document");
  const body = document.getElementById("document-text");
  const characters = [...found.text];
  const place = spans.length ? Math.min(...spans.map(([start]) => start)) : 0;
  const from = Math.max(0, place - AROUND);
  const to = Math.min(characters.length, place + AROUND);
  document.getElementById("document-title").textContent = found.title;
  document.getElementById("document-note").textContent = found.pages.length
    ? text("document_note", { pages: found.pages.length, characters: characters.length.toLocaleString() })
    : text("document_note_plain", { characters: characters.length.toLocaleString() });
  body.replaceChildren(
    from > 0 ? worded("p", "left_out", { n: from.toLocaleString() }, { class: "quiet" }) : "",
    make("div", { class: "prose" }, ...markedText(characters.slice(from, to), from, spans)),
    to < characters.length ? worded("p", "left_out", { n: (characters.length - to).toLocaleString() }, { class: "quiet" }) : "");
  if (!dialog.open) dialog.showModal();
  body.scrollTop = 0;
  body.querySelector("mark")?.scrollIntoView({ block: "center" });
  body.focus({ preventScroll: true });
}

document.querySelector("#document .close").addEventListener("click", () => document.getElementById("document").close());
