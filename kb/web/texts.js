// The words of the page in both languages, and putting them in place.

const TEXTS = {
  en: {
    skip: "Skip to the content", brand: "Knowledge base", views: "Views",
    view_ask: "Ask", view_documents: "Documents", view_api: "API",
    knowledge_base: "Knowledge base", version: "Version", version_n: "version {n}", language: "中文",
    ask_label: "What do you want to know?", ask_placeholder: "Ask about the documents of this knowledge base…",
    ask_hint: "Enter to ask, Shift+Enter for a new line", follow_up: "Follow-up to the last answer",
    send: "Ask", stop: "Stop",
    welcome_title: "Answers only from your documents",
    welcome_text: "Every sentence points to the passage it comes from. What the documents do not say is refused, not guessed.",
    thinking: "Searching the documents…", stopped: "Stopped.", refused: "Not in the documents",
    truncated: "Cut off at the bound of tokens (engine.max_new_tokens, or what the window leaves): what was not finished is left out.",
    sources: "Sources", no_sources: "No source was cited.", page: "p. {n}",
    unsupported: "not supported by this passage", found: "Passages found ({n})",
    found_refused: "Nearest passages ({n}), which do not answer the question",
    show: "Show in document", original: "Original", source_n: "Source {n}",
    meta: "{engine} · confidence {confidence} · version {version} · {seconds} s",
    meta_refused: "confidence {confidence} · version {version} · {seconds} s",
    status: "Status", status_all: "all", status_ready: "ready", status_failed: "failed",
    drop_text: "Drop files here, or", drop_formats: "PDF, text, Markdown, HTML; 32 MiB at most", choose_files: "Choose files",
    column_title: "Document", column_pages: "Pages", column_chunks: "Passages", column_actions: "Actions",
    no_documents: "No documents yet. Upload one, or run: kb ingest FOLDER", more: "Show more", remove: "Remove",
    remove_question: "Remove “{title}” from the knowledge base?",
    upload_sending: "sending…", upload_reading: "being read…", upload_done: "in", upload_failed: "failed: {reason}",
    close: "Close", document_note: "{pages} pages · {characters} characters", document_note_plain: "{characters} characters",
    left_out: "… {n} characters left out …",
    key_title: "A key is needed", key_text: "This service answers only to those who have its key. It is kept in this tab alone.",
    key_label: "Key", key_send: "Continue", no_kb: "There is no knowledge base yet: upload a document to make one.",
    offline: "The service cannot be reached.",
  },
  zh: {
    skip: "跳到正文", brand: "知识库问答", views: "页面",
    view_ask: "提问", view_documents: "文档", view_api: "接口",
    knowledge_base: "知识库", version: "版本", version_n: "版本 {n}", language: "English",
    ask_label: "想了解什么？", ask_placeholder: "就本知识库的文档提问……",
    ask_hint: "回车提问，Shift+回车换行", follow_up: "接着上一个回答问",
    send: "提问", stop: "停止",
    welcome_title: "只依据您的文档回答",
    welcome_text: "每句话都注明出处。文档里没有的内容，会直接说明无法回答，不会猜测。",
    thinking: "正在检索文档……", stopped: "已停止。", refused: "文档中没有答案",
    truncated: "回答达到长度上限（engine.max_new_tokens，或上下文窗口所余）而被截断：未写完的句子已略去。",
    sources: "出处", no_sources: "没有引用出处。", page: "第 {n} 页",
    unsupported: "该段落不支持这句话", found: "检索到的段落（{n}）",
    found_refused: "最接近的段落（{n}），但不足以回答问题",
    show: "在文档中查看", original: "原件", source_n: "出处 {n}",
    meta: "{engine} · 置信度 {confidence} · 版本 {version} · {seconds} 秒",
    meta_refused: "置信度 {confidence} · 版本 {version} · {seconds} 秒",
    status: "状态", status_all: "全部", status_ready: "可用", status_failed: "失败",
    drop_text: "将文件拖到这里，或", drop_formats: "PDF、文本、Markdown、HTML；不超过 32 MiB", choose_files: "选择文件",
    column_title: "文档", column_pages: "页数", column_chunks: "段落", column_actions: "操作",
    no_documents: "还没有文档。请上传，或运行：kb ingest 文件夹", more: "显示更多", remove: "删除",
    remove_question: "要从知识库中删除“{title}”吗？",
    upload_sending: "正在上传……", upload_reading: "正在读取……", upload_done: "已入库", upload_failed: "失败：{reason}",
    close: "关闭", document_note: "{pages} 页 · {characters} 字", document_note_plain: "{characters} 字",
    left_out: "……此处省略 {n} 字……",
    key_title: "需要密钥", key_text: "本服务只对持有密钥的人开放。密钥只保存在此标签页中。",
    key_label: "密钥", key_send: "继续", no_kb: "还没有知识库：上传文档即可新建。",
    offline: "无法连接到服务。",
  },
};

const KEPT = "kb-language";
let language = readLanguage();

function readLanguage() {
  const kept = localStorage.getItem(KEPT);
  if (kept in TEXTS) return kept;
  return (navigator.language || "").toLowerCase().startsWith("zh") ? "zh" : "en";
}

export function text(name, values = {}) {
  return TEXTS[language][name].replace(/\{(\w+)\}/g, (_, key) => String(values[key]));
}

export function switchLanguage() {
  language = language === "zh" ? "en" : "zh";
  localStorage.setItem(KEPT, language);
  putTexts(document);
}

export function putTexts(root) {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = text("brand");
  for (const element of root.querySelectorAll("[data-text]")) {
    element.textContent = text(element.dataset.text, JSON.parse(element.dataset.values || "{}"));
  }
  for (const element of root.querySelectorAll("[data-placeholder]")) element.placeholder = text(element.dataset.placeholder);
  for (const element of root.querySelectorAll("[data-label]")) element.setAttribute("aria-label", text(element.dataset.label));
}

// An element; strings among the children become text, never markup.
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (value !== false && value !== null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

// An element whose words follow the language.
export function worded(tag, name, values = {}, properties = {}) {
  return make(tag, { ...properties, "data-text": name, "data-values": JSON.stringify(values) }, text(name, values));
}
