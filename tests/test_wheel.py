"""The wheel, installed outside the checkout."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

import reportgen
from tests.pinned_versions import ROOT
from tests.tiny import save_tiny

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def build_wheel(source: Path, folder: Path) -> Path:
    """The wheel of a source tree, or of an sdist."""
    build = [*PIP, "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.iterdir()
    return wheel


def test_it_renders_a_stored_bundle(tmp_path: Path) -> None:
    save_tiny(tmp_path / "tiny")
    battery = tmp_path / "b.yaml"
    battery.write_text(
        f"models: {{m: {tmp_path / 'tiny'}}}\n"
        "probes:\n  lens: {probe: logit_lens, prompts: lecture/weather}\n  census: {probe: parameter_census}\n"
    )
    reportgen.run(battery, formats=["html", "figures"])
    before = (tmp_path / "b" / "report.html").read_bytes()

    installed = tmp_path / "installed"
    wheel = build_wheel(ROOT, tmp_path / "wheels")
    assert wheel.name.startswith("lm_reportgen-")
    subprocess.run([*PIP, "install", "-q", "--no-deps", "--target", str(installed), str(wheel)], check=True)

    for file in ("batteries/llama-vs-gemma.yaml", "batteries/first-look.yaml", "requirements/demo-models.txt"):
        assert (installed / "reportgen" / file).is_file(), "reportgen demo wants it"
    for shipped in [*(installed / "reportgen" / "batteries").iterdir()]:
        named = shipped.read_text().splitlines()[0].rpartition("$schema=")[2]
        assert json.loads((shipped.parent / named).read_text())["$id"] == "urn:reportgen:schema:battery"
    (names,) = installed.glob("lm_reportgen-*.dist-info/entry_points.txt")
    assert "lm-reportgen = reportgen.cli:main" in names.read_text().splitlines()

    outside = {**os.environ, "PYTHONPATH": str(installed)}
    where = [sys.executable, "-P", "-c", "import reportgen; print(reportgen.__file__)"]
    found = subprocess.run(where, env=outside, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert found.startswith(str(installed))
    for arguments in (["render", "b"], ["plan", "b.yaml"]):
        command = [sys.executable, "-P", "-m", "reportgen", *arguments]
        ran = subprocess.run(command, env=outside, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "b" / "report.html").read_bytes() == before
    assert (tmp_path / "b" / "report.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.slow
def test_an_sdist_gives_the_wheel_that_the_checkout_gives(tmp_path: Path) -> None:
    sdist = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path / "sdist")]
    subprocess.run(sdist, cwd=ROOT, check=True, capture_output=True)
    (archive,) = (tmp_path / "sdist").iterdir()
    with (
        ZipFile(build_wheel(ROOT, tmp_path / "checkout")) as ours,
        ZipFile(build_wheel(archive, tmp_path / "from-sdist")) as other,
    ):
        assert ours.namelist() == other.namelist()
        assert not [name for name in ours.namelist() if ours.read(name) != other.read(name)]


@pytest.mark.real
def test_in_an_environment_of_its_own_it_makes_the_first_report(tmp_path: Path, smollm2_folder: Path) -> None:
    assert smollm2_folder.is_dir(), "the demo model is converted, so that nothing is fetched"
    venv.create(tmp_path / "bare", with_pip=False)
    python = tmp_path / "bare" / "bin" / "python"
    # the libraries of this environment are seen from there; its .pth files are not read, so that the checkout is not
    scheme = sysconfig.get_path("purelib", vars={"base": str(tmp_path / "bare")})
    (Path(scheme) / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    wheel = build_wheel(ROOT, tmp_path / "wheels")
    install = [*PIP, "--python", str(python), "install", "-q", "--no-deps", "--no-index", "--ignore-installed"]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)

    outside = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    where = [str(python), "-c", "import reportgen; print(reportgen.__file__)"]
    found = subprocess.run(where, env=outside, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert found.startswith(scheme)
    command = [str(python.with_name("lm-reportgen")), "demo", "--small", "-o", "first"]
    ran = subprocess.run(command, env=outside, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert {"report.html", "report.pdf", "results.json"} <= {file.name for file in (tmp_path / "first").iterdir()}
    results = json.loads((tmp_path / "first" / "results.json").read_text())["results"]
    assert {one["status"] for by_subject in results.values() for one in by_subject.values()} == {"ok"}
