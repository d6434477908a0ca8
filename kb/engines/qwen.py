"""The engine that runs Qwen1.5, Qwen2, Qwen2.5 and Qwen3 chat models in this process, by transformers."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexes.errors import ConfigurationError, EngineUnavailableError, KBError, UsageError
from indexes.model_files import resolve_model
from kb.engines.base import GenerationOptions
from kb.engines.chat_template import ChatTemplate, first_line
from kb.engines.model_folder import ModelFolder
from kb.engines.qwen_options import RunOptions
from kb.engines.thinking import OPENING, ThinkFilter
from kb.engines.turns import Turns
from kb.records import Message, Prompt, Usage

if TYPE_CHECKING:
    from kb.engines.local_model import LocalModel, Outcome
    from kb.engines.qwen_memory import MemoryPlan

MISSING_EXTRA = "the engine 'qwen' needs torch and transformers: pip install 'qwen-kb[local]'"
_POLL_SECONDS = 0.05


class QwenEngine:
    """One model, loaded at its first use; one generation at a time, in the order of asking.

    `model` is a directory or the name of a model on this machine (with `offline=False` also on a hub). Only
    safetensors are read and no code of the model's is ever run.
    """

    name = "qwen"

    def __init__(
        self,
        model: str,
        run: RunOptions | None = None,
        *,
        offline: bool = True,
        models_folder: Path | None = None,
    ) -> None:
        self._model_name = model
        self._run = run or RunOptions()
        self._offline = offline
        self._models_folder = models_folder
        self._loading = threading.Lock()
        self._turns = Turns()
        self._folder: ModelFolder | None = None
        self._template: ChatTemplate | None = None
        self._tokenizer: Any = None
        self._model: LocalModel | None = None

    @property
    def window(self) -> int:
        """The largest number of tokens, prompt and answer together; read from the model's config.json."""
        own = self._read_folder().window
        window = self._run.window
        if window is not None and window > own:
            raise ConfigurationError(f"engine.window is {window}, but {self._model_name} was made for {own} tokens")
        return window or own

    def check_memory(self) -> MemoryPlan:
        """Return what the model will take, without loading it; raise EngineUnavailableError where it does not fit."""
        folder = self._read_folder()
        try:
            from kb.engines.qwen_loading import place
        except ImportError as error:
            raise EngineUnavailableError(MISSING_EXTRA) from error
        placing = place(folder, self._run, self.window)
        placing.require_memory(folder)
        return placing.plan

    def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the number of prompt tokens of `messages`, chat template included."""
        template = self._read_template()
        return len(template.encode(template.render(messages)))

    def stream(self, prompt: Prompt, options: GenerationOptions, cancel: threading.Event) -> Iterator[str | Usage]:
        """Yield pieces of the answer without any `<think>` block, and then its `Usage`.

        Greedy where the temperature is 0. Ends within one step once `cancel` is set. Raises UsageError where the
        prompt leaves no room in the window, EngineUnavailableError where the model cannot be loaded or fails.
        """
        if cancel.is_set():
            return
        template = self._read_template()
        text = template.render(prompt.messages)
        ids = template.encode(text)
        options = self._fitted(options, len(ids))
        model = self._loaded()
        left = threading.Event()
        pieces: queue.SimpleQueue[str | Outcome] = queue.SimpleQueue()
        thread = self._started(model, ids, options, pieces, cancel, left)
        shown = ThinkFilter(inside=text.rstrip().endswith(OPENING))
        try:
            yield from self._read(pieces, thread, cancel, shown, len(ids))
        finally:
            left.set()

    def close(self) -> None:
        """Let go of the weights; a running generation keeps them until it ends. A later use loads them again."""
        with self._loading:
            self._model = None

    def _started(
        self,
        model: LocalModel,
        ids: list[int],
        options: GenerationOptions,
        pieces: queue.SimpleQueue[str | Outcome],
        cancel: threading.Event,
        left: threading.Event,
    ) -> threading.Thread:
        """Queue one generation. Its own thread holds the turn, so a slow reader keeps nobody waiting."""
        from kb.engines.local_model import Outcome, start

        def stopped() -> bool:
            return cancel.is_set() or left.is_set()

        def run() -> None:
            if not self._turns.acquire(stopped):
                pieces.put(Outcome(0))
                return
            try:
                model.generate(ids, options, pieces, stopped)
            finally:
                self._turns.release()

        return start(model, run)

    def _read(
        self,
        pieces: queue.SimpleQueue[str | Outcome],
        thread: threading.Thread,
        cancel: threading.Event,
        shown: ThinkFilter,
        prompt_tokens: int,
    ) -> Iterator[str | Usage]:
        while not cancel.is_set():
            try:
                item = pieces.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                if not thread.is_alive() and pieces.empty():
                    raise EngineUnavailableError(f"{self._model_name}: the generation died without a word") from None
                continue
            if isinstance(item, str):
                if text := shown.feed(item):
                    yield text
                continue
            if item.error is not None:
                raise self._failure(item.error)
            if text := shown.finish():
                yield text
            yield Usage(prompt_tokens, item.completion_tokens)
            return

    def _failure(self, error: BaseException) -> KBError:
        if type(error).__name__ == "OutOfMemoryError":
            failure = EngineUnavailableError(
                f"{self._model_name} ran out of memory on {self._run.device}: lower retrieval.top_k or engine.window, "
                "or use a smaller model"
            )
        else:
            failure = EngineUnavailableError(f"{self._model_name} failed while answering: {first_line(error)}")
        failure.__cause__ = error
        return failure

    def _fitted(self, options: GenerationOptions, prompt_tokens: int) -> GenerationOptions:
        room = self.window - prompt_tokens
        if room < 1:
            raise UsageError(
                f"the prompt has {prompt_tokens} tokens, but the window of {self._model_name} is {self.window}: "
                "lower retrieval.top_k or shorten the question and its history"
            )
        return replace(options, max_new_tokens=min(options.max_new_tokens, room))

    def _read_folder(self) -> ModelFolder:
        with self._loading:
            if self._folder is None:
                path = resolve_model(self._model_name, "engine", self._offline, self._models_folder)
                self._folder = ModelFolder(path)
            return self._folder

    def _read_template(self) -> ChatTemplate:
        folder = self._read_folder()
        with self._loading:
            if self._template is None:
                try:
                    from kb.engines.qwen_loading import load_tokenizer
                except ImportError as error:
                    raise EngineUnavailableError(MISSING_EXTRA) from error
                self._tokenizer = load_tokenizer(folder.path)
                self._template = ChatTemplate(self._tokenizer, self._model_name)
            return self._template

    def _loaded(self) -> LocalModel:
        folder, window = self._read_folder(), self.window
        with self._loading:
            if self._model is None:
                from kb.engines.local_model import LocalModel
                from kb.engines.qwen_loading import load_model, place

                placing = place(folder, self._run, window)
                self._model = LocalModel(load_model(folder, placing, self._tokenizer), self._tokenizer)
            return self._model
