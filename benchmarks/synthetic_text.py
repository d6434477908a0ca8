"""Chinese text made by rule, for benchmarks that need more passages than real question sets hold.

Passages and questions are the same for the same seed on every machine, need no data file and resemble real ones in
what a keyword index is slow or fast by: how many passages a term is in, how often it is repeated there, and how many
distinct terms a growing collection brings. They mean nothing. The constants were set by hand so that the figures that
`python -m benchmarks.synthetic_text [--like FILE]` prints are near those of CMRC 2018 dev cut to the same length.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.question_sets import load_questions
from indexes.text.matching import query_terms, terms

# Words that hold sentences together, most frequent first.
_SPELT = """
的 在 是 和 了 有 为 一 与 被 以 于 不 中 也 而 他 对 上 由 将 就 并 其 这 及 到 后 从 但 又 或 因 至 所 之
可 该 等 个 可以 因为 以及 进行 成为 开始 其中 之后 没有 由于 他们 自己 通过 作为 主要 部分 目前 包括 这个
一个 如果 但是 需要 第一 第二 根据 使用 或者 所有 已经 不同 同时 时间 发展 工作 问题 地区 中国 世界 国家
公司 大学 历史 文化 管理 服务 系统
"""
_FUNCTION_WORDS: Final = tuple(_SPELT.split())
_FUNCTION_SHARE: Final = 0.2
_VOCABULARY: Final = 50_000
_PHRASES: Final = 60_000
# Shares of words of one, two, three and four characters.
_WORD_LENGTHS: Final = (0.08, 0.66, 0.18, 0.08)
# Zipf's law with Mandelbrot's shift: the chance of the r-th word is (r + shift) to the minus exponent.
_FUNCTION_ZIPF: Final = (0.6, 1.0)
_CONTENT_ZIPF: Final = (25.0, 0.95)
_CHARACTER_ZIPF: Final = (60.0, 1.2)
# A passage keeps coming back to a few words of its own: this share of its content words are among so many.
_TOPIC_SHARE: Final = 0.5
_TOPIC_WORDS: Final = 16
_NUMBER_SHARE: Final = 0.05
_NUMBERS: Final = 2_100
_MARK_SHARE: Final = 0.18
_MARKS: Final = ("，", "。", "、", "《", "（")
_MARK_CHANCES: Final = (0.5, 0.28, 0.14, 0.04, 0.04)
# Words drawn for a passage, enough for the longest; characters it is cut to.
_WORDS: Final = 140
_CHARACTERS: Final = (205, 256)
_BLOCK: Final = 1_000
_QUESTION_ENDS: Final = (
    "是什么？", "有哪些？", "是谁？", "是多少？",
    "在哪里？", "什么时候开始？", "为什么？", "如何进行？",
)  # fmt: skip
_ASKED_ABOUT: Final = 10_000


class _Lexicon(NamedTuple):
    """`words` (w,): function words, content words and phrases, numbers; cumulative chances of the first two groups."""

    words: NDArray[np.object_]
    function: NDArray[np.float64]
    content: NDArray[np.float64]


def passages(count: int, seed: int = 0) -> Iterator[str]:
    """Yield `count` passages of 200 to 250 tokens each; the first n are the same for any count.

    `seed` picks the collection: collections share their words and nothing else.
    """
    for block in range(-(-count // _BLOCK)):
        yield from _block(seed, block)[: count - block * _BLOCK]


def questions(count: int, seed: int = 1) -> list[str]:
    """Return `count` questions of about 16 characters: two stretches of one passage and a question word.

    The passages are among the first 10,000 of `passages(..., seed=0)`.
    """
    random = np.random.Generator(np.random.PCG64([seed, 1 << 32]))
    made: dict[int, list[str]] = {}
    asked = []
    for number in random.integers(0, _ASKED_ABOUT, count).tolist():
        block, place = divmod(number, _BLOCK)
        if block not in made:
            made[block] = _block(0, block)
        parts = []
        for begin, length in zip(random.integers(0, 190, 2).tolist(), random.integers(3, 8, 2).tolist(), strict=True):
            parts.append("".join(character for character in made[block][place][begin:][:length] if character.isalnum()))
        asked.append(f"{parts[0]}的{parts[1]}{_QUESTION_ENDS[int(random.integers(0, len(_QUESTION_ENDS)))]}")
    return asked


def _block(seed: int, block: int) -> list[str]:
    """Return a thousand passages."""
    lexicon = _lexicon()
    random = np.random.Generator(np.random.PCG64([seed, block]))
    shape = (_BLOCK, _WORDS)
    first_content, first_number = len(_FUNCTION_WORDS), lexicon.words.size - _NUMBERS
    chosen = first_content + _draw(lexicon.content, random, shape)
    topics = first_content + _draw(lexicon.content, random, (_BLOCK, _TOPIC_WORDS))
    # Squared, so that a passage has a main word and some beside it.
    column = (_TOPIC_WORDS * random.random(shape) ** 2).astype(np.int64)
    chosen = np.where(random.random(shape) < _TOPIC_SHARE, np.take_along_axis(topics, column, 1), chosen)
    numbers = first_number + (_NUMBERS * random.random(shape) ** 0.5).astype(np.int64)
    kind = random.random(shape)
    chosen = np.where(kind < _NUMBER_SHARE, numbers, chosen)
    chosen = np.where(kind > 1 - _FUNCTION_SHARE, _draw(lexicon.function, random, shape), chosen)
    marks = np.array([*_MARKS, ""], dtype=object)
    follows = _draw(np.cumsum(_MARK_CHANCES), random, shape)
    follows[random.random(shape) >= _MARK_SHARE] = len(_MARKS)
    words = (lexicon.words[chosen] + marks[follows]).tolist()
    lengths = random.integers(*_CHARACTERS, _BLOCK).tolist()
    return ["".join(row)[:length] + "。" for row, length in zip(words, lengths, strict=True)]


@lru_cache(maxsize=1)
def _lexicon() -> _Lexicon:
    random = np.random.Generator(np.random.PCG64(2_026))
    characters = np.array([chr(code) for code in range(0x4E00, 0x9FA6) if _is_common(chr(code))], dtype=object)
    random.shuffle(characters)
    lengths = 1 + _draw(np.cumsum(_WORD_LENGTHS), random, (_VOCABULARY,))
    drawn = characters[_draw(_zipf(characters.size, *_CHARACTER_ZIPF), random, (_VOCABULARY, len(_WORD_LENGTHS)))]
    words = ["".join(row[:length]) for row, length in zip(drawn.tolist(), lengths.tolist(), strict=True)]
    # Set phrases: neighbours that come together again and again, as words of a language do.
    parts = np.array([*_FUNCTION_WORDS, *words], dtype=object)
    pairs = parts[_draw(_zipf(parts.size, *_CONTENT_ZIPF), random, (_PHRASES, 2))]
    content = np.array([*words, *(pairs[:, 0] + pairs[:, 1])], dtype=object)
    random.shuffle(content)
    numbers = [str(number) for number in range(1, _NUMBERS + 1)]
    return _Lexicon(
        np.array([*_FUNCTION_WORDS, *content, *numbers], dtype=object),
        _zipf(len(_FUNCTION_WORDS), *_FUNCTION_ZIPF),
        _zipf(content.size, *_CONTENT_ZIPF),
    )


def _draw(sums: NDArray[np.float64], random: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Draw indexes by their cumulative chances."""
    drawn: NDArray[np.int64] = np.searchsorted(sums, random.random(shape), side="right").clip(max=sums.size - 1)
    return drawn


def _is_common(character: str) -> bool:
    """Tell whether a character is on the first level of GB 2312: the 3,755 in everyday use."""
    try:
        code = character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return 0xB0 <= code[0] <= 0xD7


def _zipf(size: int, shift: float, exponent: float) -> NDArray[np.float64]:
    """Return the cumulative chances (size,) of ranks from the most frequent down."""
    sums: NDArray[np.float64] = np.cumsum((np.arange(1, size + 1) + shift) ** -exponent)
    sums /= sums[-1]
    return sums


def figures(texts: Sequence[str], asked: Sequence[str]) -> dict[str, float]:
    """Return what a keyword index is slow or fast by: means over `texts`, and over the terms of `asked` in them."""
    holders: Counter[int] = Counter()
    lengths, repeated = 0, 0
    for text in texts:
        distinct, counts = np.unique(terms(text), return_counts=True)
        lengths += int(counts.sum())
        repeated += int(np.count_nonzero(counts > 1))
        holders.update(distinct.tolist())
    shares = np.sort(np.array(list(holders.values())))[::-1] / len(texts)
    wanted = [query_terms(question).tolist() for question in asked]
    found = {f"share of texts with term {rank}": shares[rank - 1] for rank in (1, 10, 100, 1000) if rank <= shares.size}
    return {
        "characters a text": sum(map(len, texts)) / len(texts),
        "terms a text": lengths / len(texts),
        "share of terms repeated in a text": repeated / sum(holders.values()),
        "distinct terms": len(holders),
        **found,
        "terms a question": sum(map(len, wanted)) / max(len(wanted), 1),
        "postings a question and text": sum(holders[term] for terms_ in wanted for term in terms_)
        / (len(texts) * max(len(wanted), 1)),
    }


def main() -> None:
    """Print the figures of made text, and of the paragraphs of a question set cut to the same length."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--like", type=Path, help="a SQuAD-style file")
    options = parser.parse_args()
    columns = {"made": figures(list(passages(options.count)), questions(500))}
    if options.like:
        real = load_questions(options.like)
        cut = [text[at : at + 230] for text in real.paragraphs for at in range(0, max(1, len(text) - 100), 230)]
        columns[real.name] = figures(cut[: options.count], [item.text for item in real.questions])
    print(f"{'':36}" + "".join(f"{name:>16}" for name in columns))
    for name in columns["made"]:
        print(f"{name:36}" + "".join(f"{column[name]:16.3f}" for column in columns.values()))


if __name__ == "__main__":
    main()
