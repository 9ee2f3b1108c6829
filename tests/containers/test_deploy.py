"""What runs many cases on clusters: Slurm for real, Kubernetes by schema, Nextflow by syntax."""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from cmrseg.cli.main import parser
from tiny import save, volume

DEPLOY = Path(__file__).parents[2] / "docker/deploy"
SLURM = ("sbatch", "slurmctld", "slurmd", "munged")


@pytest.mark.skipif(
    not all(map(shutil.which, SLURM)) or os.geteuid() != 0,
    reason="NO SLURM: slurm.sh is not run (apt install slurm-wlm munge, as root)",
)
def test_slurm_takes_a_failed_shard_again_and_gathers(tmp_path, bundles):
    for case in ("001", "002", "003", "004"):
        save(tmp_path / "cases" / case / f"{case}_SA_ED.nii.gz", volume(int(case)))
    told = subprocess.run(
        [DEPLOY / "try-slurm.sh", tmp_path, tmp_path / "cases"],
        env={
            **os.environ,
            "CMRSEG": f"{sys.executable} -m cmrseg",
            "OPTIONS": f"--weights {bundles} --precision fp32 --mirrors 1",
        },
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=1800,
    ).stdout
    assert [line.split() for line in told.splitlines()] == [
        ["array", "1", "COMPLETED", "0"],
        ["array", "2", "FAILED", "0"],
        ["again", "2", "COMPLETED", "1"],
        ["gather", "COMPLETED", "4"],
    ]
    with (tmp_path / "OUT/summary.csv").open() as table:
        assert [row["status"] for row in csv.DictReader(table)] == ["done"] * 4


def manifests(name: str) -> list[dict]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


@pytest.mark.parametrize("name", ["kubernetes.yaml", "kubernetes-gather.yaml"])
def test_kubernetes_manifests_keep_to_the_schema(name):
    for manifest in manifests(name):
        kubernetes_validate.validate(manifest, "1.29", strict=True)
        broken = {**manifest, "spec": {"completions": "many"}, "data": 1}
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(broken, "1.29", strict=True)


def test_kubernetes_runs_as_many_shards_as_it_says():
    settings, _, job = manifests("kubernetes.yaml")
    shards = settings["data"]["SHARDS"]
    assert job["spec"]["completions"] == job["spec"]["parallelism"] == int(shards)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    (script,) = container["args"]
    called = subprocess.run(
        [*container["command"], script.replace("exec /opt/cmrseg/image.sh", "echo")],
        env={"SHARDS": shards, "JOB_COMPLETION_INDEX": "19"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert called == ["mnms2", "--resume", "--shard", f"20/{shards}"]
    (gather,) = manifests("kubernetes-gather.yaml")
    (other,) = gather["spec"]["template"]["spec"]["containers"]
    assert [other[key] for key in ("image", "envFrom", "volumeMounts")] == [
        container[key] for key in ("image", "envFrom", "volumeMounts")
    ]


def test_nextflow_calls_what_there_is():
    text = (DEPLOY / "cmrseg.nf").read_text().replace("${params.recipe}", "mnms2")
    calls = re.findall(r"^ +cmrseg (.*)", text.replace(" ${params.options}", ""), re.M)
    asked = [parser().parse_args(shlex.split(re.sub(r"\$\{.*?\}", "3", call))) for call in calls]
    assert [(one.resume, one.shard and one.shard.name) for one in asked] == [
        (True, "3of3"),
        (True, None),
    ]


@pytest.mark.skipif(not shutil.which("groovy"), reason="NO GROOVY: cmrseg.nf is not parsed")
@pytest.mark.parametrize(("cut", "sound"), [(0, True), (2, False)])
def test_nextflow_parses(tmp_path, cut, sound):
    text = (DEPLOY / "cmrseg.nf").read_text().rstrip()
    (tmp_path / "cmrseg.nf").write_text(text[: len(text) - cut])
    parse = (
        "def u = new org.codehaus.groovy.control.CompilationUnit(); u.addSource(new File(args[0]));"
        "u.compile(org.codehaus.groovy.control.Phases.CONVERSION)"
    )
    java = Path(shutil.which("java") or "/").resolve().parents[1]
    env = {**os.environ, "JAVA_HOME": os.environ.get("JAVA_HOME", str(java))}
    done = subprocess.run(["groovy", "-e", parse, tmp_path / "cmrseg.nf"], env=env)
    assert (done.returncode == 0) == sound
