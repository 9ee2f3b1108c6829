"""What must not lie in any layer, found wherever it hides."""

import io

import pytest

from cmrseg_lab.lint_image import files as contents
from cmrseg_lab.lint_image.archive import Image
from cmrseg_lab.lint_image.layers import merged, read_layer
from lab.lint_image.archives import layer

# Put together here, so that no key or token stands in the repository.
PEM = b"-----BEGIN " + b"RSA PRIVATE KEY-----\n" + b"MIIE" * 16 + b"\n"
TOKEN = b"glpat-" + b"x1Y2" * 6
NIFTI = bytes(344) + b"n+1\0" + bytes(100)
DICOM = bytes(128) + b"DICM" + bytes(300)
CHECKS = (
    contents.no_secrets,
    contents.no_repository,
    contents.no_patients,
    contents.no_pickles,
)


def look(check, *layers):
    image = Image({}, tuple(read_layer(io.BytesIO(layer(files))) for files in layers))
    return check(image, merged(image.layers))


FOUND = [
    (contents.no_secrets, "etc/pip.conf", b"[global]\nindex-url = https://u:p@example.org/simple"),
    (contents.no_secrets, "root/.netrc", b"machine example.org login me"),
    (contents.no_secrets, "root/.npmrc", b"//example.org/:_authToken=abc"),
    (contents.no_secrets, "app/.env", b"PASSWORD=abc"),
    (contents.no_secrets, "root/.docker/config.json", b"{}"),
    (contents.no_secrets, "root/.ssh/id_ed25519", b"key"),
    (contents.no_secrets, "opt/server.pem", PEM),
    (contents.no_secrets, "opt/notes.txt", b"use " + TOKEN + b"\n"),
    (contents.no_repository, "src/.git/HEAD", b"ref: refs/heads/main"),
    (contents.no_patients, "data/p1.nii.gz", b"\x1f\x8b"),
    (contents.no_patients, "data/p1.mha", b"ObjectType = Image"),
    (contents.no_patients, "data/renamed.bin", NIFTI),
    (contents.no_patients, "data/IM0001", DICOM),
    (contents.no_pickles, "opt/model.pt", b"PK\x03\x04 zip"),
    (contents.no_pickles, "opt/model.pkl", b"\x80\x04\x95"),
    (contents.no_pickles, "usr/lib/python3.11/site-packages/cmrseg/w.pth", b"\x80\x02}"),
]


@pytest.mark.parametrize(("check", "path", "content"), FOUND)
def test_found_even_if_deleted_later(check, path, content):
    found = look(check, {"a": b"a"}, {path: content})
    assert found.verdict == "fail"
    assert "layer 2" in found.found
    assert "deleted" not in found.found
    folder, _, name = path.rpartition("/")
    found = look(check, {path: content}, {f"{folder}/.wh.{name}": b""})
    assert found.verdict == "fail"
    assert "layer 1 (deleted later, still to be read)" in found.found
    for other in set(CHECKS) - {check}:
        assert look(other, {path: content}).verdict == "pass"


def test_a_patients_file_name_is_not_told():
    found = look(contents.no_patients, {"data/MUELLER_1950.nii.gz": b""}).found
    assert found == "a medical image in /data, layer 1"


@pytest.mark.parametrize(
    ("check", "path", "content"),
    [
        (contents.no_secrets, "etc/pip.conf", b"[global]\nindex-url = https://example.org/simple"),
        (contents.no_secrets, "opt/x.py", b'BEGIN = "-----BEGIN PRIVATE KEY-----"\n'),
        (contents.no_secrets, "etc/ssl/ca.pem", b"-----BEGIN CERTIFICATE-----\nMIIE"),
        (contents.no_repository, "src/.gitignore", b""),
        (contents.no_patients, "opt/a.safetensors", b"12345678{}" * 60),
        (contents.no_pickles, "usr/lib/python3/site-packages/x.pth", b"import site"),
    ],
)
def test_harmless(check, path, content):
    assert look(check, {path: content}).verdict == "pass"


def test_a_librarys_own_test_files_are_warned_of():
    packages = "opt/venv/lib/python3.11/site-packages"
    files = {f"{packages}/nibabel/tests/data/{n}.nii.gz": b"" for n in range(3)}
    found = look(contents.no_patients, files)
    assert (found.verdict, found.found) == ("warn", "in Python packages: nibabel (3)")
    mixed = look(contents.no_patients, files | {"data/a.nii": b""})
    assert mixed.verdict == "fail"
    assert "a medical image in /data, layer 1" in mixed.found


def test_what_anybody_may_change():
    files = {"opt/code.py": (b"", 0o666), "opt/good.py": (b"", 0o644)}
    image = read_layer(io.BytesIO(layer(files, folders={"tmp": 0o1777, "output": 0o777})))
    check = contents.permissions(merged([image]))
    assert check.verdict == "warn"
    assert "/opt/code.py" in check.found
