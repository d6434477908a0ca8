"""The command `kb`, and `python -m kb`: from its first moment on, Ctrl-C and SIGTERM end it with one line.

Only what the interpreter has loaded already is imported here before interrupts are taken care of.
"""

from __future__ import annotations

import os
import sys

INTERRUPTED = 130


def run() -> None:
    """Run the command line and exit. Until its own handling is in place, an interrupt ends the process at once.

    SIGTERM is an interrupt too; commands that write or serve end in their own way.
    """
    try:
        import signal

        # Where interrupts are ignored, as in the background of a shell script, they stay so.
        usual = ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL))
        ours = [number for number, handler in usual if signal.getsignal(number) is handler]
        for number in ours:
            signal.signal(number, _leave)
        from kb.cli.main import run as run_command

        for number in ours:
            signal.signal(number, signal.default_int_handler)
        run_command()
    except KeyboardInterrupt:
        _leave()


def _leave(number: int = 2, frame: object = None) -> None:
    """End the process now: nothing is held yet, or all that was held is let go."""
    sys.stderr.write("kb: interrupted\n")
    sys.stderr.flush()
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    run()
