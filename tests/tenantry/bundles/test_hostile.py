"""Bundles that were made to harm: every sum in them is right."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, cast

import pytest
import zstandard

from tenantry.bundles.archive import check_bundle
from tenantry.bundles.streams import Summing
from tenantry.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


def craft(path: Path, members: Iterable[tuple[tarfile.TarInfo, bytes]], **changes: Any) -> Path:
    """Write a bundle of these members, with a manifest that says what *changes* say."""
    manifest: dict[str, Any] = {
        "format": "tenantry bundle",
        "version": 1,
        "tenant": {
            "id": "0" * 32, "slug": "acme", "name": "Acme", "plan": "free",
            "settings": {}, "hosts": [],
        },
        "database": None,
        "tables": [],
        "pages": None,
        "counts": {},
        "fingerprint": "",
        "files": [],
        "created": "2026-01-01T00:00:00+00:00",
        "folders": [],
        "left_out": [],
    }  # fmt: skip
    text = json.dumps(manifest | changes).encode()
    with packing(path) as packer, tarfile.open(fileobj=packer, mode="w|") as archive:
        for header, content in [(plain("manifest.json"), text), *members]:
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return path


@contextmanager
def packing(path: Path, **options: Any) -> Iterator[IO[bytes]]:
    """Pack what is written, with a correct trailer."""
    with path.open("wb") as file, Summing(file) as summing:
        packer = zstandard.ZstdCompressor(**options)
        with packer.stream_writer(cast("IO[bytes]", summing), closefd=False) as packed:
            yield cast("IO[bytes]", packed)


def plain(name: str, **values: Any) -> tarfile.TarInfo:
    """Return a member's header."""
    header = tarfile.TarInfo(name)
    for key, value in values.items():
        setattr(header, key, value)
    return header


def told(name: str, content: bytes = b"") -> dict[str, Any]:
    """Return what an honest manifest says of a member."""
    return {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def test_an_honest_one_passes(tmp_path: Path) -> None:
    """What is refused below is refused for its own fault."""
    path = craft(tmp_path / "b", [(plain("files/a"), b"x")], files=[told("files/a", b"x")])
    assert check_bundle(path).size == 1


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(plain("files/a", type=tarfile.SYMTYPE, linkname="/etc/passwd"), id="symlink"),
        pytest.param(plain("files/a", type=tarfile.LNKTYPE, linkname="manifest.json"), id="link"),
        pytest.param(plain("files/a", type=tarfile.CHRTYPE, devmajor=1, devminor=5), id="device"),
        pytest.param(plain("files/a", type=tarfile.FIFOTYPE), id="pipe"),
        pytest.param(plain("files/a", type=tarfile.DIRTYPE), id="folder"),
        pytest.param(plain("../a"), id="another name"),
    ],
)
def test_only_the_plain_files_that_were_told_may_come(
    header: tarfile.TarInfo, tmp_path: Path
) -> None:
    """The manifest names each member; the archive cannot bring another one under its name."""
    path = craft(tmp_path / "b", [(header, b"")], files=[told("files/a")])
    with pytest.raises(BundleError, match="instead of 'files/a'"):
        check_bundle(path)


@pytest.mark.parametrize("folder", ["..", "a/../../b", "/etc", "files", "a\0b", "site.sqlite3"])
def test_folders_stay_inside(folder: str, tmp_path: Path) -> None:
    """An empty folder is made nowhere but in the tenant's own."""
    path = craft(
        tmp_path / "b", [(plain("files/files"), b"")], files=[told("files/files")], folders=[folder]
    )
    with pytest.raises(BundleError):
        check_bundle(path)


def test_one_member_more_is_refused(tmp_path: Path) -> None:
    """Nothing comes along that was not told."""
    path = craft(tmp_path / "b", [(plain("files/a"), b"")])
    with pytest.raises(BundleError, match="more members"):
        check_bundle(path)


def test_a_bomb_is_defused(tmp_path: Path) -> None:
    """A manifest that unpacks to gigabytes, or a member that says less than it is, goes no further."""
    huge = b" " * (80 * 1024 * 1024)
    path = tmp_path / "manifest"
    with packing(path) as packer, tarfile.open(fileobj=packer, mode="w|") as archive:
        archive.addfile(plain("manifest.json", size=len(huge)), io.BytesIO(huge))
    assert path.stat().st_size < 100_000
    with pytest.raises(BundleError, match="manifest is too long"):
        check_bundle(path)
    path = craft(tmp_path / "b", [(plain("files/a"), huge)], files=[told("files/a", b"x")])
    with pytest.raises(BundleError, match="instead of"):
        check_bundle(path)


def test_a_file_that_unpacks_to_a_thousand_times_its_size_is_refused(tmp_path: Path) -> None:
    """It says so honestly, and is no site all the same: nothing of it is unpacked."""
    zeros = b"\0" * (80 * 1024 * 1024)
    path = craft(tmp_path / "b", [(plain("files/a"), zeros)], files=[told("files/a", zeros)])
    assert path.stat().st_size < 80_000
    with pytest.raises(BundleError, match="unpack to 83886080"):
        check_bundle(path)


def test_a_header_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    """Tar may put names and more into headers of any length; here they have to be short."""
    header = plain("manifest.json")
    header.pax_headers = {"comment": "x" * (70 * 1024 * 1024)}
    path = tmp_path / "b"
    with packing(path) as packer:
        packer.write(header.tobuf(tarfile.PAX_FORMAT))
    with pytest.raises(BundleError, match="more than it claims"):
        check_bundle(path)


def test_a_window_of_gigabytes_is_refused(tmp_path: Path) -> None:
    """A file cannot make us keep more than 128 MiB to unpack it."""
    path = tmp_path / "b"
    options = zstandard.ZstdCompressionParameters(window_log=30)
    with packing(path, compression_params=options) as packer:
        packer.write(b"\0" * 10_000)
    with pytest.raises(BundleError, match="damaged"):
        check_bundle(path)


def test_more_text_than_the_nesting_allows(tmp_path: Path) -> None:
    """JSON that is nested a hundred thousand times is no manifest."""
    path = tmp_path / "b"
    text = b"[" * 100_000
    with packing(path) as packer, tarfile.open(fileobj=packer, mode="w|") as archive:
        archive.addfile(plain("manifest.json", size=len(text)), io.BytesIO(text))
    with pytest.raises(BundleError):
        check_bundle(path)
