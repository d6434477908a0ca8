// Talking to the service: JSON, server-sent events, downloads, and the key where one is needed.

import { text } from "/static/texts.js";

const KEPT = "kb-key";

export class ServiceError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

async function request(path, options = {}) {
  for (;;) {
    const headers = new Headers(options.headers);
    const key = sessionStorage.getItem(KEPT);
    if (key) headers.set("Authorization", `Bearer ${key}`);
    let response;
    try {
      response = await fetch(path, { ...options, headers });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ServiceError("offline", text("offline"));
    }
    if (response.status === 401) {
      await askForKey();
      continue;
    }
    if (!response.ok) throw await errorOf(response);
    return response;
  }
}

async function errorOf(response) {
  try {
    const { error } = await response.json();
    return new ServiceError(error.code, `${error.message} (${error.code}, ${error.request_id})`);
  } catch {
    return new ServiceError("internal", `HTTP ${response.status}`);
  }
}

let asking = null;

function askForKey() {
  asking ??= new Promise((resolve) => {
    const dialog = document.getElementById("key-dialog");
    const input = document.getElementById("key");
    dialog.addEventListener("close", () => {
      sessionStorage.setItem(KEPT, input.value);
      input.value = "";
      asking = null;
      resolve();
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}

export async function getJson(path, values = {}) {
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value));
  return (await request(query.size ? `${path}?${query}` : path)).json();
}

export async function remove(path, kb) {
  return (await request(`${path}?${new URLSearchParams({ kb })}`, { method: "DELETE" })).json();
}

export async function upload(file, kb) {
  const body = new FormData();
  body.append("file", file, file.name);
  return (await request(`/documents?${new URLSearchParams({ kb })}`, { method: "POST", body })).json();
}

// Yield [event, data] of a streamed answer.
export async function* askEvents(body, signal) {
  const response = await request("/ask", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...body, stream: true }),
    signal,
  });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    waiting += value;
    const parts = waiting.split("\n\n");
    waiting = parts.pop();
    for (const part of parts) {
      const event = part.match(/^event: (.*)$/m)?.[1];
      const data = part.match(/^data: (.*)$/m)?.[1];
      if (event && data) yield [event, JSON.parse(data)];
    }
  }
}

export async function download(documentId, kb, name) {
  const response = await request(`/documents/${encodeURIComponent(documentId)}/original?${new URLSearchParams({ kb })}`);
  const address = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

export function fileName(uri) {
  try {
    return decodeURIComponent(uri.split(/[?#]/)[0].split("/").pop()) || "document";
  } catch {
    return "document";
  }
}
