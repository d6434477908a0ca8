// The documents view: what is in the knowledge base, uploads and their progress, removal.

import { download, fileName, getJson, remove, upload } from "/static/client.js";
import { showDocument } from "/static/viewer.js";
import { make, text, worded } from "/static/texts.js";

const rows = document.querySelector("#documents tbody");
const status = document.getElementById("status");
const more = document.getElementById("more");
const uploads = document.getElementById("uploads");
const drop = document.getElementById("drop");
const files = document.getElementById("files");

let place;
let next = null;

export function setUpDocuments(given) {
  place = given;
  status.addEventListener("change", () => listDocuments());
  more.addEventListener("click", () => listDocuments(next));
  files.addEventListener("change", () => {
    send([...files.files]);
    files.value = "";
  });
  drop.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    send([...event.dataTransfer.files]);
  });
}

export async function listDocuments(after = null) {
  let found = { documents: [], next: null };
  try {
    found = await getJson("/documents", { kb: place.currentKb(), status: status.value, after, limit: 50 });
  } catch (error) {
    if (error.code !== "not_found") place.onProblem(error);
  }
  if (!after) rows.replaceChildren();
  rows.append(...found.documents.map(row));
  next = found.next;
  more.hidden = !next;
  document.getElementById("documents").hidden = !rows.children.length;
  document.getElementById("no-documents").hidden = Boolean(rows.children.length);
}

function row(one) {
  const kb = place.currentKb();
  const title = one.title || fileName(one.uri);
  const state = worded("span", one.status === "failed" ? "status_failed" : "status_ready", {}, { class: `badge ${one.status}` });
  const readable = one.chunks > 0;
  return make("tr", {},
    make("td", { class: "title" },
      readable ? make("button", { type: "button", class: "link", onclick: () => showDocument(one.document_id, kb) }, title) : make("span", {}, title),
      make("span", { class: "path" }, readableUri(one.uri)),
      one.error ? make("span", { class: "problem" }, one.error) : ""),
    make("td", {}, state),
    make("td", { class: "number" }, one.pages ? String(one.pages) : "–"),
    make("td", { class: "number" }, String(one.chunks)),
    make("td", { class: "number" }, one.version_added ? String(one.version_added) : "–"),
    make("td", { class: "actions" },
      readable ? worded("button", "original", {}, { type: "button", class: "plain", onclick: () => download(one.document_id, kb, fileName(one.uri)).catch(place.onProblem) }) : "",
      worded("button", "remove", {}, { type: "button", class: "plain danger", onclick: () => removeDocument(one, title, kb) })));
}

function readableUri(uri) {
  try {
    return decodeURI(uri).replace(/^file:\/\//, "");
  } catch {
    return uri;
  }
}

async function removeDocument(one, title, kb) {
  if (!window.confirm(text("remove_question", { title }))) return;
  try {
    place.onVersion((await remove(`/documents/${encodeURIComponent(one.document_id)}`, kb)).version);
  } catch (error) {
    place.onProblem(error);
  }
  await listDocuments();
}

function send(chosen) {
  for (const file of chosen) follow(file, place.currentKb());
}

async function follow(file, kb) {
  const state = worded("span", "upload_sending", {}, { class: "quiet" });
  const line = make("li", {}, make("span", {}, file.name), state);
  const say = (name, values = {}, style = "quiet") => {
    state.dataset.text = name;
    state.dataset.values = JSON.stringify(values);
    state.className = style;
    state.textContent = text(name, values);
  };
  uploads.prepend(line);
  try {
    const { job_id: id } = await upload(file, kb);
    say("upload_reading");
    const run = await ended(id);
    if (run.status === "done") say("upload_done", {}, "good");
    else say("upload_failed", { reason: run.error || run.status }, "problem");
    await place.onChange();
  } catch (error) {
    say("upload_failed", { reason: error.message }, "problem");
  }
}

async function ended(id) {
  for (;;) {
    const { runs } = await getJson("/jobs", { limit: 200 });
    const run = runs.find((one) => one.id === id);
    if (run && run.status !== "running") return run;
    await new Promise((resolve) => setTimeout(resolve, 700));
  }
}
