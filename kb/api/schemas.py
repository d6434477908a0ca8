"""What requests hold, checked strictly, and what responses hold, for the OpenAPI page."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from indexes.errors import UsageError
from kb.question import MAXIMUM_CHARACTERS, check_question

KB_NAME = r"^[\w.-]{1,64}$"
KbName = Annotated[str, Field(pattern=KB_NAME, description="knowledge base; the service's own where it is left out")]
TopK = Annotated[int, Field(ge=1, le=100, description="passages to return, best first")]


def _checked_question(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return check_question(value)
    except UsageError as error:
        raise PydanticCustomError("question", "{reason}", {"reason": str(error)}) from None


def _checked_filters(value: object) -> object:
    """Allow text, a non-empty list of texts, and for `date` an object with `from` or `to`."""
    if not isinstance(value, dict):
        raise PydanticCustomError("filters", "must be an object of field to value")
    for field, wanted in value.items():
        if field == "date" and isinstance(wanted, dict):
            good = bool(wanted) and set(wanted) <= {"from", "to"} and all(isinstance(x, str) for x in wanted.values())
        elif isinstance(wanted, list):
            good = bool(wanted) and all(isinstance(item, str) for item in wanted)
        else:
            good = isinstance(wanted, str)
        if not good:
            raise PydanticCustomError(
                "filters", 'a value must be a text, a list of texts, or for `date` {"from", "to"}'
            )
    return value


QuestionText = Annotated[
    str, BeforeValidator(_checked_question), Field(description=f"at most {MAXIMUM_CHARACTERS:,} characters")
]
FilterMap = Annotated[
    dict[str, Any],
    BeforeValidator(_checked_filters),
    Field(
        default_factory=dict,
        description="field to value or list of values: source, uri, title, tag, date ({from, to}), document metadata",
        examples=[{"source": "handbook"}],
    ),
]


class Strict(BaseModel):
    """What all request bodies share: exact types, no unknown fields, no NaN."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Turn(Strict):
    """One earlier turn of the conversation."""

    role: Literal["user", "assistant"]
    content: str


class AskRequest(Strict):
    """`POST /ask`."""

    question: QuestionText
    kb: KbName | None = None
    top_k: TopK | None = None
    score_threshold: float | None = Field(None, ge=0, le=1, description="confidence under which it refuses")
    filters: FilterMap
    history: list[Turn] = Field(default_factory=list, max_length=100)
    stream: bool = Field(False, description="server-sent events: hits, delta…, then done or error")
    engine: Literal["extractive", "qwen", "openai"] | None = Field(
        None, description="another engine than the configured one"
    )
    search_only: bool = Field(False, description="find passages and judge them, without calling an engine")


class SearchRequest(Strict):
    """`POST /search`."""

    query: QuestionText
    kb: KbName | None = None
    top_k: TopK | None = None
    filters: FilterMap


class JobRequest(Strict):
    """`POST /jobs`."""

    name: str = Field(min_length=1, max_length=64, description="a job of the configuration")


class TextPart(BaseModel):
    """A piece of a message's content."""

    model_config = ConfigDict(strict=True, extra="ignore")
    type: Literal["text"]
    text: str


class ChatMessage(BaseModel):
    """One message of an OpenAI-compatible request. `content` is text, or a list of text parts."""

    model_config = ConfigDict(strict=True, extra="ignore")
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None

    @property
    def text(self) -> str:
        """The content as one text."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""


class StreamOptions(BaseModel):
    """Options of a streamed answer."""

    model_config = ConfigDict(strict=True, extra="ignore")
    include_usage: bool = False


class ChatRequest(BaseModel):
    """`POST /v1/chat/completions`. Fields that are not named here, such as `temperature`, have no effect."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)
    model: str = Field(max_length=64, description="the knowledge base's name")
    messages: list[ChatMessage] = Field(min_length=1, max_length=200)
    stream: bool = False
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = None


class ErrorDetail(BaseModel):
    """What went wrong; `code` is stable."""

    code: str
    message: str
    request_id: str


class ErrorBody(BaseModel):
    """The body of every error."""

    error: ErrorDetail


class HitBody(BaseModel):
    """A passage: `text` is `[start:end]` of the document, in code points. Scores lie in [0, 1], higher is better."""

    document_id: str
    chunk_id: str
    title: str
    uri: str
    page: int | None
    start: int
    end: int
    text: str
    heading: str
    score: float
    dense_score: float
    keyword_score: float


class CitationBody(BaseModel):
    """What `[n]` points to: `quote` is exactly `[start:end]` of the document's text."""

    n: int
    document_id: str
    title: str
    uri: str
    page: int | None
    start: int
    end: int
    quote: str
    heading: str
    score: float
    supported: bool


class UsageBody(BaseModel):
    """What an engine was given and wrote: tokens by its own tokenizer, null where it does not count."""

    prompt_tokens: int | None
    completion_tokens: int | None
    prompt_version: str = Field(description="the name of the instructions")
    cached: bool = Field(description="generated for an earlier question: no tokens were used for this one")
    truncated: bool = Field(description="cut off at the bound of tokens: the unfinished last sentence is left out")


class AnswerBody(BaseModel):
    """The answer with its citations, or a refusal."""

    answer: str
    status: Literal["answered", "refused"]
    engine: str | None
    citations: list[CitationBody]
    hits: list[HitBody]
    confidence: float
    kb: str
    version: int
    timings_ms: dict[str, float]
    usage: UsageBody | None
    request_id: str


class SearchBody(BaseModel):
    """Passages, best first."""

    hits: list[HitBody]
    version: int
    timings_ms: dict[str, float]


class DocumentLine(BaseModel):
    """One document of the list; `chunks` and `pages` are counts."""

    document_id: str
    title: str
    uri: str
    status: str
    chunks: int
    pages: int
    version_added: int
    error: str | None


class DocumentList(BaseModel):
    """Documents; `next` is the `after` of the following page, null on the last."""

    documents: list[DocumentLine]
    next: str | None


class JobAccepted(BaseModel):
    """Work that goes on after the response; `GET /jobs` shows how it ends."""

    job_id: int


class JobStarted(BaseModel):
    """A job of the configuration that was started; `GET /jobs` shows its run."""

    job: str
    kb: str
