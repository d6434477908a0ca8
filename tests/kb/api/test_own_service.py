"""`kb serve` listens on a port where model servers usually do, and is not taken for one."""

from __future__ import annotations

from kb.cli import probes
from tests.kb.api.serving import RunningService


def test_our_own_service_is_no_engine(served: RunningService) -> None:
    """`kb doctor` recognises the program's own service and does not offer it to itself."""
    port = int(served.url.rpartition(":")[2])
    (found,) = probes.find_servers({port: "vllm"})
    assert "own service" in found.advice
    assert found.configuration == ""
