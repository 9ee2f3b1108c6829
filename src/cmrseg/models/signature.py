"""Who made a bundle: an Ed25519 signature of its manifest, for those who ask for one.

A bundle's seal finds damage; somebody who writes new weights writes a new seal too. Where
``$CMRSEG_TRUSTED_KEY`` names a public key (PEM), a bundle is used only if the key's holder signed
``manifest.json``, which has the digest of every other file. OpenSSL 3 makes keys and signatures::

    openssl genpkey -algorithm ed25519 -out private.pem
    openssl pkey -in private.pem -pubout -out public.pem
    openssl pkeyutl -sign -rawin -inkey private.pem -in manifest.json -out manifest.json.sig
"""

from __future__ import annotations

import os
from pathlib import Path

from cmrseg.runtime.errors import WeightsError

VARIABLE = "CMRSEG_TRUSTED_KEY"
SIGNATURE = "manifest.json.sig"


def check_signature(folder: Path, manifest: bytes) -> None:
    """Refuse a manifest that the holder of the trusted key did not sign; no key, no question.

    Args:
        folder: of the bundle.
        manifest: the bytes of its manifest as they are used.

    Raises:
        WeightsError: no signature, or not of this manifest and key (RFC 8032); or no usable key.
    """
    trusted = os.environ.get(VARIABLE)
    if not trusted:
        return
    try:
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError as error:
        raise WeightsError(
            f"{VARIABLE} is set, but what checks signatures is not installed",
            "pip install 'cmrseg[signed]'",
        ) from error
    try:
        key = load_pem_public_key(Path(trusted).read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise _no_key() from error
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key()
    try:
        key.verify((folder / SIGNATURE).read_bytes(), manifest)
    except OSError as error:
        raise WeightsError(
            f"the bundle in {folder} is not signed: {SIGNATURE} is missing or unreadable",
            f"get the signed bundle, or unset {VARIABLE}",
        ) from error
    except InvalidSignature as error:
        raise WeightsError(
            f"the bundle in {folder} was not signed by the key that {VARIABLE} names",
            "get the bundle from its makers again, or their right key",
        ) from error


def _no_key() -> WeightsError:
    return WeightsError(
        f"{VARIABLE} names no Ed25519 public key", "give the path of one as a PEM file"
    )
