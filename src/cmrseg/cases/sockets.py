"""Which Grand Challenge socket carries which image, and which sockets take the results.

The slugs below are those to choose when creating the algorithm on the platform. Others need no new
image: put a table of your own in a JSON file and name it in ``CMRSEG_SOCKETS`` (or by option)::

    {"results": "results",
     "sockets": [{"slug": "cardiac-lge", "role": "LGE", "mask": "cardiac-lge-labels",
                  "maps": {"variance": "cardiac-lge-uncertainty"}, "frame": 0}]}

``slug`` is the input, ``mask`` and ``maps`` name the folders below ``/output/images``, ``results``
is the JSON file's name without ending; ``maps`` and ``frame`` (which frame of a 4D cine) are
optional. One slug may serve several roles by different frames.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from cmrseg.cases.challenge import EMIDEC, MNMS2, SPECS, Challenge
from cmrseg.runtime.errors import UsageError

TABLE_VARIABLE = "CMRSEG_SOCKETS"
_SLUG = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Socket:
    """One input socket, the image it carries, and where that image's results go.

    Attributes:
        slug: the input socket.
        role: the image's role in the recipe.
        mask: output socket of the labels.
        maps: map name -> output socket; a map without a socket is not written.
        frame: which frame, if the socket carries a cine.
    """

    slug: str
    role: str
    mask: str
    maps: Mapping[str, str] = field(default_factory=dict)
    frame: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketTable:
    """A challenge's sockets and the name of its results JSON."""

    sockets: tuple[Socket, ...]
    results: str = "results"

    def interfaces(self) -> dict[tuple[str, ...], tuple[Socket, ...]]:
        """Every combination of input sockets that can be served, by its sorted slugs."""
        slugs = sorted({socket.slug for socket in self.sockets})
        chosen = [c for n in range(1, len(slugs) + 1) for c in combinations(slugs, n)]
        return {key: tuple(s for s in self.sockets if s.slug in key) for key in chosen}


TABLES: dict[Challenge, SocketTable] = {
    EMIDEC.name: SocketTable(
        sockets=(
            Socket(
                slug="delayed-enhancement-mri",
                role="LGE",
                mask="delayed-enhancement-segmentation",
                maps={"variance": "delayed-enhancement-uncertainty"},
            ),
        )
    ),
    MNMS2.name: SocketTable(
        sockets=tuple(
            Socket(slug=f"{name}-cine-mri", role=role, mask=f"{name}-segmentation")
            for role in MNMS2.roles
            for name in [role.lower().replace("_", "-")]
        )
    ),
}


def socket_table(challenge: Challenge, file: Path | None = None) -> SocketTable:
    """The table in ``file``, else in the file named by ``CMRSEG_SOCKETS``, else the usual one.

    Raises:
        UsageError: the file cannot be read or is no such table.
    """
    chosen = file or os.environ.get(TABLE_VARIABLE)
    if not chosen:
        return TABLES[challenge]
    try:
        told = json.loads(Path(chosen).read_text(encoding="utf-8"))
        table = SocketTable(
            sockets=tuple(Socket(**entry) for entry in told["sockets"]),
            **{key: value for key, value in told.items() if key != "sockets"},
        )
        _check(table, SPECS[challenge].roles)
    except OSError as error:
        raise UsageError(
            f"the socket table cannot be read ({error.strerror})",
            f"check the path in {TABLE_VARIABLE}",
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"the socket table is not understood ({type(error).__name__}: {error})",
            "write it as docs/site/challenge/sockets.md shows",
        ) from error
    return table


def _check(table: SocketTable, roles: Sequence[str]) -> None:
    """Refuse a table that would read one image twice or write outside its folders."""
    if not table.sockets:
        raise ValueError("it has no sockets")
    outputs = [slug for s in table.sockets for slug in (s.mask, *s.maps.values())]
    _distinct("role", [socket.role for socket in table.sockets])
    _distinct("output socket", outputs)
    for socket in table.sockets:
        if socket.role not in roles:
            raise ValueError(f"role {socket.role!r} is none of {', '.join(roles)}")
        if not isinstance(socket.frame, int | None):
            raise ValueError(f"frame {socket.frame!r} is no number")
    for slug in (table.results, *outputs, *(socket.slug for socket in table.sockets)):
        if not (isinstance(slug, str) and _SLUG.fullmatch(slug)):
            raise ValueError(f"{slug!r} is no slug")


def _distinct(what: str, values: Sequence[Any]) -> None:
    if len(set(values)) < len(values):
        raise ValueError(f"one {what} comes twice")
