"""Run benchmarks one after the other: `python -m benchmarks [--small] [NAME ...]`.

Without names all are run, at full size, and replace what is in `benchmarks/results/`. `--small` only shows that they
run: few questions and little text, nothing written. A benchmark whose question sets are not there says so in a line.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = str(ROOT / "docs" / "samples")
# By name: the arguments at full size, and those of a small run (None: there is no small one).
BENCHMARKS: dict[str, tuple[list[str], list[str] | None]] = {
    "splitting": (["--write"], []),
    "retrieval": (["--write"], ["--chunks", "300", "--limit", "20"]),
    "answers": ([], ["--limit", "20"]),
    "fit_confidence": ([], None),
    # Without --write: where a peer is not installed its row would be lost.
    "peers": ([], ["--limit", "20"]),
    "keywords": (["--write"], ["--chunks", "500", "--engines", "ours"]),
    "vectors": (["--write"], ["--count", "2000"]),
    "growth": (["--write"], ["--chunks", "500"]),
    "ingest": (["--write"], ["--documents", SAMPLES, "--files", "20", "--large-mb", "4"]),
    "service": ([], ["--count", "10"]),
    "embedding": (["--write"], ["--megabytes", "0.01"]),
    "engine": (["--write"], ["--shape", "tiny"]),
}


def main() -> int:
    """Run them, and return 1 where one failed; the others are run all the same."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", metavar="NAME", nargs="*", help=", ".join(BENCHMARKS))
    parser.add_argument("--small", action="store_true", help="only show that they run")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are: {', '.join(BENCHMARKS)}")
    failed = []
    for name in options.names or BENCHMARKS:
        arguments = BENCHMARKS[name][options.small]
        print(f"== {name}", flush=True)
        if arguments is None:
            print("left out: it has no small form", flush=True)
        elif subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *arguments], cwd=ROOT, check=False).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
