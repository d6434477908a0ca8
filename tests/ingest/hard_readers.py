"""LlamaIndex readers that do what readers should not, for the tests of the limits that they run under."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from llama_index.core.readers.base import BaseReader
from llama_index.core.schema import Document


class HardReader(BaseReader):  # type: ignore[misc]  # the library's base has no types
    """Writes its process id to `note`, and then does what `deed` says."""

    def __init__(self, deed: str, note: str = "") -> None:
        self.deed = deed
        self.note = note

    def load_data(self) -> list[Document]:
        if self.deed == "hang":
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            Path(self.note + ".part").write_text(f"{os.getpid()} {child.pid}")
            os.rename(self.note + ".part", self.note)
            time.sleep(600)
        if self.deed == "swallow":
            return [Document(text="x" * (4 << 30))]
        if self.deed == "exit":
            os._exit(3)
        if self.deed == "print":
            print("no frame of ours", flush=True)
        size = 1 << 16
        documents = [Document(text=f"第{number}个文件。" + "字" * size, id_=f"d{number}") for number in range(5)]
        return [*documents, Document(text=os.environ.get("READER_KEY", ""), id_="key")]
