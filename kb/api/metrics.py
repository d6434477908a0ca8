"""What the service counts, for Prometheus: requests, questions, work in flight, and the size of what is served."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


@dataclass(frozen=True, slots=True)
class KnowledgeBaseSize:
    """What one knowledge base serves at the moment."""

    kb: str
    version: int
    documents: int
    chunks: int


class Metrics:
    """The counters of one service, in a registry of their own. `sizes` is asked at each scrape."""

    def __init__(self, sizes: Callable[[], Iterable[KnowledgeBaseSize]] = tuple) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(_SizeCollector(sizes))
        self._requests = Counter(
            "kb_http_requests", "Requests by method, route and status.", ("method", "route", "status"),
            registry=self._registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "kb_http_request_seconds", "Time from the request's head to the end of its response.", ("route",),
            buckets=_SECONDS, registry=self._registry,
        )  # fmt: skip
        self._open = Gauge("kb_http_requests_open", "Requests being served.", registry=self._registry)
        self._questions = Counter(
            "kb_questions", "Questions by outcome: answered, refused, failed or stopped.", ("outcome",),
            registry=self._registry,
        )  # fmt: skip
        self._uploads = Counter("kb_uploads", "Uploads by outcome.", ("outcome",), registry=self._registry)

    def begin(self) -> None:
        """Count a request that has begun."""
        self._open.inc()

    def end(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that has ended."""
        self._open.dec()
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def question(self, outcome: str) -> None:
        """Count a question: "answered", "refused", "failed" or "stopped"."""
        self._questions.labels(outcome).inc()

    def upload(self, outcome: str) -> None:
        """Count an upload by the status of its job: "done", "partial" or "failed"."""
        self._uploads.labels(outcome).inc()

    def text(self) -> bytes:
        """Return all figures in Prometheus' text format."""
        return generate_latest(self._registry)


class _SizeCollector(Collector):
    """Reads the sizes when asked, so that they cannot be stale."""

    def __init__(self, sizes: Callable[[], Iterable[KnowledgeBaseSize]]) -> None:
        self._sizes = sizes

    def describe(self) -> Iterable[Metric]:
        return self._families(())

    def collect(self) -> Iterable[Metric]:
        return self._families(tuple(self._sizes()))

    @staticmethod
    def _families(sizes: Iterable[KnowledgeBaseSize]) -> list[Metric]:
        version = GaugeMetricFamily("kb_version", "Version that is served.", labels=("kb",))
        documents = GaugeMetricFamily("kb_documents", "Documents in the served version.", labels=("kb",))
        chunks = GaugeMetricFamily("kb_chunks", "Passages in the served version.", labels=("kb",))
        for size in sizes:
            version.add_metric((size.kb,), size.version)
            documents.add_metric((size.kb,), size.documents)
            chunks.add_metric((size.kb,), size.chunks)
        return [version, documents, chunks]
