"""The numbers of Word's automatic lists: they are nowhere in the text of a document, and are counted here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from ingest.loaders.archive import parsed
from ingest.loaders.number_formats import written

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_LEVELS = 9
_MOST_STYLES = 50  # in a chain of styles each based on the next; a longer one goes in a circle
_PLACE = re.compile(r"%([1-9])")
# After these a number needs no space before the text.
_CLOSED = frozenset("、，。．：；）】》〉」』")


@dataclass(frozen=True, slots=True)
class _Level:
    """How one level of a list is numbered. `pattern` holds %1 to %9 for the numbers of the levels."""

    numerals: str = "decimal"
    pattern: str = ""
    start: int = 1
    space: bool = True
    legal: bool = False
    restart: int | None = None
    style: str = ""


@dataclass(frozen=True, slots=True)
class _List:
    """A list as paragraphs name it: the counters that it shares, its levels, and the numbers that it begins with."""

    counters: str
    levels: tuple[_Level, ...]
    starts: dict[int, int] = field(default_factory=dict)


class Numbering:
    """Counts the paragraphs of one document, which must be asked for in their order."""

    def __init__(self, document: Any) -> None:
        styles = {style.get(f"{_W}styleId", ""): style for style in document.styles.element.iter(f"{_W}style")}
        self._styled = {identity: _of_style(style, styles) for identity, style in styles.items()}
        self._lists = _lists(_part(document), self._styled)
        self._counts: dict[str, list[int | None]] = {}
        self._begun: set[str] = set()

    def mark(self, paragraph: Any) -> str:
        """Return the number that stands before the text of a paragraph, with what parts it from that; "" for none."""
        properties = paragraph.find(f"{_W}pPr")
        if properties is None:
            return ""
        style = _value(properties.find(f"{_W}pStyle"))
        number = properties.find(f"{_W}numPr")
        of_style, level_of_style = self._styled.get(style, ("", ""))
        identity = (_value(number.find(f"{_W}numId")) if number is not None else "") or of_style
        found = self._lists.get(identity)
        if found is None:
            return ""
        named = _value(number.find(f"{_W}ilvl")) if number is not None else ""
        level = self._level(found, named, style, level_of_style)
        return self._counted(identity, found, level)

    def _level(self, found: _List, named: str, style: str, level_of_style: str) -> int:
        if not named and style:
            linked = [number for number, level in enumerate(found.levels) if level.style == style]
            named = str(linked[0]) if linked else level_of_style
        return min(int(named), len(found.levels) - 1) if named.isdecimal() else 0

    def _counted(self, identity: str, found: _List, level: int) -> str:
        counts = self._counts.setdefault(found.counters, [None] * _LEVELS)
        if identity not in self._begun:
            self._begun.add(identity)
            for overridden in found.starts:
                counts[overridden] = None
        for outer in range(level):
            if counts[outer] is None:
                counts[outer] = self._first(found, outer)
        before = counts[level]
        counts[level] = self._first(found, level) if before is None else before + 1
        for inner in range(level + 1, len(found.levels)):
            restart = found.levels[inner].restart
            if restart != 0 and (restart is None or level < restart):
                counts[inner] = None
        one = found.levels[level]
        if one.numerals == "bullet":
            return ""

        def number(place: re.Match[str]) -> str:
            shown = min(int(place[1]) - 1, len(found.levels) - 1)
            count = counts[shown] if counts[shown] is not None else self._first(found, shown)
            return written(count or 0, "decimal" if one.legal else found.levels[shown].numerals)

        said = _PLACE.sub(number, one.pattern).strip()
        return said + " " if said and one.space and said[-1] not in _CLOSED else said

    @staticmethod
    def _first(found: _List, level: int) -> int:
        return found.starts.get(level, found.levels[level].start)


def _part(document: Any) -> Any:
    """Return the outermost element of the definitions of lists, or None."""
    for relation in document.part.rels.values():
        if relation.reltype.endswith("/numbering") and not relation.is_external:
            return parsed(relation.target_part.blob)
    return None


def _lists(part: Any, styled: dict[str, tuple[str, str]]) -> dict[str, _List]:
    """Return the lists by the numbers that paragraphs name them by."""
    if part is None:
        return {}
    kinds = {one.get(f"{_W}abstractNumId", ""): one for one in part.iter(f"{_W}abstractNum")}
    kind_of = {one.get(f"{_W}numId", ""): _value(one.find(f"{_W}abstractNumId")) for one in part.iter(f"{_W}num")}
    found: dict[str, _List] = {}
    for one in part.iter(f"{_W}num"):
        kind = kind_of[one.get(f"{_W}numId", "")]
        link = _value(kinds[kind].find(f"{_W}numStyleLink")) if kind in kinds else ""
        if link:  # the levels are those of the list of a style
            kind = kind_of.get(styled.get(link, ("", ""))[0], kind)
        if kind not in kinds:
            continue
        levels = _levels(kinds[kind])
        starts: dict[int, int] = {}
        for override in one.iter(f"{_W}lvlOverride"):
            place = _number(override.get(f"{_W}ilvl"), 0)
            if place >= _LEVELS:
                continue
            if (own := override.find(f"{_W}lvl")) is not None:
                levels[place] = _of_level(own)
            if (start := override.find(f"{_W}startOverride")) is not None:
                starts[place] = _number(_value(start), 1)
        found[one.get(f"{_W}numId", "")] = _List(kind, tuple(levels), starts)
    found.pop("0", None)  # what paragraphs name to be in no list
    return found


def _levels(kind: Any) -> list[_Level]:
    levels = [_Level(numerals="none")] * _LEVELS
    for level in kind.iter(f"{_W}lvl"):
        place = _number(level.get(f"{_W}ilvl"), 0)
        if place < _LEVELS:
            levels[place] = _of_level(level)
    return levels


def _of_level(level: Any) -> _Level:
    restart = level.find(f"{_W}lvlRestart")
    found = _Level(
        numerals=_value(level.find(f"{_W}numFmt")) or "decimal",
        pattern=_value(level.find(f"{_W}lvlText")),
        start=_number(_value(level.find(f"{_W}start")), 0),
        space=_value(level.find(f"{_W}suff")) != "nothing",
        style=_value(level.find(f"{_W}pStyle")),
        restart=None if restart is None else _number(_value(restart), 0),
    )
    legal = level.find(f"{_W}isLgl")
    return replace(found, legal=legal is not None and _value(legal) not in ("0", "false", "off"))


def _of_style(style: Any, styles: dict[str, Any]) -> tuple[str, str]:
    """Return the list and level of a style, "" where it has none; it takes over from the one that it is based on."""
    below: Any = style
    level = ""
    for _ in range(_MOST_STYLES):
        if below is None:
            break
        number = below.find(f"{_W}pPr/{_W}numPr")
        if number is not None:
            level = level or _value(number.find(f"{_W}ilvl"))
            if identity := _value(number.find(f"{_W}numId")):
                return identity, level
        below = styles.get(_value(below.find(f"{_W}basedOn")))
    return "", level


def _number(value: str | None, otherwise: int) -> int:
    return int(value) if value and value.isascii() and value.isdecimal() and len(value) < 7 else otherwise


def _value(element: Any) -> str:
    return "" if element is None else str(element.get(f"{_W}val", ""))
