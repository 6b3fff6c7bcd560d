# SPDX-License-Identifier: GPL-2.0-only
import base64
import gzip
import hashlib
import io
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import MachineError, RecordError
from harness.host.cache import Cache
from harness.project import run_claims
from harness.project.bundle_contents import contents
from harness.project.kernel import Kernel
from harness.project.project import Project
from harness.record import store
from harness.record.bundle import archive, manifest
from harness.record.bundle.archive import read, write
from harness.record.bundle.manifest import Absent
from harness.record.bundle.unpack import unpack
from harness.record.record import Log, RunRecord
from tests.unit.builders import checkout, record
from tests.unit.replays import blank

replace = msgspec.structs.replace
SLUG, RUN = "memcpy-streaming", "20260101T000000-abcdef"
HERE = f"results/{SLUG}/{RUN}"
FILES = {
    f"{HERE}/record.json": b"{}",
    f"{HERE}/logs/base-0.console.log": b"booting\n" * 400,
    f"series/{SLUG}/series.yaml": b"title: t\n",
}


def written(folder: Path, files: dict[str, bytes] | None = None) -> Path:
    path = folder / "made.tar.gz"
    write(path, SLUG, RUN, FILES if files is None else files)
    return path


def sealed(path: Path, tar: bytes) -> Path:
    """Write a forged bundle: any tar, with the right checksum at its end."""
    path.write_bytes(archive.seal(gzip.compress(tar, mtime=0)))
    return path


def tar_of(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


def test_files_come_back_as_they_were(tmp_path: Path) -> None:
    assert read(written(tmp_path))[1] == FILES


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    first = written(tmp_path).read_bytes()
    assert written(tmp_path, dict(reversed(FILES.items()))).read_bytes() == first


#: Written before SHA256SUMS was added: schema 1, with one file, record.json.
SCHEMA_1 = (
    "ABzY8000000RQciu};G<5QaPFDXh$d+K%nEYz!bVz(O~K(8W17MRi))$xu~&ckEO`q5{!^Xc_V?_MLtI`Q$r`*1{^Q"
    "z}4t|#wk~nQ8uL=85FuiGrYfkxVyc1oL;{AWj#2SsHB7#>@?~AN`;W``_9j#3NAvA&h!IX-+&A0Pm${%vPnql7ws&)"
    "BB@2ISL@6-4#CdrS$Yu;U0c7*%Xs{GZ*-SJWP#3yTTclgL6eYl1x*#h9Qt<A_~E|#@QYq^sF$wnIxT7krDEM+)aE<W"
    "SHPu;(n7FY8OWt9ay1$QV?sg6lo{bzi3v`GDTL9S85{*y&Zwq}8pSk#F=I%B-Zml6u>>eQ)=jLSGrg|RLNHmfP0syE"
    "e~3M3{(td@gYV~`QvPxNxs?6<pN7r$+%M?q>FMb?2XACy;a&g?001A02m}BC00030BmhlFAOMkgiq(v4?ipvexju+w"
    "h+WnS_wcw`5<5+-YwHLtN$&#y0000000000"
)


def test_a_bundle_of_the_first_schema_still_loads(tmp_path: Path) -> None:
    path = tmp_path / "old.tar.gz"
    path.write_bytes(base64.b85decode(SCHEMA_1))
    found, files = read(path)
    assert (found.schema, found.run_id, files) == (1, RUN, SMALL)


@pytest.mark.skipif(shutil.which("tar") is None, reason="tar is not installed")
def test_tar_unpacks_it_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        ["tar", "xzf", written(tmp_path)], cwd=tmp_path, capture_output=True, check=True
    )
    assert (done.stdout, done.stderr) == (b"", b"")
    top = tmp_path / f"memmap-harness-{RUN}"
    assert (top / HERE / "record.json").read_bytes() == b"{}"
    assert msgspec.json.decode((top / manifest.NAME).read_bytes())["run_id"] == RUN
    sums = ["sha256sum", "--check", "--strict", manifest.SUMS]
    assert subprocess.run(sums, cwd=top, capture_output=True, check=True).stdout.count(b": OK") == 4


def test_python_unpacks_it_too(tmp_path: Path) -> None:
    with tarfile.open(written(tmp_path)) as tar:
        assert len(tar.getnames()) == len(FILES) + 2


SMALL = {f"{HERE}/record.json": b"{}"}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("small"), SMALL)


def test_any_changed_byte_is_detected(small: Path, tmp_path: Path) -> None:
    whole = small.read_bytes()
    changed = tmp_path / "changed.tar.gz"
    for at in range(len(whole)):
        for bit in (0x01, 0x80):
            changed.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
            with pytest.raises(RecordError, match="not a bundle of this program"):
                read(changed)


@given(st.data())
def test_no_other_bytes_are_a_bundle(small: Path, data: st.DataObject) -> None:
    whole = small.read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    other = whole[:start] + data.draw(st.binary(max_size=100)) + whole[end:]
    changed = small.with_name("changed.tar.gz")
    changed.write_bytes(other)
    if other == whole:
        read(changed)
        return
    with pytest.raises(RecordError) as caught:
        read(changed)
    assert caught.value.exit_code == 65


@given(st.data())
def test_a_matching_checksum_does_not_help(small: Path, data: st.DataObject) -> None:
    """A forger can only write another valid bundle."""
    tar = tar_of(small)
    at = data.draw(st.integers(0, len(tar) - 1))
    changed = bytearray(tar)
    changed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(RecordError) as caught:
        read(sealed(small.with_name("forged.tar.gz"), bytes(changed)))
    assert "\n" not in str(caught.value)


def rebuilt(path: Path, change: Callable[[tarfile.TarFile], None]) -> Path:
    """Write a bundle whose tar has another member at its end."""
    out = io.BytesIO(tar_of(path)[: -2 * tarfile.BLOCKSIZE])
    out.seek(0, io.SEEK_END)
    with tarfile.TarFile(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        tar.offset = out.tell()
        change(tar)
    return sealed(path.with_name("rebuilt.tar.gz"), out.getvalue())


def special(name: str, kind: bytes, link: str = "") -> Callable[[tarfile.TarFile], None]:
    def add(tar: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, link
        tar.addfile(info)

    return add


@pytest.mark.parametrize(
    "change",
    [
        special("../../.bashrc", tarfile.REGTYPE),
        special("x", tarfile.GNUTYPE_SPARSE),
        special("x", tarfile.XHDTYPE),
        special("/etc/passwd", tarfile.REGTYPE),
        special("x", tarfile.SYMTYPE, "/etc/passwd"),
        special("x", tarfile.LNKTYPE, "../../x"),
        special("x", tarfile.CHRTYPE),
        special("x", tarfile.FIFOTYPE),
        special("x", tarfile.DIRTYPE),
        special(f"memmap-harness-{RUN}/results/more", tarfile.REGTYPE),
        special(f"memmap-harness-{RUN}/{HERE}/record.json", tarfile.REGTYPE),
    ],
)
def test_an_extra_member_is_refused(
    tmp_path: Path, change: Callable[[tarfile.TarFile], None]
) -> None:
    folder = tmp_path / "into"
    folder.mkdir()
    with pytest.raises(RecordError, match="more, or other, than the plain files"):
        unpack(rebuilt(written(tmp_path), change), folder)
    assert not (tmp_path / ".bashrc").exists()
    assert list(folder.iterdir()) == []


def forged(tmp_path: Path, change: Callable[[dict[str, object]], None]) -> Path:
    """Write a bundle with another manifest, and all other bytes as they were."""
    tar = tar_of(written(tmp_path))
    size = tarfile.TarInfo.frombuf(tar[:512], "ascii", "strict").size
    said = msgspec.json.decode(tar[512 : 512 + size])
    change(said)
    text = msgspec.json.format(msgspec.json.encode(said), indent=1) + b"\n"
    info = tarfile.TarInfo(f"memmap-harness-{said['run_id']}/{manifest.NAME}")
    info.size = len(text)
    rest = tar[512 + size + -size % 512 :]
    head = info.tobuf(tarfile.USTAR_FORMAT)
    return sealed(tmp_path / "forged.tar.gz", head + text + bytes(-len(text) % 512) + rest)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m["members"].pop(), "more, or other"),
        (lambda m: m["members"].pop(0), "is not what"),
        (lambda m: m["members"].append(m["members"][0]), "is not what"),
        (lambda m: m["members"][0].update(path="../x"), "not a path"),
        (lambda m: m["members"][0].update(path="/etc/passwd"), "not a path"),
        (lambda m: m["members"][0].update(path="results/../../x"), "not a path"),
        (lambda m: m["members"][0].update(path="results/.ssh/x"), "not a path"),
        (lambda m: m["members"][0].update(path="results/a\nb"), "not a path"),
        (lambda m: m["members"][0].update(path="-rf"), "not a path"),
        (lambda m: m["members"][0].update(bytes=1 << 40), "is not what"),
        (lambda m: m["members"][0].update(bytes=-1), "is not what"),
        (lambda m: m["members"][1].update(bytes=3), "is not what"),
        (lambda m: m["members"][1].update(sha256="0" * 64), "is not what"),
        (lambda m: m["members"].reverse(), "is not what"),
        (lambda m: m["members"][0].update(path=manifest.NAME), "names two members"),
        (lambda m: m["members"][0].update(path=manifest.SUMS), "names two members"),
        (lambda m: m["members"][0].update(path="series"), "names two members"),
        (lambda m: m["members"][0].update(path="results/other/x"), "is not a run of"),
        (lambda m: m.update(schema=0), "no schema 0"),
        (lambda m: m.update(run_id="../../x"), "not the name"),
        (lambda m: m.update(slug=".."), "not the name"),
        (lambda m: m.update(schema=99), "newer harness"),
        (lambda m: m.update(verdict="reproduced"), "verdict"),
        (lambda m: m.pop("members"), "members"),
    ],
)
def test_a_manifest_that_does_not_match_is_refused(
    tmp_path: Path, change: Callable[[dict[str, object]], None], said: str
) -> None:
    with pytest.raises(RecordError, match=said):
        read(forged(tmp_path, change))


def test_a_forged_manifest_that_changes_nothing_passes(tmp_path: Path) -> None:
    assert read(forged(tmp_path, lambda said: None))[0].run_id == RUN


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo(f"memmap-harness-{RUN}/{manifest.NAME}")
    info.size = 1 << 40
    bomb = sealed(tmp_path / "bomb.tar.gz", info.tobuf(tarfile.GNU_FORMAT) + bytes(5 << 20))
    with pytest.raises(RecordError, match=r"MANIFEST\.json has \d+ bytes"):
        read(bomb)


def test_endless_zeros_are_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert archive.MAX_BYTES == 256 << 20
    monkeypatch.setattr(archive, "MAX_BYTES", 4 << 20)
    tar = tar_of(written(tmp_path))
    with pytest.raises(RecordError, match="unpacks to more than 4 MiB"):
        read(sealed(tmp_path / "bomb.tar.gz", tar + bytes(archive.MAX_BYTES)))


def test_a_bundle_too_large_to_unpack_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_BYTES", 1 << 20)
    with pytest.raises(RecordError, match="larger than the 1 MiB"):
        write(tmp_path / "x.tar.gz", SLUG, RUN, {"log": bytes(1 << 20)})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("more", [b"x", gzip.compress(b"", mtime=0)])
def test_a_second_gzip_member_is_refused(tmp_path: Path, more: bytes) -> None:
    packed = gzip.compress(tar_of(written(tmp_path)), mtime=0)
    path = tmp_path / "two.tar.gz"
    path.write_bytes(archive.seal(packed + more))
    with pytest.raises(RecordError, match="not to one tar"):
        read(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x1f",
        b"\x1f\x8b",
        b"\x1f\x8b" + bytes(200),
        gzip.compress(b"", mtime=0),
        gzip.compress(bytes(1024), mtime=0),
        b"PK\x03\x04" + bytes(100),
        bytes(archive.TRAILER_BYTES),
        archive.seal(b""),
        archive.seal(gzip.compress(b"", mtime=0)),
    ],
    ids=lambda content: content.hex()[:24] or "empty",
)
def test_a_file_that_is_not_a_bundle_gives_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(content)
    with pytest.raises(RecordError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_bundle(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot be read"):
        read(tmp_path / "none.tar.gz")


@pytest.mark.parametrize("name", ["../x", "/x", "a//b", ".x", "a b", "a\x1b", "", "x" * 300])
def test_an_invalid_member_is_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordError, match="cannot be bundled"):
        write(tmp_path / "x.tar.gz", SLUG, RUN, {name: b""})
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_a_machine_error_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gzip.GzipFile, "write", full)
    with pytest.raises(MachineError, match="No space left"):
        written(tmp_path)
    assert list(tmp_path.iterdir()) == []


# --- what of a run goes in ---


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return checkout(tmp_path / "project")


def stored(project: Project, **changes: object) -> tuple[Path, RunRecord]:
    """A run whose boots each have a log."""
    made = record()
    folder = store.folder_of(project.results, made)
    (folder / "logs").mkdir(parents=True)
    boots = []
    for boot in made.boots:
        log = folder / "logs" / f"{boot.build}-{boot.number}.console.log"
        log.write_text(f"{boot.build} {boot.number}\n")
        boots.append(replace(boot, logs=(Log(f"logs/{log.name}", store.digest(log)),)))
    setup = replace(
        made.setup,
        plan_sha256=hashlib.sha256(msgspec.json.encode(project.plan("reproduce"))).hexdigest(),
    )
    made = replace(made, boots=tuple(boots), setup=setup, **changes)
    store.save(project.results, made)
    return folder, made


def kept_kernel(cache: Cache, config: bytes) -> str:
    folder = cache.kernels / "key"
    folder.mkdir(parents=True)
    (folder / "config").write_bytes(config)
    digest = hashlib.sha256(config).hexdigest()
    kernel = Kernel("key", "c", "r", "b", digest, "gcc", "minimal", (), str(folder), 1.0, 1.0)
    (folder / "kernel.json").write_bytes(msgspec.json.encode(kernel))
    return digest


def test_a_run_is_packed_and_comes_back_as_a_checkout(project: Project, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    digest = kept_kernel(cache, b"CONFIG_ZONE_DEVICE=y\n")
    base, tip = record().builds
    folder, made = stored(project, builds=(replace(base, config_sha256=digest), tip))
    (folder / "memmap-base-0-nd_pmem.npz").write_bytes(b"npz")
    (folder / "base-0-nd_pmem.img").write_bytes(b"large")
    files, absent = contents(project, cache, folder, made)
    assert [a.path for a in absent] == ["tip.config", f"guests/{made.setup.guest}.yaml"]
    assert "changed since" in absent[1].why
    write(tmp_path / "x.tar.gz", SLUG, RUN, files, absent)

    there = tmp_path / "there"
    there.mkdir()
    found, again = unpack(tmp_path / "x.tar.gz", there)
    assert again == made
    assert found.absent == absent
    elsewhere = Project(there)
    assert elsewhere.claims(SLUG) == project.claims(SLUG)
    assert elsewhere.plan("reproduce") == project.plan("reproduce")
    run = there / HERE
    assert sorted(p.name for p in run.iterdir()) == [
        "base.config",
        "logs",
        "memmap-base-0-nd_pmem.npz",
        "record.json",
    ]
    assert len(list((run / "logs").iterdir())) == len(made.boots)


def test_the_replay_beside_a_run_is_packed(project: Project, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    digest = kept_kernel(cache, b"CONFIG_ZONE_DEVICE=y\n")
    folder, made = stored(project)
    base, tip = made.builds
    replayed = replace(blank(), builds=(base, replace(tip, name="1", config_sha256=digest)))
    store.save_replay(folder, replayed)
    files, absent = contents(project, cache, folder, made)
    assert f"{HERE}/replay-1.config" in files
    assert f"{HERE}/replay-base.config" not in files  # as booted
    write(tmp_path / "x.tar.gz", SLUG, RUN, files, absent)
    there = tmp_path / "there"
    there.mkdir()
    found, again = unpack(tmp_path / "x.tar.gz", there)
    assert again == made
    assert store.replay_beside(there / HERE) == replayed
    with tarfile.open(tmp_path / "x.tar.gz") as tar:
        sums = tar.extractfile(f"{found.top}/{manifest.SUMS}")
        assert sums is not None
        assert f"{HERE}/replay.json".encode() in sums.read()


def test_a_replay_of_other_patches_is_not_packed(project: Project, tmp_path: Path) -> None:
    folder, made = stored(project)
    other = replace(blank().subject, patch_ids=("f" * 40,))
    store.save_replay(folder, replace(blank(), subject=other))
    with pytest.raises(RecordError, match="other patches"):
        contents(project, Cache(tmp_path / "cache"), folder, made)


def test_the_claims_of_the_run_are_packed(project: Project, tmp_path: Path) -> None:
    folder, made = stored(project)
    own = (replace(project.claims(SLUG)[0], version=made.subject.version, quotes=("as said",)),)
    run_claims.save(folder, run_claims.RunClaims("cover letter", own))
    files, absent = contents(project, Cache(tmp_path / "cache"), folder, made)
    write(tmp_path / "x.tar.gz", SLUG, RUN, files, absent)
    there = tmp_path / "there"
    there.mkdir()
    unpack(tmp_path / "x.tar.gz", there)
    assert run_claims.claims_of(Project(there), made) == own


def test_a_run_with_damaged_claims_is_not_packed(project: Project, tmp_path: Path) -> None:
    folder, made = stored(project)
    (folder / run_claims.FILE).write_text("claims: 5\n")
    with pytest.raises(RecordError, match="claims"):
        contents(project, Cache(tmp_path / "cache"), folder, made)


def test_a_missing_log_is_listed(project: Project, tmp_path: Path) -> None:
    folder, made = stored(project)
    (folder / "logs" / "tip-1.console.log").unlink()
    _, absent = contents(project, Cache(tmp_path / "cache"), folder, made)
    assert Absent("logs/tip-1.console.log", "the log was removed after the run") in absent


def test_a_log_that_was_changed_is_refused(project: Project, tmp_path: Path) -> None:
    folder, made = stored(project)
    (folder / "logs" / "tip-1.console.log").write_text("faster\n")
    with pytest.raises(RecordError, match="has changed since the run"):
        contents(project, Cache(tmp_path / "cache"), folder, made)


def test_a_config_that_was_changed_is_not_taken(project: Project, tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    digest = kept_kernel(cache, b"CONFIG_ZONE_DEVICE=y\n")
    (cache.kernels / "key" / "config").write_bytes(b"CONFIG_KASAN=y\n")
    base, tip = record().builds
    folder, made = stored(project, builds=(replace(base, config_sha256=digest), tip))
    _, absent = contents(project, cache, folder, made)
    assert Absent("base.config", "it is no longer cached") in absent


def packed(project: Project, tmp_path: Path, change: dict[str, bytes]) -> Path:
    folder, made = stored(project)
    files, absent = contents(project, Cache(tmp_path / "cache"), folder, made)
    path = tmp_path / "x.tar.gz"
    write(path, SLUG, RUN, files | change, absent)
    return path


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({f"{HERE}/logs/tip-1.console.log": b"faster\n"}, "is not the log of its record"),
        ({f"{HERE}/record.json": b"{}"}, r"record\.json is not a run record"),
        ({f"{HERE}/replay.json": b"{}"}, r"replay\.json is not a run record"),
        (
            {f"{HERE}/record.json": msgspec.json.encode(replace(record(), run_id="x"))},
            "another run",
        ),
    ],
)
def test_a_repacked_bundle_must_match_its_record(
    project: Project, tmp_path: Path, change: dict[str, bytes], said: str
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    with pytest.raises(RecordError, match=said):
        unpack(packed(project, tmp_path, change), there)


def test_a_bundle_without_record_is_refused(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "x.tar.gz"
    write(path, SLUG, RUN, {f"series/{SLUG}/series.yaml": b"x"})
    there = tmp_path / "there"
    there.mkdir()
    with pytest.raises(RecordError, match=r"record\.json cannot be read"):
        unpack(path, there)
