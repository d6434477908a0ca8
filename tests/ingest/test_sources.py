"""Listing of files, folders and addresses."""

from __future__ import annotations

import os
import socket
import unicodedata
from pathlib import Path

import pytest

from indexes.errors import DocumentError, UsageError
from ingest import reading
from ingest.reading import read_file
from ingest.records import Problem, SourceItem
from ingest.sources import file_uri, is_under, path_of, walk
from ingest.web.urls import normalise_url


def _names(folder: Path) -> list[str]:
    return [path_of(item.uri).name for item in walk(folder) if isinstance(item, SourceItem)]


def _problems(folder: Path) -> dict[str, tuple[str, str]]:
    found = [problem for problem in walk(folder) if isinstance(problem, Problem)]
    return {problem.uri.rpartition("/")[2]: (problem.kind, problem.reason) for problem in found}


def test_a_folder_is_walked_in_order_without_hidden_names(tmp_path: Path) -> None:
    """Files come recursively and sorted; names with a leading dot and leftovers of programs are passed over."""
    for name in (
        "b.txt",
        "a/c.md",
        "a/.hidden",
        ".git/config",
        "__pycache__/x.txt",
        "~$draft.docx",
        "Thumbs.db",
        "没.txt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text")
    assert _names(tmp_path) == ["c.md", "b.txt", "没.txt"]
    assert _problems(tmp_path) == {}


def test_a_knowledge_base_in_the_folder_is_passed_over(tmp_path: Path) -> None:
    """The files of a knowledge base are copies of documents: read as documents they would double at each ingest."""
    for name in ("a.txt", "home/default/kb.sqlite", "home/default/originals/0a1b", "home/default/LOCK"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text")
    assert _names(tmp_path) == ["a.txt"]
    assert _problems(tmp_path) == {"default": ("skipped", "knowledge_base")}
    # What is named outright is tried: that is how uploads are read, which lie in such a folder.
    assert _names(tmp_path / "home" / "default" / "originals") == ["0a1b"]


def test_items_carry_size_time_source_and_root(tmp_path: Path) -> None:
    """What the ledger compares is taken from the file at listing."""
    file = tmp_path / "x.txt"
    file.write_bytes(b"12345")
    os.utime(file, ns=(1, 1_700_000_000_123_456_789))
    (item,) = walk(tmp_path, "handbook")
    assert isinstance(item, SourceItem)
    assert (item.size, item.mtime_ns, item.source) == (5, 1_700_000_000_123_456_789, "handbook")
    assert item.root == file_uri(tmp_path)
    assert is_under(item.uri, item.root)


def test_a_missing_path_is_wrong_usage(tmp_path: Path) -> None:
    """A path that does not exist is refused at once, not when the first item is asked for."""
    with pytest.raises(UsageError, match="no such file"):
        walk(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="ftp://"):
        walk("ftp://example.com/x")


def test_uris_are_readable_reversible_and_the_same_in_nfc_and_nfd(tmp_path: Path) -> None:
    """Chinese and spaces stay; delimiters and bytes that are no UTF-8 are percent-encoded."""
    name = "手册 100%#1?.txt"
    uri = file_uri(tmp_path / name)
    assert uri.endswith("/手册 100%25%231%3F.txt")
    assert path_of(uri) == tmp_path / name
    assert file_uri("/x/" + unicodedata.normalize("NFD", "é.txt")) == file_uri("/x/é.txt")
    raw = Path(os.fsdecode(b"/x/\xff\xfe.txt"))
    assert file_uri(raw) == "file:///x/%FF%FE.txt"
    assert path_of(file_uri(raw)) == raw
    assert "\u202e" not in file_uri("/x/\u202egpj.txt")


def test_a_name_that_is_not_utf8_is_read(tmp_path: Path) -> None:
    """Undecodable bytes in a name do not stop the walk or the reading."""
    file = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xb2\xe2.txt"))
    file.write_text("content")
    (item,) = walk(tmp_path)
    assert isinstance(item, SourceItem) and item.path is not None
    assert item.uri.endswith("/%B2%E2.txt")
    assert read_file(item.path).data == b"content"


def test_parent_steps_in_a_target_lead_to_one_identity(tmp_path: Path) -> None:
    """`a/../x.txt` and `x.txt` are the same document."""
    (tmp_path / "a").mkdir()
    (tmp_path / "x.txt").write_text("x")
    (item,) = walk(f"{tmp_path}/a/../x.txt")
    assert item.uri == file_uri(tmp_path / "x.txt")


def test_links_are_followed_only_inside_and_only_where_needed(tmp_path: Path) -> None:
    """Loops end, links out of the folder are refused, links to what is read anyway are notices."""
    outside = tmp_path / "outside.txt"
    outside.write_text("secret")
    root = tmp_path / "root"
    (root / "sub" / ".data").mkdir(parents=True)
    (root / "real.txt").write_text("real")
    (root / "sub" / ".data" / "mounted.txt").write_text("mounted")
    (root / "loop").symlink_to(root, target_is_directory=True)
    (root / "self").symlink_to("self")
    (root / "out.txt").symlink_to(outside)
    (root / "dead.txt").symlink_to(root / "nothing")
    (root / "alias.txt").symlink_to(root / "real.txt")
    (root / "mounted.txt").symlink_to(root / "sub" / ".data" / "mounted.txt")
    assert _names(root) == ["mounted.txt", "real.txt"]
    assert _problems(root) == {
        "loop": ("skipped", "not_a_file"),
        "self": ("skipped", "not_a_file"),
        "out.txt": ("failed", "forbidden_link"),
        "dead.txt": ("failed", "vanished"),
        "alias.txt": ("skipped", "not_a_file"),
    }


def test_pipes_sockets_and_devices_are_never_opened(tmp_path: Path) -> None:
    """They are notices in a folder and failures when named outright."""
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        assert _problems(tmp_path) == {"pipe": ("skipped", "not_a_file"), "s": ("skipped", "not_a_file")}
    for device in (tmp_path / "pipe", Path("/dev/zero")):
        (problem,) = walk(device)
        assert isinstance(problem, Problem) and (problem.kind, problem.reason) == ("failed", "not_a_file")
        with pytest.raises(DocumentError) as caught:
            read_file(device)
        assert caught.value.reason == "not_a_file"


def test_clear_non_documents_are_notices_in_a_folder_only(tmp_path: Path) -> None:
    """An image in a folder is passed over with a notice; named outright, it is tried."""
    (tmp_path / "photo.JPG").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "unknown.xyz").write_text("text after all")
    assert _names(tmp_path) == ["unknown.xyz"]
    assert _problems(tmp_path) == {"photo.JPG": ("skipped", "unsupported")}
    (item,) = walk(tmp_path / "photo.JPG")
    assert isinstance(item, SourceItem)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_files_and_folders_are_told_of(tmp_path: Path) -> None:
    """A folder that cannot be listed is one failure with its URI, so that nothing under it counts as gone."""
    (tmp_path / "closed").mkdir(mode=0)
    (tmp_path / "file.txt").touch(mode=0)
    try:
        assert _problems(tmp_path) == {"closed": ("failed", "unreadable")}
        with pytest.raises(DocumentError) as caught:
            read_file(tmp_path / "file.txt")
        assert caught.value.reason == "unreadable"
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_two_spellings_of_one_name_are_one_document(tmp_path: Path) -> None:
    """NFC beside NFD: equal files are one and a notice; different ones are a failure, for one would be lost."""
    composed, decomposed = "é.txt", unicodedata.normalize("NFD", "é.txt")
    (tmp_path / composed).write_text("same")
    (tmp_path / decomposed).write_text("same")
    if len(list(tmp_path.iterdir())) == 1:
        pytest.skip("this file system does not tell the two apart")
    assert _names(tmp_path) == [composed]
    assert list(_problems(tmp_path).values()) == [("skipped", "duplicate_name")]
    (tmp_path / decomposed).write_text("different")
    assert list(_problems(tmp_path).values()) == [("failed", "duplicate_name")]


def test_a_file_deleted_after_listing_has_vanished(tmp_path: Path) -> None:
    """Between listing and reading a file may go."""
    (tmp_path / "x.txt").write_text("x")
    (item,) = walk(tmp_path)
    assert isinstance(item, SourceItem) and item.path is not None
    item.path.unlink()
    with pytest.raises(DocumentError) as caught:
        read_file(item.path)
    assert caught.value.reason == "vanished"


def test_a_file_that_changes_while_read_is_tried_again_then_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One change is waited out; a file that never holds still is a typed error, not half a document."""
    file = tmp_path / "x.txt"
    file.write_bytes(b"version 0")
    real_read = os.read

    def read_and_change(descriptor: int, count: int) -> bytes:
        block = real_read(descriptor, count)
        if block and pending:
            file.write_bytes(pending.pop(0))
            os.utime(file, ns=(0, len(pending)))
        return block

    monkeypatch.setattr(reading.os, "read", read_and_change)
    pending = [b"version 1"]
    assert read_file(file).data == b"version 1"
    pending = [b"version 2", b"version 3", b"version 4"]
    with pytest.raises(DocumentError) as caught:
        read_file(file)
    assert caught.value.reason == "changed"


def test_a_file_over_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """500 MB of text end in `too_large` at once (a sparse file here)."""
    file = tmp_path / "big.txt"
    with file.open("wb") as stream:
        stream.truncate(500 * 1024 * 1024)
    with pytest.raises(DocumentError) as caught:
        read_file(file, max_bytes=256 * 1024 * 1024)
    assert caught.value.reason == "too_large"


def test_a_link_in_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    """Swapping a listed file for a link out of the folder gives an error, not the other file."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "x.txt").symlink_to(tmp_path / "secret")
    with pytest.raises(DocumentError) as caught:
        read_file(tmp_path / "x.txt")
    assert caught.value.reason == "not_a_file"


def test_folders_nested_without_end_are_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Very deep trees end in a failure for the depth, not in a crash."""
    monkeypatch.chdir(tmp_path)  # and back at the end
    for _ in range(230):
        os.mkdir("d")
        os.chdir("d")
    (problem,) = walk(tmp_path)
    assert isinstance(problem, Problem) and problem.reason == "unreadable" and "deep" in problem.detail


@pytest.mark.parametrize(
    ("spelling", "normal"),
    [
        ("HTTP://Example.COM:80/a#part", "http://example.com/a"),
        ("https://example.com", "https://example.com/"),
        ("https://例子.测试/路径?q=你", "https://xn--fsqu00a.xn--0zwm56d/%E8%B7%AF%E5%BE%84?q=%E4%BD%A0"),
        ("https://example.com:8443/%7ea%2fb", "https://example.com:8443/%7Ea%2Fb"),
    ],
)
def test_addresses_have_one_spelling(spelling: str, normal: str) -> None:
    """Case, default ports, fragments and encodings do not make two documents of one page."""
    assert normalise_url(spelling) == normal
    assert normalise_url(normal) == normal


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "http://", "http://user:secret@host/", "http://a b/", "gopher://x/"]
)
def test_what_is_no_web_address_is_wrong_usage(url: str) -> None:
    """Only plain http(s) addresses without credentials are accepted."""
    with pytest.raises(UsageError):
        normalise_url(url)
