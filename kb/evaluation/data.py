"""Question sets for an evaluation: SQuAD-style JSON, or JSON lines of `question`, `answers` and `document`."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from indexes.errors import UsageError
from kb.question import check_question

_LINES = (".jsonl", ".ndjson")
_NOT_SHOWN = ("Z", "C")
# A line that names its document by a text this long gives the text itself: no file name is as long.
_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Source:
    """What a question was written about: the name of a document, and its text or its file where they are given."""

    name: str
    text: str | None = None
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, the answers accepted (none: it has no answer), the number of its source, and where it stands."""

    text: str
    answers: tuple[str, ...]
    source: int | None
    place: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """The questions of a file and what they were written about. `left_out` counts questions that show nothing."""

    name: str
    sources: tuple[Source, ...]
    questions: tuple[Asked, ...]
    left_out: int


@dataclass
class _Reading:
    path: Path
    sources: list[Source] = field(default_factory=list)
    numbers: dict[Source, int] = field(default_factory=dict)
    questions: list[Asked] = field(default_factory=list)
    left_out: int = 0

    def refuse(self, place: str, problem: str) -> UsageError:
        return UsageError(f"{self.path.name}, {place}: {problem}")

    def source(self, source: Source) -> int:
        """Return the number of a source; equal ones are one."""
        if source not in self.numbers:
            self.numbers[source] = len(self.sources)
            self.sources.append(source)
        return self.numbers[source]

    def add(self, question: object, answers: tuple[str, ...], source: int | None, place: str) -> None:
        if not isinstance(question, str):
            raise self.refuse(place, "`question` is missing or is no text")
        if all(unicodedata.category(character).startswith(_NOT_SHOWN) for character in question):
            self.left_out += 1
            return
        try:
            text = check_question(question)
        except UsageError as error:
            raise self.refuse(place, str(error)) from error
        self.questions.append(Asked(text, answers, source, place))


def read_dataset(path: Path) -> Dataset:
    """Read a question set. Raise UsageError, naming the line or the place, for a file that is none."""
    try:
        content = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path.name}: byte {error.start} is not UTF-8") from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    reading = _Reading(path)
    if path.suffix.lower() in _LINES or _is_lines(content):
        _read_lines(content, reading)
    else:
        _read_squad(content, reading)
    if not reading.questions:
        raise UsageError(f"{path.name}: there is no question in it")
    return Dataset(path.stem, tuple(reading.sources), tuple(reading.questions), reading.left_out)


def _is_lines(content: str) -> bool:
    """Tell whether the first line that is not blank is an object with a question."""
    first = next((line for line in content.splitlines() if line.strip()), "")
    try:
        found = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and "question" in found


def _read_lines(content: str, reading: _Reading) -> None:
    # Not splitlines(): JSON may hold U+2028 and other line ends of Unicode unescaped.
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        place = f"line {number}"
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise reading.refuse(place, f"no JSON ({error})") from error
        if not isinstance(entry, dict):
            raise reading.refuse(place, "no JSON object")
        if "answers" not in entry:
            raise reading.refuse(place, "`answers` is missing (an empty list: there is no answer)")
        answers = _answers(entry["answers"], place, reading)
        reading.add(entry.get("question"), answers, _named_source(entry, answers, place, reading), place)


def _named_source(entry: dict[str, object], answers: tuple[str, ...], place: str, reading: _Reading) -> int | None:
    document, context = entry.get("document"), entry.get("context")
    if document is None and context is None:
        return None
    if not isinstance(document, str | None) or not isinstance(context, str | None):
        raise reading.refuse(place, "`document` and `context` must be texts")
    if context is not None:
        return reading.source(Source(document or f"line-{len(reading.sources) + 1}", context))
    name = document or ""
    if not name.strip():
        raise reading.refuse(place, "`document` is empty")
    if len(name) > _LONGEST_NAME or "\n" in name or any(answer in name for answer in answers):
        return reading.source(Source("", name))
    path = reading.path.parent / name
    return reading.source(Source(name, path=path if "\0" not in name and path.is_file() else None))


def _read_squad(content: str, reading: _Reading) -> None:
    try:
        body = json.loads(content)
    except json.JSONDecodeError as error:
        raise reading.refuse(f"line {error.lineno}", f"no JSON ({error.msg}, column {error.colno})") from error
    except RecursionError as error:
        raise reading.refuse("line 1", "JSON nested too deeply") from error
    articles = body.get("data") if isinstance(body, dict) else body
    for paragraph, place in _paragraphs(articles, reading):
        context = paragraph.get("context")
        if not isinstance(context, str) or not context.strip():
            raise reading.refuse(place, "`context` is missing or empty")
        number = len(reading.sources)
        # Not merged where two are equal: each paragraph is a document.
        reading.sources.append(Source(f"p{number}", context))
        for index, entry in enumerate(_list(paragraph.get("qas"), f"{place}.qas", reading)):
            there = f"{place}.qas[{index}]"
            if not isinstance(entry, dict):
                raise reading.refuse(there, "no object")
            answers = _answers(entry.get("answers", []), there, reading)
            reading.add(entry.get("question"), () if entry.get("is_impossible") else answers, number, there)


def _paragraphs(articles: object, reading: _Reading) -> Iterator[tuple[dict[str, object], str]]:
    for number, article in enumerate(_list(articles, "data", reading)):
        place = f"data[{number}]"
        if not isinstance(article, dict):
            raise reading.refuse(place, "no object")
        if "paragraphs" not in article:
            yield article, place
            continue
        for index, paragraph in enumerate(_list(article["paragraphs"], f"{place}.paragraphs", reading)):
            if not isinstance(paragraph, dict):
                raise reading.refuse(f"{place}.paragraphs[{index}]", "no object")
            yield paragraph, f"{place}.paragraphs[{index}]"


def _list(value: object, place: str, reading: _Reading) -> list[object]:
    if not isinstance(value, list):
        raise reading.refuse(place, "no list: a SQuAD-style file holds data[].paragraphs[].qas[]")
    return value


def _answers(value: object, place: str, reading: _Reading) -> tuple[str, ...]:
    """Return the accepted answers, each once: texts, or objects with a `text` as in SQuAD."""
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, list):
        raise reading.refuse(place, "`answers` must be a list of texts")
    texts = [entry.get("text") if isinstance(entry, dict) else entry for entry in entries]
    if not all(isinstance(text, str) for text in texts):
        raise reading.refuse(place, "`answers` must be a list of texts")
    return tuple(dict.fromkeys(text for text in texts if isinstance(text, str) and text.strip()))
