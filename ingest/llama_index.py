"""The splitter as a LlamaIndex `NodeParser`. Needs the `llama-index` extra."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llama_index.core.node_parser import NodeParser
from llama_index.core.node_parser.node_utils import build_nodes_from_splits
from llama_index.core.schema import BaseNode, Document, MetadataMode, TextNode
from pydantic import PrivateAttr

from ingest.splitter import ChineseTextSplitter


class ChineseNodeParser(NodeParser):  # type: ignore[misc]  # llama_index is not followed by mypy
    """Parses LlamaIndex documents into nodes with `ChineseTextSplitter`; `start_char_idx` is always exact."""

    _splitter: ChineseTextSplitter = PrivateAttr()

    def __init__(self, splitter: ChineseTextSplitter) -> None:
        super().__init__()
        self._splitter = splitter

    @classmethod
    def class_name(cls) -> str:
        """Return the name under which LlamaIndex knows this component."""
        return "ChineseNodeParser"

    def _parse_nodes(
        self,
        nodes: Sequence[BaseNode],
        show_progress: bool = False,
        **kwargs: Any,  # the base class's signature
    ) -> list[BaseNode]:
        parsed: list[BaseNode] = []
        for node in nodes:
            text = node.get_content(metadata_mode=MetadataMode.NONE)
            spans = self._splitter.chunk_spans(text)
            built = build_nodes_from_splits([text[a:b] for a, b, _ in spans], node, id_func=self.id_func)
            for child, (start, end, _) in zip(built, spans, strict=True):
                child.start_char_idx, child.end_char_idx = start, end
            parsed.extend(built)
        return parsed

    def _postprocess_parsed_nodes(self, nodes: list[BaseNode], parent_doc_map: dict[str, Document]) -> list[BaseNode]:
        """Let the base class link the nodes, but keep our offsets: it searches for the text, which can repeat."""
        exact = [(node.start_char_idx, node.end_char_idx) for node in nodes if isinstance(node, TextNode)]
        linked: list[BaseNode] = super()._postprocess_parsed_nodes(nodes, parent_doc_map)
        for node, (start, end) in zip(linked, exact, strict=True):
            node.start_char_idx, node.end_char_idx = start, end
        return linked
