"""Questions that a document nearly answers: they are reported (`kb eval answers`), without a figure to reach."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from kb.evaluation.data import read_dataset
from kb.records import Question
from kb.settings import load_settings
from kb.wiring import Application

FILE = Path(__file__).resolve().parent.parent / "data" / "near_miss_questions.jsonl"


def test_the_questions_name_documents_that_are_there() -> None:
    """A hundred different questions over ten documents, most of them Chinese, each without an answer."""
    dataset = read_dataset(FILE)
    assert len(dataset.questions) == len({asked.text for asked in dataset.questions}) == 100
    assert all(asked.answers == () for asked in dataset.questions)
    assert len(dataset.sources) == 10
    assert all(source.path is not None and source.path.is_file() for source in dataset.sources)
    asked_of = Counter(asked.source for asked in dataset.questions)
    assert min(asked_of.values()) >= 5
    assert sum(asked.text.isascii() for asked in dataset.questions) < 30


def test_they_are_near_and_are_not_answered_by_another_document(kb_home: Path) -> None:
    """The document that a question is about is mostly found first: what misses is the answer, not the subject."""
    dataset = read_dataset(FILE)
    application = Application(load_settings(None, {}, {"KB_HOME": str(kb_home)}))
    try:
        paths = [source.path for source in dataset.sources if source.path is not None]
        application.pipeline("near").ingest([str(path) for path in paths])
        answerer = application.answerer("near")
        near = 0
        for asked in dataset.questions:
            answer = answerer.answer(Question(asked.text))
            name = Path(dataset.sources[asked.source or 0].name).name
            near += bool(answer.hits) and answer.hits[0].uri.endswith(f"/{name}")
            assert answer.status == "refused" or answer.citations
        assert near >= 80
    finally:
        application.close()
