"""The settings: one model a section, with the range, unit and default of each value."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Name = Annotated[str, Field(pattern=r"^[\w.-]{1,64}$")]
Dialect = Literal[
    "auto",
    "standard",
    "vllm",
    "sglang",
    "tgi",
    "tgi-native",
    "llama.cpp",
    "llama-cpp-python",
    "ollama",
    "lmstudio",
    "llamafile",
    "text-generation-webui",
    "transformers",
    "qwen-openai-api",
]


class Section(BaseModel):
    """What all sections share: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")


class EmbeddingSettings(Section):
    """What turns text into vectors."""

    name: Literal["hash", "bge", "llama_index"] = Field(
        default="hash",
        description="`hash` needs no model; `bge` needs the `local` extra, `llama_index` the extra of that name",
    )
    model: str = Field(default="BAAI/bge-small-zh-v1.5", min_length=1, description="bge: a model name or a directory")
    revision: str = Field(default="", description="bge: a fixed revision of the model; empty: whatever is in the cache")
    device: str = Field(default="auto", min_length=1, description="bge: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`")
    batch_size: int = Field(default=32, ge=1, le=4096, description="bge: texts in one forward pass on a GPU")
    runtime: Literal["auto", "torch", "onnx"] = Field(
        default="auto",
        description="bge: what runs the model; `auto`: torch on a GPU, else the fastest that is close enough to torch",
    )
    embedder: str = Field(default="", description="llama_index: import path of a LlamaIndex embedding")
    arguments: dict[str, object] = Field(
        default_factory=dict, repr=False, description="llama_index: what the embedding is made with"
    )
    max_tokens: int | None = Field(
        default=None,
        ge=32,
        le=1_048_576,
        description="llama_index: tokens of a text that the embedding reads, as its maker states them",
    )
    tokenizer: str = Field(
        default="",
        description="llama_index: the model's tokenizer.json or its directory; unset: UTF-8 bytes are counted, which "
        "are never fewer than its tokens",
    )


class EndpointSettings(Section):
    """One of several servers of the engine `openai`; an address alone does where the rest is as in `[engine]`."""

    base_url: str = Field(min_length=1, description="address of the server")
    model: str = Field(default="", description="model name that this server expects; empty: `engine.model`")
    dialect: Dialect | None = Field(default=None, description="which server it is; unset: `engine.dialect`")
    api_key_env: str = Field(
        default="",
        pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$",
        description="environment variable that holds this server's key; empty: that of `engine.api_key_env`",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_address(cls, value: object) -> object:
        return {"base_url": value} if isinstance(value, str) else value


class EngineSettings(Section):
    """What writes the answer."""

    name: Literal["extractive", "qwen", "openai"] = Field(
        default="extractive",
        description="`extractive` quotes and needs no model; `qwen` runs in the process; `openai` calls a server",
    )
    model: str = Field(
        default="", description="qwen: a model name or a directory; openai: the model name that the server expects"
    )
    base_url: str = Field(default="", description="openai: the address of the server, such as http://127.0.0.1:8000/v1")
    endpoints: list[EndpointSettings] = Field(
        default_factory=list,
        description="openai: several servers instead of `base_url`, as addresses or as tables `{base_url, model, "
        "dialect, api_key_env}`; the least busy sound one is asked, and the next where one fails before it answers",
    )
    dialect: Dialect = Field(default="auto", description="openai: which server it is")
    api_key_env: str = Field(
        default="",
        pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$",
        description="openai: the environment variable that holds the server's key",
    )
    ca_file: str = Field(
        default="",
        description="openai: a PEM file of authorities that are trusted beside the system's, for https addresses",
    )
    device: str = Field(
        default="auto", min_length=1, description="qwen: `auto`, `cpu`, `cuda`, `cuda:1`, `all`: spread over all GPUs"
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="qwen: the type of the weights"
    )
    window: int | None = Field(
        default=None,
        ge=512,
        le=4_194_304,
        description="tokens, prompt and answer together; unset: the model's own, 8192 for openai",
    )
    slots: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="qwen: requests of a whole window that the key-value cache has room for; unset: as many as fit",
    )
    reserve_mb: int = Field(default=1024, ge=0, description="qwen: MiB of memory that stay free beside the model")
    adapter: str = Field(default="", description="qwen: the directory of a LoRA adapter (PEFT) for the model")
    batching: Literal["auto", "on", "off"] = Field(
        default="auto", description="qwen: answer many questions together; `auto` does on a GPU"
    )
    cache_dtype: Literal["auto", "fp8", "int8", "int4"] = Field(
        default="auto",
        description="qwen: the type of the key-value cache; int8 needs hqq, int4 optimum-quanto; not in batches",
    )
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"] = Field(
        default="auto", description="qwen: `auto` is flash attention where flash-attn is installed, else sdpa"
    )
    yarn_factor: float | None = Field(
        default=None, gt=1, le=32, description="qwen: the window stretched so many times by YaRN"
    )
    waiting: int = Field(default=64, ge=1, le=100_000, description="qwen: questions that may wait for their turn")
    max_new_tokens: int = Field(default=512, ge=1, le=131_072, description="tokens of an answer at most")
    temperature: float = Field(default=0.7, ge=0, le=2, description="0 is greedy")
    top_p: float = Field(default=0.8, gt=0, le=1, description="share of the probability mass that is sampled from")
    top_k: int = Field(default=20, ge=1, le=1000, description="tokens that are sampled from")
    repetition_penalty: float = Field(default=1.05, ge=0.5, le=2, description="1 is none")
    seed: int | None = Field(
        default=None, ge=0, lt=2**63, description="for answers that can be repeated; unset: random"
    )
    stop: list[str] = Field(
        default_factory=list, description="an answer of a model ends before the first of these strings"
    )
    connect_seconds: float = Field(default=5.0, gt=0, le=600, description="openai: time to connect")
    first_token_seconds: float | None = Field(
        default=None,
        gt=0,
        le=3600,
        description="openai: time until an answer begins; unset: `read_seconds`. Long prompts take long on a processor",
    )
    read_seconds: float = Field(
        default=120.0, gt=0, le=3600, description="openai: time between two pieces of an answer"
    )
    total_seconds: float = Field(
        default=900.0, gt=0, le=86_400, description="openai: time of a whole answer, waiting and further tries included"
    )


class RetrievalSettings(Section):
    """How passages are found, and when a question is refused."""

    top_k: int = Field(default=8, ge=1, le=100, description="passages that are returned and shown to the engine")
    score_threshold: float = Field(default=0.0, ge=0, le=1, description="passages with a lower score are left out")
    confidence_threshold: float = Field(
        default=0.5, ge=0, le=1, description="confidence under which a question is refused"
    )
    passage_characters: int = Field(
        default=6000,
        ge=200,
        le=1_000_000,
        description="characters of passages, widened by their neighbours, for the engine",
    )
    reranker: str = Field(
        default="none",
        min_length=1,
        description="`none`: the fused order stands; else a bge reranker, by its name (BAAI/bge-reranker-base) or its "
        "directory; needs the `local` extra, and runs where `embedding.device` says",
    )
    reranker_candidates: int = Field(
        default=50, ge=1, le=500, description="passages that the reranker looks at, the best of what was found"
    )
    reranker_weight: float = Field(
        default=0.7, gt=0, le=1, description="share of the reranker in the score; 1: its order replaces the fused one"
    )


class AnswerSettings(Section):
    """What becomes of a generated answer."""

    cache: Literal["off", "questions", "all"] = Field(
        default="questions",
        description="which answers are kept in memory and given again while version and passages are the same: none, "
        "those to single questions, or those in conversations too (`kb chat`, chat completions, any history)",
    )
    cache_entries: int = Field(default=512, ge=1, le=1_000_000, description="answers that are kept at most")
    cache_mb: int = Field(default=16, ge=1, le=65_536, description="MiB that they may take together")
    refuse_unsupported: bool = Field(
        default=True,
        description="an answer of which no sentence is borne out by what it cites becomes a refusal that shows the "
        "nearest passages; `false` shows it, marked as not supported",
    )


class IngestSettings(Section):
    """How documents come in."""

    workers: int = Field(
        default=0, ge=0, le=256, description="processes that read documents; 0: one for each processor, at most 8"
    )
    chunk_tokens: int = Field(default=256, ge=32, le=8192, description="tokens of a passage at most, heading included")
    overlap_sentences: int = Field(default=1, ge=0, le=10, description="sentences that two passages in a row share")
    ocr: bool = Field(default=False, description="read pages that are only images; needs the `ocr` extra")
    keep_originals: bool = Field(default=True, description="keep the bytes that came in")
    memory_mb: int = Field(default=1024, ge=128, le=1_048_576, description="MiB that reading one document may take")
    seconds: float = Field(
        default=60.0, gt=0, le=86_400, description="seconds that reading one document may take; tenfold with `ocr`"
    )
    max_mb: int = Field(default=256, ge=1, le=1_048_576, description="MiB of one file at most")
    allow_hosts: list[str] = Field(
        default_factory=list,
        description="private hosts (`name`, `name:port`) and networks (`10.0.0.0/8`) that may be fetched from",
    )
    passwords: list[str] = Field(
        default_factory=list, repr=False, description="passwords that are tried on encrypted documents"
    )
    max_removed_share: float = Field(
        default=0.3, ge=0, le=1, description="a scheduled run that would remove more of the documents stops"
    )
    keep_versions: int = Field(default=5, ge=1, le=1000, description="versions that can be rolled back to")


class ServeSettings(Section):
    """The HTTP service."""

    host: str = Field(default="127.0.0.1", min_length=1, description="address to listen on")
    port: int = Field(default=8000, ge=0, le=65_535, description="port to listen on; 0: any free one")
    workers: int = Field(default=1, ge=1, le=64, description="server processes")
    read_only: bool = Field(default=False, description="answer questions only; no uploads, deletions or jobs")
    api_key: str = Field(default="", repr=False, description="key that callers send as `Authorization: Bearer …`")
    allow_remote: bool = Field(
        default=False, description="listen on an address other than loopback although there is no key"
    )


class ModelSettings(Section):
    """Where models come from."""

    offline: bool = Field(default=True, description="never download: models come from a directory or a cache")
    folder: str = Field(default="", description="folder that is searched for models first, and that downloads go to")


class CrawlSettings(Section):
    """How a site is followed from the `urls` of a source: `crawl = {depth = 2, pages = 200, delay = 1.0}`."""

    depth: int = Field(default=3, ge=0, le=20, description="links in a row that are followed from the first pages")
    pages: int = Field(default=500, ge=1, le=100_000, description="pages that are fetched at most")
    delay: float = Field(
        default=1.0, ge=0, le=3600, description="seconds between two requests; robots.txt may ask for more"
    )


class SourceSettings(Section):
    """One `[[sources]]` entry: a named set of paths or addresses."""

    name: Name = Field(description="what `[[jobs]]` and the filter `source` call it")
    paths: list[str] = Field(default_factory=list, description="files and folders, relative to the configuration file")
    urls: list[str] = Field(default_factory=list, description="pages, http or https; with `sitemap`, sitemaps")
    crawl: CrawlSettings | None = Field(
        default=None,
        description="follow links of the `urls` on the same host: `{depth = 3, pages = 500, delay = 1.0}` (links in a "
        "row, pages at most, seconds between requests); `{}` for these defaults; robots.txt is obeyed",
    )
    sitemap: bool = Field(
        default=False, description="the `urls` are sitemaps: their pages are read, and followed as far as `crawl` says"
    )
    reader: str = Field(default="", description="import path of a LlamaIndex reader, instead of paths and urls")
    arguments: dict[str, object] = Field(default_factory=dict, description="what the reader is called with")


class JobSettings(Section):
    """One `[[jobs]]` entry: sources that are read again on a schedule."""

    name: Name = Field(description="what `kb jobs run` calls it")
    sources: list[str] = Field(min_length=1, description="names of `[[sources]]` entries")
    cron: str = Field(description="five fields: minute, hour, day of month, month, day of week")
    timezone: str = Field(default="UTC", description="IANA name, such as Asia/Shanghai")
    prune: bool = Field(default=False, description="remove documents that are gone from the sources")
    kb: Name = Field(default="default", description="knowledge base that it fills")


class SettingsModel(Section):
    """All sections, as a configuration file spells them."""

    home: str = Field(default="", description="folder of all knowledge bases; KB_HOME goes before it")
    embedding: EmbeddingSettings = Field(default_factory=EmbeddingSettings)
    engine: EngineSettings = Field(default_factory=EngineSettings)
    retrieval: RetrievalSettings = Field(default_factory=RetrievalSettings)
    answer: AnswerSettings = Field(default_factory=AnswerSettings)
    ingest: IngestSettings = Field(default_factory=IngestSettings)
    serve: ServeSettings = Field(default_factory=ServeSettings)
    models: ModelSettings = Field(default_factory=ModelSettings)
    sources: list[SourceSettings] = Field(default_factory=list)
    jobs: list[JobSettings] = Field(default_factory=list)
