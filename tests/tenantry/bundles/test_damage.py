"""A bundle that is not what was written is refused, wherever and however it was changed."""

from __future__ import annotations

import hashlib
import io
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tenantry.bundles.archive import check_bundle, open_bundle, write_bundle
from tenantry.bundles.manifest import Database, Manifest, Member, Source, TableMember
from tenantry.bundles.sealing import CHUNK, TAG, Sealer, Unsealer
from tenantry.errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path

SECRET = b"correct horse"
COST = 2  # tests derive keys by the hundred


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """Return a bundle, plain and encrypted."""
    folder = tmp_path_factory.mktemp("bundles")
    content = {
        "database/0001.jsonl": b'[1,"a"]\n[2,"b"]\n',
        "files/a": os.urandom(3000),
        "files/b/c": b"text " * 4000,
    }
    for name, data in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    sums = {
        name: (name, len(data), hashlib.sha256(data).hexdigest()) for name, data in content.items()
    }
    manifest = Manifest(
        tenant=Source("0" * 32, "acme", "Acme", "free", {}, ()),
        database=Database("sqlite", "0001"),
        tables=(TableMember(*sums["database/0001.jsonl"], "t", ("id", "name"), 2),),
        files=(Member(*sums["files/a"]), Member(*sums["files/b/c"])),
    )
    paths = {False: folder / "plain", True: folder / "sealed"}
    for sealed, path in paths.items():
        passphrase = SECRET if sealed else None
        write_bundle(path, manifest, folder, passphrase=passphrase, cost=COST)
        assert check_bundle(path, passphrase=passphrase) == manifest
    return paths


def refuse(folder: Path, data: bytes) -> None:
    """Make sure that nobody takes this for a bundle."""
    path = folder / "damaged"
    path.write_bytes(data)
    with pytest.raises(BundleError) as caught:
        check_bundle(path, passphrase=SECRET)
    assert str(caught.value).startswith(str(path))


several = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "sealed"])
@several
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_changed_octet_is_found(
    written: dict[bool, Path], tmp_path: Path, *, sealed: bool, place: float, bit: int
) -> None:
    """There is no octet in the file that does not matter."""
    data = bytearray(written[sealed].read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    refuse(tmp_path, bytes(data))


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "sealed"])
def test_every_octet_of_head_and_tail_matters(
    written: dict[bool, Path], tmp_path: Path, *, sealed: bool
) -> None:
    """So do those of the headers and of the trailer, each of them."""
    data = written[sealed].read_bytes()
    for place in (*range(60), *range(len(data) - 60, len(data))):
        changed = bytearray(data)
        changed[place] ^= 0x10  # in the frame's header: the bit that no decoder looks at
        refuse(tmp_path, bytes(changed))


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "sealed"])
@several
@given(place=st.floats(0, 1, exclude_max=True))
def test_a_file_that_is_cut_off_is_refused(
    written: dict[bool, Path], tmp_path: Path, *, sealed: bool, place: float
) -> None:
    """A download that ended early is not half a site."""
    data = written[sealed].read_bytes()
    refuse(tmp_path, data[: int(place * len(data))])


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "sealed"])
@pytest.mark.parametrize("more", [b"\0", b"more" * 100])
def test_a_file_with_more_behind_it_is_refused(
    written: dict[bool, Path], tmp_path: Path, more: bytes, *, sealed: bool
) -> None:
    """Nothing can hide behind the end."""
    refuse(tmp_path, written[sealed].read_bytes() + more)


@pytest.mark.parametrize("data", [b"", b"x", b"PK\3\4" * 500, b"\0" * 100_000])
def test_something_else_is_refused(tmp_path: Path, data: bytes) -> None:
    """So is what never was a bundle."""
    refuse(tmp_path, data)


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    """With a sentence, as everything else."""
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(BundleError, match="cannot be read"):
            check_bundle(path)


def test_what_is_left_unread_is_checked_all_the_same(
    written: dict[bool, Path], tmp_path: Path
) -> None:
    """A reader that skips a member does not skip its check."""
    with open_bundle(written[False]) as bundle:
        assert [member.name for member, _ in bundle.members()][-1] == "files/b/c"


def seal(data: bytes) -> bytes:
    """Return *data* encrypted."""
    target = io.BytesIO()
    with Sealer(target, SECRET, cost=COST) as sealer:
        sealer.write(data)
    return target.getvalue()


def unseal(data: bytes) -> bytes:
    """Return encrypted *data* as it was."""
    return Unsealer(io.BytesIO(data), SECRET, name="bundle").read()


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 5])
def test_sealed_streams_of_every_length_come_back(size: int) -> None:
    """Also where the last chunk is empty or full."""
    data = os.urandom(size)
    assert unseal(seal(data)) == data
    assert seal(data) != seal(data)


def test_chunks_cannot_be_swapped_dropped_or_taken_from_another_file() -> None:
    """Each chunk is good at its place in its file alone, and the last one only at the end."""
    data = os.urandom(4 * CHUNK)
    sealed, other = seal(data), seal(data)
    head = len(sealed) - 4 * (CHUNK + TAG)
    size = CHUNK + TAG
    chunks = [sealed[head + n * size : head + (n + 1) * size] for n in range(4)]
    others = [other[head + n * size : head + (n + 1) * size] for n in range(4)]
    one, two, three, four = chunks
    for parts in (
        [two, one, three, four],
        [one, three, four],
        [one, two, three],
        [one, two, three, four, four],
        [one, others[1], three, four],
        [one, four],
        [],
    ):
        with pytest.raises(BundleError):
            unseal(sealed[:head] + b"".join(parts))


def test_a_costly_header_is_refused() -> None:
    """A stranger's file cannot ask for gigabytes to make its key."""
    sealed = bytearray(seal(b"x"))
    sealed[16] = 40
    with pytest.raises(BundleError, match="damaged"):
        unseal(bytes(sealed))
