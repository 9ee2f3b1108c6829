"""Layers upon each other: whiteouts, links, and what a file is."""

import hashlib
import io

from cmrseg_lab.lint_image.layers import looks_like_layer, merged, read_layer, resolve
from lab.lint_image.archives import layer


def read(*layers):
    return [read_layer(io.BytesIO(data)) for data in layers]


def test_a_file_is_known_by_path_mode_and_digest():
    data = b"x" * 3_000_000
    ((entry,),) = (one.entries for one in read(layer({"./opt/a": (data, 0o640)})))
    assert (entry.path, entry.kind, entry.mode) == ("opt/a", "file", 0o640)
    assert entry.digest == hashlib.sha256(data).hexdigest()


def test_whiteouts_delete_what_lies_below_and_nothing_else():
    files = merged(
        read(
            layer({"a/one": b"1", "a/two": b"2", "b/x": b"x", "b/y/z": b"z", "bb": b"", "c": b""}),
            layer({"a/.wh.one": b"", "b/.wh..wh..opq": b"", "b/new": b"n", ".wh.c": b""}),
        )
    )
    assert sorted(files) == ["a/two", "b/new", "bb"]


def test_a_deleted_file_can_come_back():
    files = merged(read(layer({"a": b"old"}), layer({".wh.a": b""}), layer({"a": b"new"})))
    assert files["a"].digest == hashlib.sha256(b"new").hexdigest()


def test_a_whiteout_beside_its_replacement():
    """The order within a layer means nothing: whiteouts are about the layers below."""
    files = merged(read(layer({"d/a": b"old"}), layer({"d/b": b"new", "d/.wh..wh..opq": b""})))
    assert sorted(files) == ["d/b"]


def test_a_file_in_a_folders_place_hides_what_was_in_it():
    below = layer({"a/b": b""}, folders={"a": 0o755})
    assert sorted(merged(read(below, layer({"a": b""})))) == ["a"]


def test_links_are_followed():
    files = merged(
        read(
            layer(
                {"usr/bin/python3.11": b"p", "opt/v/x": b"x"},
                links={"bin": "usr/bin", "usr/bin/python": "python3.11", "v": "/opt/../opt/v"},
            ),
            layer(links={"loop": "pool", "pool": "loop"}),
        )
    )
    assert resolve(files, "/bin/python").path == "usr/bin/python3.11"
    assert resolve(files, "/v/x").path == "opt/v/x"
    assert resolve(files, "/v/y") is None
    assert resolve(files, "/loop") is None


def test_what_begins_like_a_layer():
    assert looks_like_layer(layer({"a": b""})[:512])
    assert looks_like_layer(layer()[:512])
    assert not looks_like_layer(b'{"architecture": "amd64"}'.ljust(512))
