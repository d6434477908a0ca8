"""A download is whole or not there; one that broke off goes on where it was, and nothing else gets into it."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from indexes.errors import EngineUnavailableError
from indexes.models.download import download_model
from indexes.models.listening import Download
from tests.indexes.models.loopback_hub import NAME, LoopbackHub, Ranges, Speaks, running_hub

WEIGHTS = "model.safetensors"
HALF = 3500
# Longer than any wait of the test itself should take, also on a busy machine.
DEADLINE = 30


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """Yield a hub on loopback that stands for both."""
    with running_hub() as running:
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", running.address)
        monkeypatch.setenv("HF_ENDPOINT", running.address)
        yield running


class Listener:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.downloads: list[Download] = []
        self.done: dict[str, list[int]] = {}
        self.ended = 0

    def __call__(self, download: Download) -> Listener:
        self.downloads.append(download)
        return self

    def advances(self, file: str, done: int, total: int) -> None:
        self.done.setdefault(file, []).append(done)

    def ends(self) -> None:
        self.ended += 1


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def wanted(hub: LoopbackHub) -> dict[str, bytes]:
    return {path: data for path, data in hub.files.items() if not path.endswith(".bin")}


def break_off(hub: LoopbackHub, models: Path) -> None:
    """Make one download that breaks off in the middle of the weights, at one hub alone."""
    hub.breaks[WEIGHTS] = HALF
    if hub.speaks == "both":
        hub.speaks = "ModelScope"
    with pytest.raises(EngineUnavailableError, match=r"3\.5 kB are kept, and the next download goes on from there"):
        download_model(NAME, "", models)
    assert not (models / NAME).exists()
    hub.asked.clear()


@pytest.mark.parametrize("speaks", ["ModelScope", "Hugging Face"])
def test_a_download_goes_on_where_it_broke_off(hub: LoopbackHub, tmp_path: Path, speaks: Speaks) -> None:
    """The second one asks for the rest alone, by either hub's route, says so, and gives the whole model."""
    hub.speaks = speaks
    break_off(hub, tmp_path)
    listener = Listener()
    folder = download_model(NAME, "", tmp_path, listener)
    assert folder == tmp_path / NAME
    assert contents(folder) == wanted(hub)
    assert hub.ranges_asked(WEIGHTS) == [f"bytes={HALF}-"]
    assert hub.ranges_asked("config.json") == []
    (download,) = listener.downloads
    assert (download.hub, download.address, download.folder) == (speaks, hub.address, folder)
    assert download.size == sum(map(len, wanted(hub).values()))
    assert download.kept == HALF + len(hub.files["config.json"])
    assert f"resuming the download of {NAME} at 3.5 kB of 7.0 kB from {speaks}" in download.line()
    assert listener.done[WEIGHTS][0] == HALF
    assert listener.done[WEIGHTS][-1] == len(hub.files[WEIGHTS])
    assert listener.ended == 1
    assert [path.name for path in folder.parent.iterdir() if path.name.endswith((".partial", ".former"))] == []


def test_the_other_hub_goes_on_with_the_same_file(hub: LoopbackHub, tmp_path: Path) -> None:
    """What ModelScope breaks off in Hugging Face brings to its end, since the checksums are those of one file."""
    hub.breaks[WEIGHTS] = HALF
    listener = Listener()
    assert contents(download_model(NAME, "", tmp_path, listener)) == wanted(hub)
    assert hub.ranges_asked(WEIGHTS) == [None, f"bytes={HALF}-"]
    assert [download.hub for download in listener.downloads] == ["ModelScope", "Hugging Face"]
    assert listener.ended == 2


@pytest.mark.parametrize(("ranges", "asked"), [("ignored", 1), ("elsewhere", 2), ("refused", 2)])
def test_a_hub_that_does_not_go_on_there_is_taken_from_the_start(
    hub: LoopbackHub, tmp_path: Path, ranges: Ranges, asked: int
) -> None:
    """200 brings the whole; another range than asked for, and 416, are asked again without one."""
    break_off(hub, tmp_path)
    hub.ranges = ranges
    assert contents(download_model(NAME, "", tmp_path)) == wanted(hub)
    assert hub.ranges_asked(WEIGHTS) == [f"bytes={HALF}-", None][:asked]


def test_parts_of_another_revision_are_not_mixed(hub: LoopbackHub, tmp_path: Path) -> None:
    """Weights that changed on the hub, to as many bytes, are fetched from the start; nothing of the old ones stays."""
    break_off(hub, tmp_path)
    hub.files[WEIGHTS] = b"WEIGHTS" * 1000
    hub.files["config.json"] = b"[]"
    assert contents(download_model(NAME, "", tmp_path)) == wanted(hub)
    assert hub.ranges_asked(WEIGHTS) == [None]
    assert hub.ranges_asked("config.json") == [None]


def test_a_part_that_was_damaged_is_fetched_again(hub: LoopbackHub, tmp_path: Path) -> None:
    """The checksum is that of the whole file: a bad beginning shows at the end, and costs one more download."""
    break_off(hub, tmp_path)
    (part,) = tmp_path.rglob("*.part")
    part.write_bytes(b"!" * HALF)
    assert contents(download_model(NAME, "", tmp_path)) == wanted(hub)
    assert hub.ranges_asked(WEIGHTS) == [f"bytes={HALF}-", None]


def test_a_part_that_is_complete_is_not_fetched_again(hub: LoopbackHub, tmp_path: Path) -> None:
    """A download that died between the last byte and the check needs nothing more of that file."""
    break_off(hub, tmp_path)
    (part,) = tmp_path.rglob("*.part")
    part.write_bytes(hub.files[WEIGHTS])
    assert contents(download_model(NAME, "", tmp_path)) == wanted(hub)
    assert hub.ranges_asked(WEIGHTS) == []


def test_without_checksums_a_file_is_begun_anew(hub: LoopbackHub, tmp_path: Path) -> None:
    """Where nothing could tell a mixture, nothing is gone on with; the size is checked."""
    hub.checksums = False
    hub.speaks = "Hugging Face"
    hub.breaks[WEIGHTS] = HALF
    with pytest.raises(EngineUnavailableError, match="kept"):
        download_model(NAME, "", tmp_path)
    assert contents(download_model(NAME, "", tmp_path)) == wanted(hub)
    assert hub.ranges_asked(WEIGHTS) == [None, None]


def test_a_damaged_download_leaves_no_model(hub: LoopbackHub, tmp_path: Path) -> None:
    """A file that does not match its checksum ends the download; neither it nor the model's folder stays."""
    hub.damaged = True
    with pytest.raises(EngineUnavailableError, match=r"config\.json does not match its checksum"):
        download_model(NAME, "", tmp_path)
    assert not (tmp_path / NAME).exists()
    assert not any(contents(tmp_path).values())


def test_a_model_is_replaced_at_once(hub: LoopbackHub, tmp_path: Path) -> None:
    """The former model stays until the new one is whole, and then goes with all its files."""
    folder = download_model(NAME, "", tmp_path)
    former = contents(folder)
    (folder / "own.txt").write_bytes(b"mine")
    hub.files[WEIGHTS] = b"other" * 1400
    hub.speaks = "ModelScope"
    hub.breaks[WEIGHTS] = HALF
    with pytest.raises(EngineUnavailableError):
        download_model(NAME, "", tmp_path)
    assert contents(folder) == former | {"own.txt": b"mine"}
    assert contents(download_model(NAME, "", tmp_path)) == wanted(hub)


def test_two_downloads_of_a_model_do_not_write_one_file(hub: LoopbackHub, tmp_path: Path) -> None:
    """While one runs the other is refused at once; the first brings the model."""
    hub.waits[WEIGHTS] = HALF
    done: list[Path] = []
    first = threading.Thread(target=lambda: done.append(download_model(NAME, "", tmp_path)))
    first.start()
    assert hub.reached.wait(DEADLINE)
    with pytest.raises(EngineUnavailableError, match=r"another download of bge-small-zh-v1\.5"):
        download_model(NAME, "", tmp_path)
    hub.go_on.set()
    first.join(DEADLINE)
    assert [contents(folder) for folder in done] == [wanted(hub)]


@pytest.mark.parametrize("path", ["../evil.json", "/evil.json", "a/../../evil.json"])
def test_files_outside_of_the_model_are_refused(hub: LoopbackHub, tmp_path: Path, path: str) -> None:
    """A hub cannot write elsewhere."""
    hub.files[path] = b"{}"
    with pytest.raises(EngineUnavailableError, match="outside of the model"):
        download_model(NAME, "", tmp_path / "models")
    assert list(tmp_path.rglob("evil.json")) == []


def test_a_full_disk_is_told_before_anything_is_fetched(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gigabytes are not begun where they cannot end."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9000, 3000, 6000))
    with pytest.raises(EngineUnavailableError, match=r"needs 7\.0 kB more .* where 6\.0 kB are free"):
        download_model(NAME, "", tmp_path)
    assert hub.ranges_asked(WEIGHTS) == []


def test_a_download_without_a_listener_is_on_the_log(
    hub: LoopbackHub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Name, size, hub and folder are said before it starts, at a level that is shown without any set-up."""
    with caplog.at_level(logging.WARNING):
        folder = download_model(NAME, "v2", tmp_path)
    assert [record.getMessage() for record in caplog.records] == [
        f"downloading {NAME} at v2 (7.0 kB) from ModelScope ({hub.address}) to {folder}"
    ]
