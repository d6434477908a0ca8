"""All recorded dialects, one entry each."""

from __future__ import annotations

from tests.kb.engines.dialect_servers.llama_cpp import LlamaCppServer
from tests.kb.engines.dialect_servers.llama_cpp_python import LlamaCppPythonServer
from tests.kb.engines.dialect_servers.llamafile import LlamafileServer
from tests.kb.engines.dialect_servers.lmstudio import LmStudioServer
from tests.kb.engines.dialect_servers.ollama import OllamaServer
from tests.kb.engines.dialect_servers.qwen_openai_api import QwenOpenAIApiServer
from tests.kb.engines.dialect_servers.serving import DialectServer
from tests.kb.engines.dialect_servers.sglang import SglangServer
from tests.kb.engines.dialect_servers.text_generation_webui import TextGenerationWebuiServer
from tests.kb.engines.dialect_servers.tgi import TgiServer
from tests.kb.engines.dialect_servers.tgi_native import TgiNativeServer
from tests.kb.engines.dialect_servers.transformers_serve import TransformersServer
from tests.kb.engines.dialect_servers.vllm import OldVllmServer, VllmServer

SERVERS: tuple[type[DialectServer], ...] = (
    VllmServer,
    OldVllmServer,
    SglangServer,
    TgiServer,
    TgiNativeServer,
    LlamaCppServer,
    LlamaCppPythonServer,
    LlamafileServer,
    OllamaServer,
    LmStudioServer,
    TextGenerationWebuiServer,
    TransformersServer,
    QwenOpenAIApiServer,
)
