"""Any sequence of puts, removals, publishes, rollbacks and collections agrees with a model made of dictionaries."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indexes.errors import NotFoundError
from tests.indexes.storage_samples import id_of, make_store, put, shown, text_of, uri_of

NAMES = [f"档{number}" for number in range(6)]
KEEP = 3

STEP = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(NAMES), st.integers(0, 9)),
    st.tuples(st.just("remove"), st.sampled_from(NAMES), st.none()),
    st.tuples(st.just("publish"), st.none(), st.none()),
    st.tuples(st.just("rollback"), st.none(), st.integers(1, 8)),
    st.tuples(st.just("gc"), st.none(), st.none()),
    st.tuples(st.just("fail"), st.sampled_from(NAMES), st.none()),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEP, min_size=4, max_size=25))
def test_the_store_agrees_with_a_model(steps: list[tuple[str, str | None, int | None]]) -> None:
    """After each step readers see the model's newest version, and the writer knows the model's pending work."""
    with tempfile.TemporaryDirectory() as folder:
        store = make_store(Path(folder) / "kb", keep_versions=KEEP)
        head: dict[str, str] = {}
        versions: dict[int, dict[str, str]] = {}
        failed: set[str] = set()
        for action, name, number in steps:
            newest = max(versions, default=0)
            current = versions.get(newest, {})
            if action == "put" and name is not None:
                with store.writer() as writer:
                    put(writer, name, text_of(name, str(number)))
                head[uri_of(name)] = text_of(name, str(number))
                failed.discard(uri_of(name))
            elif action == "fail" and name is not None:
                with store.writer() as writer:
                    writer.fail(uri_of(name), "damaged", "no pages")
                failed.add(uri_of(name))
            elif action == "remove" and name is not None and uri_of(name) in head.keys() | failed:
                with store.writer() as writer:
                    writer.remove([id_of(name)])
                head.pop(uri_of(name), None)
                failed.discard(uri_of(name))
            elif action == "publish":
                with store.writer() as writer:
                    published = writer.publish()
                # A put of the same text is a new state and may be shown as a new version; otherwise nothing changes.
                assert published in (newest, newest + 1) and (head == current or published == newest + 1)
                if published:
                    versions[published] = dict(head)
            elif action == "rollback" and number is not None:
                try:
                    restored = store.rollback(number)
                except NotFoundError:
                    assert number not in versions
                else:
                    assert restored in (newest, newest + 1) and number in versions
                    assert restored == newest + 1 or versions[number] == current
                    versions[restored] = dict(versions[number])
                    head = dict(versions[number])
            elif action == "gc":
                store.gc(minimum_age=0)
                versions = {kept: versions[kept] for kept in sorted(versions)[-KEEP:]}
            snapshot = store.snapshot()
            assert snapshot.version == max(versions, default=0)
            assert shown(snapshot) == versions.get(snapshot.version, {})
            assert [row.version for row in store.versions()] == sorted(versions, reverse=True)
            with store.writer() as writer:
                known = writer.known()
            assert known.keys() == head.keys() | failed
            assert {uri for uri, document in known.items() if document.status == "failed"} == failed
        assert store.verify().problems == []
        store.close()
