"""Bundles that are used only if the holder of a key signed them."""

import sys

import pytest

from cmrseg.models import bundle
from cmrseg.models.signature import SIGNATURE, VARIABLE
from cmrseg.runtime.errors import EXIT_WEIGHTS, WeightsError


@pytest.fixture
def unsigned(tmp_path):
    """A bundle without networks."""
    empty = {"format": bundle.FORMAT, "challenge": "emidec", "files": {}, "networks": []}
    (tmp_path / bundle.MANIFEST).write_text(bundle.sealed(empty))
    return tmp_path


@pytest.fixture
def signed(unsigned, monkeypatch):
    """The same signed, and its key trusted."""
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    (unsigned / SIGNATURE).write_bytes(key.sign((unsigned / bundle.MANIFEST).read_bytes()))
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (unsigned / "public.pem").write_bytes(public)
    monkeypatch.setenv(VARIABLE, str(unsigned / "public.pem"))
    return unsigned


def refusal(folder):
    with pytest.raises(WeightsError) as refused:
        bundle.load(folder, "emidec")
    assert refused.value.exit_code == EXIT_WEIGHTS
    return str(refused.value)


def test_without_a_key_nobody_asks(unsigned, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert bundle.load(unsigned, "emidec").networks == []


def test_a_signed_bundle_is_used_and_a_resealed_one_is_not(signed):
    assert bundle.load(signed, "emidec").networks == []
    manifest = bundle.load(signed, "emidec").manifest
    (signed / bundle.MANIFEST).write_text(bundle.sealed(manifest | {"commit": "mine"}))
    assert "was not signed by the key" in refusal(signed)
    (signed / SIGNATURE).unlink()
    assert "is not signed" in refusal(signed)


@pytest.mark.parametrize("content", ["", "no key", None])
def test_what_is_no_key_trusts_nothing(signed, content):
    if content is None:
        (signed / "public.pem").unlink()
    else:
        (signed / "public.pem").write_text(content)
    assert VARIABLE in refusal(signed)


def test_where_nothing_can_check_signatures_nothing_is_trusted(unsigned, monkeypatch):
    monkeypatch.setenv(VARIABLE, "public.pem")
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    assert "cmrseg[signed]" in refusal(unsigned)
