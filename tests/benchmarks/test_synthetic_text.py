"""Made text: the same every time, of the promised length, and like Chinese in how often its terms occur."""

from __future__ import annotations

from itertools import islice

import numpy as np

from benchmarks.synthetic_text import figures, passages, questions
from indexes.text.matching import query_terms, terms
from indexes.text.token_count import count_simple_tokens


def test_a_seed_stands_for_a_collection() -> None:
    """The first passages are the same however many are asked for; another seed gives others."""
    some = list(passages(1_100))
    assert len(some) == len(set(some)) == 1_100
    assert list(islice(passages(3_000), 1_100)) == some
    assert list(passages(5)) == some[:5]
    assert not set(passages(50, seed=7)) & set(some)
    assert list(passages(0)) == []


def test_passages_are_as_long_as_chunks() -> None:
    """Nearly all passages have 190 to 250 tokens."""
    counts = np.array(count_simple_tokens(list(passages(1_000))))
    assert 205 <= counts.mean() <= 235
    assert np.percentile(counts, 1) >= 185
    assert counts.max() <= 257


def test_terms_occur_as_in_chinese() -> None:
    """The figures lie within two fifths of those of CMRC 2018 dev cut to the same length (1,930 texts)."""
    real = {
        "terms a text": 318, "share of terms repeated in a text": 0.203, "distinct terms": 107_818,
        "share of texts with term 1": 0.924, "share of texts with term 10": 0.55,
        "share of texts with term 100": 0.189, "share of texts with term 1000": 0.030,
        "terms a question": 22, "postings a question and text": 2.65,
    }  # fmt: skip
    made = figures(list(passages(1_930)), questions(300))
    for name, value in real.items():
        assert abs(made[name] / value - 1) < 0.4, (name, made[name], value)


def test_questions_are_about_passages() -> None:
    """Each question shares several terms with some passage, is of a question's length, and comes back with its seed."""
    asked = questions(60)
    assert asked == questions(60)
    assert asked != questions(60, seed=2)
    assert all(6 <= len(question) <= 30 for question in asked)
    bags = [set(terms(text).tolist()) for text in passages(10_000)]
    for question in asked[:10]:
        wanted = set(query_terms(question).tolist())
        assert max(len(wanted & bag) for bag in bags) >= len(wanted) / 2
