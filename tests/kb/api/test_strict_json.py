"""The strict reading of JSON."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kb.api.errors import ServiceError
from kb.api.strict_json import parse

PLAIN = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PLAIN, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_valid_json_is_read_as_it_is(value: object, escaped: bool) -> None:
    """Any JSON value without NUL and surrogates comes back as it went in, escaped or not."""
    try:
        assert parse(json.dumps(value, ensure_ascii=escaped).encode()) == value
    except ServiceError as error:
        assert "nested" in error.message


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Bytes are a value or the one error, never anything else; what is read can be written again."""
    try:
        value = parse(body)
    except ServiceError as error:
        assert error.code == "invalid_request"
    else:
        assert json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        assert not isinstance(value, float) or math.isfinite(value)


@pytest.mark.parametrize("depth", [40, 2_000, 30_000, 100_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    """Nesting is refused at any depth, also where the parser itself gives up."""
    for body in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
        with pytest.raises(ServiceError):
            parse(body.encode())
