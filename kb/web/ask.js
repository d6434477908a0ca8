// The asking view: the question goes out, the answer comes in piece by piece, its marks lead to the sources.

import { askEvents } from "/static/client.js";
import { foundPassages, sourceCards } from "/static/sources.js";
import { make, text, worded } from "/static/texts.js";

const MARK = /\[(\d{1,3})\]/g;
const HISTORY_TURNS = 3;

const form = document.getElementById("ask-form");
const question = document.getElementById("question");
const followUp = document.getElementById("follow-up");
const turns = document.getElementById("turns");
const stop = document.getElementById("stop");
const send = document.getElementById("send");

const history = [];
let count = 0;
let running = null;

export function setUpAsking({ currentKb, onVersion }) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!running && question.value.trim()) ask(question.value.trim(), currentKb(), onVersion);
  });
  question.addEventListener("keydown", (event) => {
    // While an input method composes a word, Enter belongs to it.
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  stop.addEventListener("click", () => running?.abort());
}

async function ask(asked, kb, onVersion) {
  count += 1;
  const turn = makeTurn(asked, `turn-${count}`);
  document.getElementById("welcome").hidden = true;
  turns.prepend(turn.element);
  const earlier = followUp.checked ? history.slice(-2 * HISTORY_TURNS) : [];
  question.value = "";
  busy(new AbortController());
  let written = "";
  try {
    for await (const [event, data] of askEvents({ question: asked, kb, history: earlier }, running.signal)) {
      if (event === "delta") {
        written += data.text;
        turn.body.replaceChildren(...withMarks(written, new Set(), turn.prefix));
      } else if (event === "done") {
        finish(turn, data);
        history.push({ role: "user", content: asked }, { role: "assistant", content: data.answer });
        onVersion(data.version);
      } else if (event === "error") {
        throw new Error(`${data.error.message} (${data.error.code}, ${data.error.request_id})`);
      }
    }
  } catch (error) {
    const line = error.name === "AbortError" ? worded("p", "stopped", {}, { class: "quiet" }) : make("p", { class: "problem" }, error.message);
    turn.answer.append(line);
    if (!written) turn.body.replaceChildren();
  } finally {
    turn.answer.setAttribute("aria-busy", "false");
    turn.element.classList.remove("running");
    busy(null);
  }
}

function busy(controller) {
  running = controller;
  stop.hidden = !controller;
  send.disabled = Boolean(controller);
  document.getElementById("follow-up-label").hidden = !history.length;
  if (!controller) question.focus();
}

function makeTurn(asked, prefix) {
  const body = make("div", { class: "text" }, worded("span", "thinking", {}, { class: "quiet waiting" }));
  const answer = make("div", { class: "answer", "aria-live": "polite", "aria-busy": "true" }, body);
  const sources = make("aside", { class: "sources", hidden: true, "data-label": "sources", "aria-label": text("sources") });
  const element = make("section", { class: "turn running" }, make("h2", {}, asked), answer, sources);
  return { element, body, answer, sources, prefix };
}

function finish(turn, answer) {
  const refused = answer.status === "refused";
  const known = new Set(answer.citations.map((citation) => citation.n));
  turn.element.classList.toggle("refused", refused);
  turn.body.replaceChildren(...withMarks(answer.answer, known, turn.prefix));
  if (refused) turn.answer.prepend(worded("p", "refused", {}, { class: "verdict" }));
  if (answer.usage?.truncated) turn.answer.append(worded("p", "truncated", {}, { class: "problem" }));
  turn.answer.append(worded("p", refused ? "meta_refused" : "meta", {
    engine: answer.engine ?? "",
    confidence: answer.confidence.toFixed(2),
    version: answer.version,
    seconds: (answer.timings_ms.total / 1000).toFixed(2),
  }, { class: "meta quiet" }));
  const cards = sourceCards(answer, turn.prefix);
  turn.sources.replaceChildren(
    cards.length ? worded("h3", "sources") : "",
    ...cards,
    foundPassages(answer.hits, answer.kb, refused ? "found_refused" : "found"));
  turn.sources.hidden = !turn.sources.textContent;
  for (const quote of turn.sources.querySelectorAll("blockquote")) {
    const mark = quote.querySelector("mark");
    if (mark) quote.scrollTop = mark.offsetTop - quote.clientHeight / 3;
  }
}

// The text with each [n] as a button that leads to its source, where there is one.
function withMarks(written, known, prefix) {
  const nodes = [];
  let at = 0;
  for (const match of written.matchAll(MARK)) {
    const n = Number(match[1]);
    nodes.push(written.slice(at, match.index), known.has(n) ? markButton(n, prefix) : make("span", { class: "mark" }, match[0]));
    at = match.index + match[0].length;
  }
  nodes.push(written.slice(at));
  return nodes;
}

function markButton(n, prefix) {
  return make("button", {
    type: "button", class: "mark", "aria-label": text("source_n", { n }), onclick: () => lead(`${prefix}-${n}`),
  }, String(n));
}

function lead(id) {
  const card = document.getElementById(id);
  card.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  card.focus({ preventScroll: true });
  card.classList.remove("led");
  requestAnimationFrame(() => card.classList.add("led"));
}
