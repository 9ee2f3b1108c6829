"""Checks of how an image says containers are started: from its configuration alone."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from cmrseg_lab.lint_image.archive import Archive, Image
from cmrseg_lab.lint_image.checks import Check, check_of
from cmrseg_lab.lint_image.layers import Entry, resolve
from cmrseg_lab.lint_image.suspects import CREDENTIALS, is_secret_name, secret_in

PLATFORM = ("linux", "amd64")
API_LABEL, API_VARIABLE = "org.grand-challenge.api-method", "CMRSEG_API"
APIS = ("exec", "invoke")
OCI_LABELS = ("version", "revision", "licenses", "source")
LIMIT_BYTES, AIM_BYTES = 10 * 10**9, 500 * 10**6
SHELL = ["/bin/sh", "-c"]
USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def one_image(archive: Archive) -> Check:
    """Exactly one image, in the form that the platform reads."""
    name, count = "one image", len(archive.images)
    if count != 1:
        remedy = "save a single image: docker save IMAGE:TAG"
        return Check(name=name, verdict="fail", found=f"{count} images", remedy=remedy)
    if archive.docker:
        return Check(name=name, verdict="pass", found="one, as docker save writes it")
    found, remedy = "one, but without manifest.json", "docker load it, then docker save it"
    return Check(name=name, verdict="warn", found=found, remedy=remedy)


def layers_named(image: Image) -> Check:
    """Every layer is the one that the configuration names."""
    told = image.config.get("rootfs", {}).get("diff_ids", [])
    found = [layer.diff_id for layer in image.layers]
    faults = []
    if len(told) != len(found):
        faults.append(f"{len(found)} layers where the configuration names {len(told)}")
    pairs = enumerate(zip(told, found, strict=False), 1)
    faults += [f"layer {n} is not the one named" for n, (one, other) in pairs if one != other]
    return check_of("layers", faults, f"{len(found)}, digests right", "save the image again")


def platform(image: Image) -> Check:
    """linux/amd64."""
    found = "/".join(str(image.config.get(key, "unknown")) for key in ("os", "architecture"))
    faults = [] if found == "/".join(PLATFORM) else [found]
    return check_of("platform", faults, found, "build with --platform linux/amd64")


def user(image: Image) -> Check:
    """A number, and not root's."""
    told = image.settings.get("User") or ""
    name = told.partition(":")[0]
    if not name:
        faults = ["no USER, which means root"]
    elif not (name.isascii() and name.isdigit()):
        faults = [f"{name} is a name, which only the image can look up"]
    else:
        faults = ["root"] if int(name) == 0 else []
    return check_of("user", faults, told, "set a number: USER 1000:1000")


def api_method(image: Image) -> Check:
    """A label that the platform knows, and a container that then does what it says."""
    declared = image.labels.get(API_LABEL, "exec")
    remedy = f"build with --build-arg API=exec or invoke, which sets label and {API_VARIABLE}"
    if declared not in APIS:
        faults = [f"label {API_LABEL} is {declared!r}, known are {' and '.join(APIS)}"]
        return check_of("api-method", faults, "", remedy)
    does = image.environment.get(API_VARIABLE)
    if does is None:
        does = "invoke" if "serve" in image.command else "exec"
    faults = [] if does == declared else [f"the label says {declared}, the entrypoint does {does}"]
    fine = declared if API_LABEL in image.labels else "no label, which means exec"
    # Another program may serve without a word that tells; only the sample case can show it.
    certain = API_VARIABLE in image.environment or declared == "exec"
    return check_of("api-method", faults, fine, remedy, "fail" if certain else "warn")


def entrypoint(image: Image, files: Mapping[str, Entry]) -> Check:
    """There is one, and any user may run it."""
    name, command = "entrypoint", image.command
    if not command:
        return check_of(name, ["neither ENTRYPOINT nor CMD"], "", "set ENTRYPOINT")
    folders = [""] if "/" in command[0] else _path(image)
    places = (posixpath.join(folder, command[0]) for folder in folders)
    found = next((entry for place in places if (entry := resolve(files, place))), None)
    faults, remedy = [], "COPY it into the image with --chmod=755"
    if found is None:
        faults = [f"{command[0]} is not in the image"]
    elif found.kind != "file" or not found.mode & 0o001:
        faults = [f"{command[0]} may not be run by an arbitrary user"]
    elif command[: len(SHELL)] == SHELL:
        shell = [f"{SHELL[0]} runs it and keeps SIGTERM to itself"]
        return check_of(name, shell, "", 'write it as a list: ENTRYPOINT ["..."]', "warn")
    return check_of(name, faults, " ".join(command), remedy)


def size(image: Image, file_bytes: int | None = None) -> Check:
    """Compressed, below the platform's limit; below our own aim for a CPU image if it can be.

    Args:
        image: whose layers count.
        file_bytes: size of the archive, if it is compressed; else the layers' is estimated.
    """
    packed = file_bytes or sum(layer.packed_bytes for layer in image.layers)
    found = f"{'' if file_bytes else 'about '}{packed / 1e6:.0f} MB compressed"
    if packed > LIMIT_BYTES:
        remedy = f"the platform takes {LIMIT_BYTES / 1e9:.0f} GB: install less"
        return Check(name="size", verdict="fail", found=found, remedy=remedy)
    if packed > AIM_BYTES:
        found += f" (above {AIM_BYTES / 1e6:.0f} MB, our aim for a CPU image)"
    return Check(name="size", verdict="pass", found=found)


def image_labels(image: Image) -> Check:
    """Where the image comes from, and on what terms."""
    names = [f"org.opencontainers.image.{name}" for name in OCI_LABELS]
    lacking = [name for name in names if image.labels.get(name, "unknown") in ("", "unknown")]
    fine = f"version {image.labels.get(names[0])}, revision {image.labels.get(names[1])}"
    faults = [f"nothing told in {name}" for name in lacking]
    remedy = "docker/build.sh sets them; SOURCE=https://... names what git's origin does not tell"
    return check_of("labels", faults, fine, remedy, "warn")


def spoken_secrets(image: Image) -> Check:
    """No secret in variables, labels, start commands or the build's history."""
    faults = [
        f"variable {name} holds {secret_in(value) or CREDENTIALS}"
        for name, value in image.environment.items()
        if value and (is_secret_name(name) or secret_in(value))
    ]
    faults += [
        f"label {name} holds {secret}"
        for name, value in image.labels.items()
        if (secret := secret_in(value))
    ]
    faults += [f"the command holds {secret}" for c in image.command if (secret := secret_in(c))]
    faults += [
        f"step {number} of the history holds {secret}"
        for number, step in enumerate(image.config.get("history") or [], 1)
        if (secret := secret_in(step.get("created_by") or "") or _argument(step))
    ]
    remedy = "revoke it, then build with --secret: arguments and variables stay readable"
    return check_of("secrets", faults, "none in variables, labels or history", remedy)


def _argument(step: dict[str, str]) -> str | None:
    """Build arguments that a RUN step got: ``|2 A=x TOKEN=y /bin/sh -c ...``."""
    told = step.get("created_by") or ""
    words = told.split("/bin/sh", 1)[0].split() if told.startswith(("|", "RUN |")) else []
    pairs = (word.partition("=") for word in words)
    named = any(value and is_secret_name(name) for name, _, value in pairs)
    return CREDENTIALS if named else None


def _path(image: Image) -> list[str]:
    return image.environment.get("PATH", USUAL_PATH).split(":")
