"""How an image says it is started: each rule kept, and each broken."""

import pytest

from cmrseg_lab.lint_image import settings
from cmrseg_lab.lint_image.archive import Image
from cmrseg_lab.lint_image.layers import Entry
from lab.lint_image.archives import LABELS, SETTINGS

FILES = {
    "opt/run.sh": Entry("opt/run.sh", "file", 0o755),
    "opt/mine.sh": Entry("opt/mine.sh", "file", 0o700),
    "opt/bin/tool": Entry("opt/bin/tool", "link", 0o777, target="../run.sh"),
    "opt": Entry("opt", "folder", 0o755),
}


def image(config=None, **changed):
    return Image(
        {"os": "linux", "architecture": "amd64", **(config or {})} | {"config": SETTINGS | changed},
        (),
    )


def test_a_good_image_passes():
    good = image()
    checks = [settings.platform(good), settings.user(good), settings.api_method(good)]
    checks += [settings.entrypoint(good, FILES), settings.image_labels(good)]
    checks += [settings.spoken_secrets(good), settings.size(good)]
    assert [check.verdict for check in checks] == ["pass"] * 7
    assert not any(check.remedy for check in checks)


@pytest.mark.parametrize("told", [{"architecture": "arm64"}, {"os": "windows"}])
def test_another_platform(told):
    check = settings.platform(image(told))
    assert check.verdict == "fail"
    assert next(iter(told.values())) in check.found


@pytest.mark.parametrize(
    ("user", "verdict"),
    [
        ("1000", "pass"),
        ("1000:0", "pass"),
        ("31337:31337", "pass"),
        ("", "fail"),
        (None, "fail"),
        ("root", "fail"),
        ("0", "fail"),
        ("0:0", "fail"),
        ("00", "fail"),
        ("algorithm", "fail"),
    ],
)
def test_users(user, verdict):
    assert settings.user(image(User=user)).verdict == verdict


@pytest.mark.parametrize(
    ("label", "environment", "command", "verdict"),
    [
        (None, [], ["/opt/run.sh"], "pass"),
        ("exec", ["CMRSEG_API=exec"], ["/opt/run.sh"], "pass"),
        ("invoke", ["CMRSEG_API=invoke"], ["/opt/run.sh"], "pass"),
        ("invoke", [], ["cmrseg", "serve", "emidec"], "pass"),
        ("invoke", ["CMRSEG_API=exec"], ["/opt/run.sh"], "fail"),
        ("exec", ["CMRSEG_API=invoke"], ["/opt/run.sh"], "fail"),
        (None, [], ["cmrseg", "serve", "emidec"], "fail"),
        ("invoke", [], ["/opt/their_server"], "warn"),
        ("Invoke", [], ["/opt/run.sh"], "fail"),
    ],
)
def test_label_and_entrypoint_agree(label, environment, command, verdict):
    labels = {settings.API_LABEL: label} if label else {}
    told = image(Labels=labels, Env=environment, Entrypoint=command)
    assert settings.api_method(told).verdict == verdict


@pytest.mark.parametrize(
    ("entry", "cmd", "verdict"),
    [
        (["/opt/run.sh", "emidec"], None, "pass"),
        (["tool"], None, "pass"),
        (None, ["/opt/run.sh"], "pass"),
        (None, None, "fail"),
        (["/opt/none.sh"], None, "fail"),
        (["none"], None, "fail"),
        (["/opt/mine.sh"], None, "fail"),
        (["/opt"], None, "fail"),
    ],
)
def test_entrypoints(entry, cmd, verdict):
    assert settings.entrypoint(image(Entrypoint=entry, Cmd=cmd), FILES).verdict == verdict


def test_a_shell_that_keeps_signals_to_itself():
    files = FILES | {"bin/sh": Entry("bin/sh", "file", 0o755)}
    command = ["/bin/sh", "-c", "cmrseg serve emidec"]
    check = settings.entrypoint(image(Entrypoint=command), files)
    assert (check.verdict, "SIGTERM" in check.found) == ("warn", True)


def test_labels_that_say_nothing():
    told = LABELS | {"org.opencontainers.image.revision": "unknown"}
    del told["org.opencontainers.image.source"]
    check = settings.image_labels(image(Labels=told))
    assert check.verdict == "warn"
    assert "revision" in check.found
    assert "source" in check.found
    assert settings.image_labels(image(Labels=None)).verdict == "warn"


SECRET = "ghp_" + "a1B2" * 9


@pytest.mark.parametrize(
    ("config", "changed", "where"),
    [
        ({}, {"Env": ["API_TOKEN=abc"]}, "variable API_TOKEN"),
        ({}, {"Env": ["INDEX=https://me:word@example.org/simple"]}, "variable INDEX"),
        ({}, {"Env": [f"X={SECRET}"]}, "variable X holds an access token"),
        ({}, {"Labels": {"note": SECRET}}, "label note"),
        ({}, {"Entrypoint": ["run", f"--key={SECRET}"]}, "the command"),
        ({"history": [{}, {"created_by": f"RUN curl -H {SECRET}"}]}, {}, "step 2"),
        ({"history": [{"created_by": "|1 PIP_PASSWORD=x1 /bin/sh -c pip"}]}, {}, "step 1"),
        ({"history": [{"created_by": "RUN |1 GH_TOKEN=x1 /bin/sh -c pip # b"}]}, {}, "step 1"),
    ],
)
def test_secrets_are_found_and_never_repeated(config, changed, where):
    check = settings.spoken_secrets(image(config, **changed))
    assert check.verdict == "fail"
    assert where in check.found
    assert not any(secret in check.found for secret in (SECRET, "abc", "word", "x1"))


def test_what_is_no_secret():
    harmless = {"Env": ["TOKENIZERS_PARALLELISM=", "PYTHON_SHA256=ab", "SOURCE=https://a.org/b@c"]}
    steps = [{"created_by": "|1 TORCH=cpu /bin/sh -c pip install"}, {"created_by": None}]
    assert settings.spoken_secrets(image({"history": steps}, **harmless)).verdict == "pass"
