"""The engine that runs Qwen1.5, Qwen2, Qwen2.5 and Qwen3 chat models in this process, by transformers."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexes.errors import ConfigurationError, EngineUnavailableError, KBError, UsageError
from indexes.models.files import resolve_model
from kb.engines.base import Cut, GenerationOptions, Restart
from kb.engines.qwen.answer_text import AnswerText
from kb.engines.qwen.chat_template import ChatTemplate, first_line
from kb.engines.qwen.model_folder import ModelFolder, refuse_gguf
from kb.engines.qwen.options import RunOptions
from kb.engines.qwen.requests import Request, Runner
from kb.engines.thinking import OPENING
from kb.records import Message, Prompt, Usage

if TYPE_CHECKING:
    from indexes.models.listening import DownloadListener
    from kb.engines.qwen.memory import MemoryPlan

MISSING_EXTRA = "the engine 'qwen' needs torch and transformers: pip install 'qwen-kb[local]'"


class QwenEngine:
    """One model, loaded at its first use; answering in the order of asking.

    `model` is a directory or the name of a model on this machine (with `offline=False` also on a hub). Only
    safetensors are read and no code of the model's is ever run. `on_download` is told of a download, or else the log.
    """

    name = "qwen"
    quotes = False

    def __init__(
        self,
        model: str,
        run: RunOptions | None = None,
        *,
        offline: bool = True,
        models_folder: Path | None = None,
        on_download: DownloadListener | None = None,
    ) -> None:
        self._model = model
        self._run = run or RunOptions()
        self._offline = offline
        self._models_folder = models_folder
        self._on_download = on_download
        self._loading = threading.Lock()
        self._folder: ModelFolder | None = None
        self._template: ChatTemplate | None = None
        self._tokenizer: Any = None
        self._runner: Runner | None = None

    @property
    def model_name(self) -> str:
        """The model as it was configured, and its adapter."""
        return self._model if self._run.adapter is None else f"{self._model} + {self._run.adapter.name}"

    @property
    def window(self) -> int:
        """The largest number of tokens, prompt and answer together; read from the model's config.json."""
        folder, window, yarn = self._read_folder(), self._run.window, self._run.yarn_factor
        if yarn is not None and folder.scaled:
            raise ConfigurationError(f"engine.yarn_factor: {self.model_name} stretches its window itself already")
        own = int(folder.window * (yarn or 1))
        if window is not None and window > own:
            raise ConfigurationError(f"engine.window is {window}, but {self.model_name} was made for {own} tokens")
        return window or own

    def check_memory(self) -> MemoryPlan:
        """Return what the model will take, without loading it; raise EngineUnavailableError where it does not fit."""
        folder = self._read_folder()
        try:
            from kb.engines.qwen.placing import place
        except ImportError as error:
            raise EngineUnavailableError(MISSING_EXTRA) from error
        placing = place(folder, self._run, self.window)
        placing.require_memory(folder)
        return placing.plan

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the number of prompt tokens of `messages`, chat template included."""
        template = self._read_template()
        return len(template.encode(template.render(messages)))

    def stream(
        self, prompt: Prompt, options: GenerationOptions, cancel: threading.Event
    ) -> Iterator[str | Usage | Restart | Cut]:
        """Yield pieces of the answer without any `<think>` block, a `Cut` where it came to no end, and its `Usage`.

        Greedy where the temperature is 0. Ends within one step once `cancel` is set. Raises UsageError where the
        prompt leaves no room in the window, EngineUnavailableError where the model cannot be loaded, is asked too
        much at once, or fails; also, behind the `Usage`, where it only thought.
        """
        if cancel.is_set():
            return
        template = self._read_template()
        rendered = template.render(prompt.messages)
        ids = template.encode(rendered)
        runner = self._loaded()
        fitted = self._fitted(options, ids, runner.vocabulary)
        request = Request(ids, fitted, cancel)
        text = AnswerText(self._tokenizer, rendered.rstrip().endswith(OPENING), options.stop)
        made, last, worded = 0, -1, False
        runner.start(request)
        try:
            for tokens in request.tokens():
                made, last = made + len(tokens), (tokens or [last])[-1]
                piece = text.add(tokens)
                if text.withdrawn():
                    worded = False
                    yield Restart()
                if piece:
                    worded = worded or bool(piece.strip())
                    yield piece
                if text.stopped:
                    break
            if not cancel.is_set():
                if piece := text.finish():
                    worded = worded or bool(piece.strip())
                    yield piece
                if text.thought and not worded and not text.stopped:
                    yield Usage(len(ids), made)
                    raise EngineUnavailableError(
                        f"{self.model_name} thought, and came to no answer within its bound of "
                        f"{fitted.max_new_tokens} tokens (engine.max_new_tokens, or what the window leaves): raise "
                        "that, or use a model that does not think, an -Instruct one"
                    )
                # The token that ends an answer is among those that were made.
                if made >= fitted.max_new_tokens and not text.stopped and last not in self._tokenizer.all_special_ids:
                    yield Cut()
                yield Usage(len(ids), made)
        except KBError:
            raise
        except Exception as error:
            raise self._failure(error) from error
        finally:
            request.leave()

    def close(self) -> None:
        """Let go of the weights; a running generation keeps them until it ends. A later use loads them again."""
        with self._loading:
            runner, self._runner = self._runner, None
        if runner is not None:
            runner.close()

    def _failure(self, error: Exception) -> KBError:
        if type(error).__name__ == "OutOfMemoryError":
            return EngineUnavailableError(
                f"{self.model_name} ran out of memory on {self._run.device}: lower retrieval.top_k, engine.window or "
                "engine.slots, or use a smaller model"
            )
        return EngineUnavailableError(f"{self.model_name} failed while answering: {first_line(error)}")

    def _fitted(self, options: GenerationOptions, ids: list[int], vocabulary: int) -> GenerationOptions:
        """Return the options cut to the window; raise for prompts that a model cannot take."""
        room = self.window - len(ids)
        if room < 1:
            raise UsageError(
                f"the prompt has {len(ids)} tokens, but the window of {self.model_name} is {self.window}: "
                "lower retrieval.top_k or shorten the question and its history"
            )
        if not ids:
            raise UsageError("the prompt is empty")
        if max(ids) >= vocabulary:
            raise EngineUnavailableError(
                f"{self.model_name}: its tokenizer makes token {max(ids)}, but its weights know {vocabulary} tokens; "
                "copy the whole model directory again"
            )
        return replace(options, max_new_tokens=min(options.max_new_tokens, room))

    def _read_folder(self) -> ModelFolder:
        with self._loading:
            if self._folder is None:
                refuse_gguf(self._model)
                path = resolve_model(
                    self._model, "engine", self._offline, self._models_folder, on_download=self._on_download
                )
                self._folder = ModelFolder(path)
            return self._folder

    def _read_template(self) -> ChatTemplate:
        folder = self._read_folder()
        with self._loading:
            if self._template is None:
                try:
                    from kb.engines.qwen.loading import load_tokenizer
                except ImportError as error:
                    raise EngineUnavailableError(MISSING_EXTRA) from error
                self._tokenizer = load_tokenizer(folder.path)
                self._template = ChatTemplate(self._tokenizer, self.model_name)
            return self._template

    def _loaded(self) -> Runner:
        folder, window = self._read_folder(), self.window
        with self._loading:
            if self._runner is None:
                from kb.engines.qwen.running import start_runner

                self._runner = start_runner(folder, self._run, window, self._tokenizer)
            return self._runner
