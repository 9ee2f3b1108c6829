"""Archives in every form that engines write."""

import gzip
import io
import random
import tarfile

import pytest

from cmrseg.runtime.errors import InputError
from cmrseg_lab.lint_image.archive import read_archive
from cmrseg_lab.lint_image.settings import layers_named, one_image, size
from lab.lint_image.archives import LABELS, layer, save, usual_layers


def archive_of(path):
    with path.open("rb") as file:
        return read_archive(file)


@pytest.mark.parametrize("form", ["docker", "legacy", "oci"])
@pytest.mark.parametrize("zipped", [False, True])
def test_every_form_tells_the_same_image(form, zipped, tmp_path):
    path = save(tmp_path / "a.tar", form=form)
    if zipped:
        path.write_bytes(gzip.compress(path.read_bytes()))
    archive = archive_of(path)
    (image,) = archive.images
    assert image.labels == LABELS
    assert image.command == ["/opt/run.sh", "emidec"]
    assert image.environment["PATH"] == "/opt/bin:/bin"
    assert [len(layer.entries) for layer in image.layers] == [2, 4]
    assert layers_named(image).verdict == "pass"
    assert archive.docker == (form != "oci")
    assert one_image(archive).verdict == ("warn" if form == "oci" else "pass")


def test_zipped_layers_are_read_and_weighed(tmp_path):
    (image,) = archive_of(save(tmp_path / "a.tar", zipped_layers=True)).images
    assert layers_named(image).verdict == "pass"
    packed = sum(len(gzip.compress(data, mtime=0)) for data in usual_layers())
    assert sum(layer.packed_bytes for layer in image.layers) == packed


def test_the_size_of_plain_layers_is_estimated(tmp_path):
    chequered = (random.Random(1).randbytes(30_000) + bytes(30_000)) * 100
    layers = [layer({"a": chequered}), layer({"b": b"b"})]
    (image,) = archive_of(save(tmp_path / "a.tar", layers)).images
    assert image.layers[0].packed_bytes == pytest.approx(3_000_000, rel=0.1)
    assert image.layers[1].packed_bytes == len(layers[1])
    assert size(image).found.startswith("about ")
    assert size(image, 420_000_000).found == "420 MB compressed"
    assert size(image, 900_000_000).verdict == "pass"
    assert "above 500 MB" in size(image, 900_000_000).found
    assert size(image, 10_000_000_001).verdict == "fail"


def test_layers_that_older_engines_link_to_each_other(tmp_path):
    path = save(tmp_path / "a.tar", form="legacy")
    raw = io.BytesIO()
    with tarfile.open(path) as old, tarfile.open(fileobj=raw, mode="w") as new:
        for member in old:
            content = old.extractfile(member).read()
            if member.name == "1/layer.tar":
                member.name = "2/layer.tar"
            new.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("1/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../2/layer.tar"
        new.addfile(link)
    path.write_bytes(raw.getvalue())
    assert layers_named(archive_of(path).images[0]).verdict == "pass"


def test_an_exchanged_layer_is_seen(tmp_path):
    layers = usual_layers()
    told = save(tmp_path / "a.tar", layers, form="legacy")
    spoiled = told.read_bytes().replace(b"#!/bin/sh\n", b"#!/bin/no\n")
    told.write_bytes(spoiled)
    check = layers_named(archive_of(told).images[0])
    assert check.verdict == "fail"
    assert "layer 2" in check.found


def test_two_images_are_one_too_many(tmp_path):
    check = one_image(archive_of(save(tmp_path / "a.tar", images=2)))
    assert (check.verdict, check.found) == ("fail", "2 images")


def test_what_is_no_archive_is_told(tmp_path):
    whole_archive = gzip.compress(save(tmp_path / "a.tar").read_bytes())
    faults = {
        "text": b"hello" * 1000,
        "empty": b"",
        "cut": whole_archive[: len(whole_archive) // 2],
        "other": layer({"readme": b"hello"}),
        "nonsense": layer({"manifest.json": b"[{}]"}),
        "list": layer({"manifest.json": b"[3]"}),
    }
    for name, content in faults.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InputError):
            archive_of(path)


def test_a_layer_in_zstd_is_told(tmp_path):
    path = save(tmp_path / "a.tar", form="legacy")
    path.write_bytes(layer({"0/layer.tar": b"\x28\xb5\x2f\xfd" + bytes(900)}))
    with pytest.raises(InputError, match="zstd"):
        archive_of(path)
