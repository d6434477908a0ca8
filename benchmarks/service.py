"""What the service costs: memory at rest and after questions, latency and throughput of /search and /ask, time to stop.

usage: python benchmarks/service.py DOCUMENT... [--questions FILE] [--count N] [--clients N]

Ingests the documents into an empty temporary home, runs `kb serve` on loopback as a user would, and prints one JSON
object. FILE holds one question a line; without it the questions are made of the documents' own first sentences.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

SAMPLES = Path(__file__).resolve().parent.parent / "docs" / "samples"
KB = [sys.executable, "-m", "kb"]


def resident_mb(process_id: int) -> float:
    """Return the resident memory of a process in MB (10^6 bytes); Linux only."""
    status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    return round(int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024 / 1e6, 1)


def free_port() -> int:
    """Return a port that nobody listens on at the moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_until_ready(client: httpx.Client, server: subprocess.Popen[bytes]) -> float:
    """Return the seconds until /readyz answered 200."""
    started = time.perf_counter()
    while True:
        try:
            if client.get("/readyz").status_code == 200:
                return round(time.perf_counter() - started, 2)
        except httpx.TransportError:
            if server.poll() is not None:
                raise SystemExit("kb serve ended") from None
        time.sleep(0.05)


def questions_of(client: httpx.Client, count: int) -> list[str]:
    """Return questions made of sentences of the documents that are served."""
    found: list[str] = []
    for document in client.get("/documents").json()["documents"]:
        text = client.get(f"/documents/{document['document_id']}").json()["text"]
        step = max(1, len(text) // count)
        found += [text[start : start + 40].replace("\n", " ").strip() for start in range(0, len(text), step)]
    return [question for question in found if len(question) > 10][:count]


def measure(client: httpx.Client, path: str, field: str, questions: list[str], clients: int) -> dict[str, float]:
    """Return latencies in milliseconds and requests per second of one address."""

    def one(question: str) -> float:
        started = time.perf_counter()
        response = client.post(path, json={field: question})
        response.raise_for_status()
        return 1e3 * (time.perf_counter() - started)

    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        times = sorted(pool.map(one, questions))
    seconds = time.perf_counter() - started
    return {
        "p50_ms": round(statistics.median(times), 1),
        "p95_ms": round(times[int(0.95 * (len(times) - 1))], 1),
        "per_second": round(len(times) / seconds, 1),
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("documents", nargs="*", default=[str(SAMPLES)], help="files and folders to ingest")
    parser.add_argument("--questions", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--clients", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "KB_HOME": home}
        subprocess.run([*KB, "ingest", *arguments.documents], env=environment, check=True, stdout=sys.stderr)
        port = free_port()
        server = subprocess.Popen(
            [*KB, "serve", "--port", str(port)], env=environment, stderr=subprocess.DEVNULL, stdout=sys.stderr
        )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
                result: dict[str, object] = {"ready_s": wait_until_ready(client, server)}
                result["rest_mb"] = resident_mb(server.pid)
                if arguments.questions:
                    questions = arguments.questions.read_text(encoding="utf-8").splitlines()[: arguments.count]
                else:
                    questions = questions_of(client, arguments.count)
                for question in questions[:50]:
                    client.post("/ask", json={"question": question}).raise_for_status()
                result["after_50_asks_mb"] = resident_mb(server.pid)
                result["questions"] = len(questions)
                result["search"] = measure(client, "/search", "query", questions, 1)
                result["search_parallel"] = measure(client, "/search", "query", questions, arguments.clients)
                result["ask"] = measure(client, "/ask", "question", questions, 1)
                result["ask_parallel"] = measure(client, "/ask", "question", questions, arguments.clients)
                result["end_mb"] = resident_mb(server.pid)
            started = time.perf_counter()
            server.send_signal(signal.SIGTERM)
            server.wait(20)
            result["stop_s"] = round(time.perf_counter() - started, 2)
        finally:
            server.kill()
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    main()
