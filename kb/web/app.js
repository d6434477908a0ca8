// Puts the page together: language, knowledge base, views.

import { setUpAsking } from "/static/ask.js";
import { getJson } from "/static/client.js";
import { showApi } from "/static/docs.js";
import { listDocuments, setUpDocuments } from "/static/documents.js";
import { putTexts, switchLanguage, text } from "/static/texts.js";

const VIEWS = ["ask", "documents", "api"];
const DEFAULT_KB = "default";

const kb = document.getElementById("kb");
const version = document.getElementById("version");
const notice = document.getElementById("notice");

function currentKb() {
  return kb.value || DEFAULT_KB;
}

function onVersion(number) {
  version.hidden = !number;
  version.dataset.text = "version_n";
  version.dataset.values = JSON.stringify({ n: number });
  version.textContent = text("version_n", { n: number });
}

function onProblem(error) {
  notice.textContent = error.message;
  notice.hidden = false;
  setTimeout(() => { notice.hidden = true; }, 8000);
}

async function loadKnowledgeBases() {
  try {
    const { data } = await getJson("/v1/models");
    const chosen = currentKb();
    kb.replaceChildren(...data.map((one) => new Option(one.id, one.id)));
    if (!data.length) {
      kb.append(new Option(DEFAULT_KB, DEFAULT_KB));
      onProblem(new Error(text("no_kb")));
    }
    if (data.some((one) => one.id === chosen)) kb.value = chosen;
    onVersion(data.find((one) => one.id === kb.value)?.version ?? 0);
  } catch (error) {
    onProblem(error);
  }
}

async function show() {
  const named = location.hash.slice(1);
  if (named === "main") return;
  const view = VIEWS.includes(named) ? named : VIEWS[0];
  for (const one of VIEWS) {
    document.getElementById(`view-${one}`).hidden = one !== view;
    const link = document.querySelector(`[data-view="${one}"]`);
    if (one === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (view === "documents") await listDocuments();
  if (view === "api") await showApi(document.getElementById("view-api"), () => getJson("/openapi.json")).catch(onProblem);
}

document.getElementById("language").addEventListener("click", switchLanguage);
kb.addEventListener("change", async () => {
  await loadKnowledgeBases();
  await show();
});
window.addEventListener("hashchange", show);
window.addEventListener("kb-problem", (event) => onProblem(event.detail));
document.getElementById("language").dataset.text = "language";
putTexts(document);
setUpAsking({ currentKb, onVersion });
setUpDocuments({
  currentKb, onVersion, onProblem,
  onChange: async () => {
    await loadKnowledgeBases();
    await listDocuments();
  },
});
await loadKnowledgeBases();
await show();
