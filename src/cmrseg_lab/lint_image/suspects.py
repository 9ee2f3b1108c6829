"""What a file in an image looks like that should not be there: keys, pickles, patients' images.

Judged by content where it tells, by name where it does not. A secret's value is never repeated.
"""

from __future__ import annotations

import re

KEY = "a private key"
TOKEN = "an access token"
CREDENTIALS = "credentials"
REPOSITORY = "a version-control folder"
PICKLE = "pickled weights"
IMAGE = "a medical image"

_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+(?:[A-Za-z-]+:.*\s+)*[A-Za-z0-9+/=]{40}")
_TOKEN = re.compile(
    rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{50}|glpat-[\w-]{20}|AKIA[0-9A-Z]{16}"
    rb"|pypi-AgE[\w-]{40}|xox[abprs]-[\w-]{20}|hf_[A-Za-z0-9]{34})"
)
_LOGIN = re.compile(rb"://[^\s/:@]+:[^\s/@]+@")
# Files that hold logins: always, or where a line of them has one.
_LOGINS = re.compile(
    r"(^|/)(\.netrc|_netrc|\.git-credentials|\.pypirc|\.pgpass|\.aws/credentials"
    r"|\.docker/config\.json|\.kube/config|\.ssh/id_[^/.]+)$"
)
_SETTINGS = re.compile(r"(^|/)(pip\.conf|\.npmrc|\.condarc|\.?env|\.env\.[^/]+|uv\.toml)$")
_PASSWORD = re.compile(rb"(?i)(_auth\w*|password|passwd|secret|token)\s*[=:]\s*[^\s#]")
_REPOSITORY = re.compile(r"(^|/)\.(git|hg|svn)/")
_PICKLE = re.compile(r"\.(pt|pth|pkl|pickle|ckpt|joblib)$", re.IGNORECASE)
_PICKLED = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"\x1f\x8b")
_IMAGE = re.compile(r"\.(nii|nii\.gz|dcm|mha|mhd|nrrd|ima)$", re.IGNORECASE)
_LIBRARY = re.compile(r"(^|/)((site|dist)-packages/(?!cmrseg)|lib/python3[^/]*/test/)")
_SECRET_NAME = re.compile(
    r"(?i)(secret|token|passw(or)?d|api_?key|access_?key|private_?key|credential)"
)


def marks(path: str, head: bytes, *, whole: bool) -> frozenset[str]:
    """What a file looks like.

    Args:
        path: where it lies, without a leading slash.
        head: its first bytes, at least 352 of a longer file.
        whole: whether that is all of it; only then is it searched for secrets.
    """
    found = set()
    if _REPOSITORY.search(path):
        found.add(REPOSITORY)
    if _PICKLE.search(path) and head.startswith(_PICKLED):
        found.add(PICKLE)
    if _IMAGE.search(path) or _is_image(head):
        found.add(IMAGE)
    if _LOGINS.search(path) or (_SETTINGS.search(path) and _gives_access(head)):
        found.add(CREDENTIALS)
    if whole and b"PRIVATE KEY-----" in head and _KEY.search(head):
        found.add(KEY)
    if whole and not in_library(path) and _TOKEN.search(head):
        found.add(TOKEN)
    return frozenset(found)


def in_library(path: str) -> bool:
    """Whether a file belongs to somebody else's Python package (their tests bring odd files)."""
    return bool(_LIBRARY.search(path))


def package(path: str) -> str:
    """Name of the Python package that a file belongs to."""
    found = _LIBRARY.search(path)
    return path[found.end() :].partition("/")[0] if found else ""


def secret_in(text: str) -> str | None:
    """What kind of secret a command or setting has in it; None for none."""
    data = text.encode()
    if _TOKEN.search(data):
        return TOKEN
    if _KEY.search(data) or b"PRIVATE KEY-----" in data:
        return KEY
    return CREDENTIALS if _LOGIN.search(data) else None


def is_secret_name(name: str) -> bool:
    """Whether a variable is called like something that nobody should read."""
    return bool(_SECRET_NAME.search(name))


def _gives_access(head: bytes) -> bool:
    return bool(_LOGIN.search(head) or _PASSWORD.search(head) or _TOKEN.search(head))


def _is_image(head: bytes) -> bool:
    """DICOM and NIfTI by their magic numbers, whatever they are called."""
    return head[128:132] == b"DICM" or head[344:348] in (b"n+1\0", b"ni1\0")
