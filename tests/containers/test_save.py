"""``docker/save.sh``: the same image and bundle give the same names and bytes, whenever saved."""

import hashlib
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DIGEST = "0123456789abcdef" * 4
TOOLS = "bash sh env dirname mkdir mktemp mv rm cp ls find sort tar gzip sha256sum xargs tee du"
# An engine with one image and one bundle, which writes both with the dates and order of the moment.
ENGINE = f"""#!/bin/sh
case "$1 $2" in
    "image inspect")
        case "$*" in *version*) echo 9.9 ;; *) echo sha256:{DIGEST} ;; esac ;;
    "save "*) tar -C "$IMAGE" -c $(ls $SORTING "$IMAGE") ;;
    "create "*) echo container ;;
    "cp "*) cp -r "$BUNDLE/." "$3" ;;
    "rm "*) ;;
    *) exit 9 ;;
esac
"""


@pytest.fixture
def save(tmp_path):
    """Saves into a folder; returns its files' digests."""
    image, bundle, bin_dir = tmp_path / "image", tmp_path / "bundle", tmp_path / "bin"
    for folder in (image / "blobs", bundle, bin_dir):
        folder.mkdir(parents=True)
    (image / "manifest.json").write_text("[]")
    (image / "blobs/layer").write_bytes(bytes(range(256)) * 40)
    (bundle / "manifest.json").write_text("{}")
    (bundle / "a.safetensors").write_bytes(b"weights")
    engine = bin_dir / "docker"
    engine.write_text(ENGINE)
    engine.chmod(0o755)

    def run(folder, *, date, sorting, sbom=False):
        for path in (*image.rglob("*"), *bundle.rglob("*")):
            os.utime(path, (date, date))
        syft = bin_dir / "syft"
        syft.write_text('#!/bin/sh\nfor last; do :; done\necho "{}" > "${last#*=}"\n')
        syft.chmod(0o755)
        if not sbom:
            syft.unlink()
        for tool in TOOLS.split():
            link = bin_dir / tool
            link.exists() or link.symlink_to(shutil.which(tool))
        environment = {"PATH": str(bin_dir), "IMAGE": str(image), "BUNDLE": str(bundle)}
        done = subprocess.run(
            [ROOT / "docker/save.sh", "emidec", folder],
            env=environment | {"SORTING": sorting},
            capture_output=True,
            text=True,
            check=True,
        )
        files = [path for path in folder.iterdir() if path.is_file()]
        digests = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
        return digests, done.stderr

    return run


def test_names_and_bytes_follow_from_the_content(tmp_path, save):
    first, _ = save(tmp_path / "one", date=1e9, sorting="-r")
    again, _ = save(tmp_path / "two", date=1.5e9, sorting="")
    assert first == again
    bundle = hashlib.sha256(b"{}").hexdigest()[:12]
    assert set(first) == {
        "cmrseg-emidec-9.9-0123456789ab.tar.gz",
        f"cmrseg-emidec-weights-{bundle}.tar.gz",
        "emidec.sha256",
    }
    listed = (tmp_path / "one/emidec.sha256").read_text()
    assert all(f"{first[name]}  {name}" in listed for name in first if name.endswith("gz"))
    with tarfile.open(tmp_path / "one" / f"cmrseg-emidec-weights-{bundle}.tar.gz") as tar:
        assert tar.getnames() == ["a.safetensors", "manifest.json"]
        assert {(m.mtime, m.uid, m.mode & 0o044) for m in tar} == {(0, 0, 0o044)}


def test_a_second_save_leaves_one_file_of_each_kind(tmp_path, save):
    out = tmp_path / "out"
    out.mkdir()
    (out / "cmrseg-emidec-9.8-ba9876543210.tar.gz").write_bytes(b"former image")
    (out / "cmrseg-mnms2-9.8-ba9876543210.tar.gz").write_bytes(b"another image")
    saved, _ = save(out, date=1e9, sorting="")
    assert len([name for name in saved if name.startswith("cmrseg-emidec-9")]) == 1
    assert "9.8" not in (out / "emidec.sha256").read_text()
    assert (out / "earlier/cmrseg-emidec-9.8-ba9876543210.tar.gz").read_bytes() == b"former image"
    assert "cmrseg-mnms2-9.8-ba9876543210.tar.gz" in saved


def test_an_sbom_lies_beside_where_syft_is_there(tmp_path, save):
    with_it, _ = save(tmp_path / "with", date=1e9, sorting="", sbom=True)
    assert "cmrseg-emidec-9.9-0123456789ab.cdx.json" in with_it
    without, said = save(tmp_path / "without", date=1e9, sorting="")
    assert not [name for name in without if name.endswith(".cdx.json")]
    assert "no SBOM" in said
