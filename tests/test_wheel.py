"""The wheel, installed outside the checkout."""

import os
import subprocess
import sys
from pathlib import Path

import reportgen
from tests.tiny import save_tiny

ROOT = Path(__file__).parents[1]


def test_it_renders_a_stored_bundle(tmp_path: Path) -> None:
    save_tiny(tmp_path / "tiny")
    battery = tmp_path / "b.yaml"
    battery.write_text(
        f"models: {{m: {tmp_path / 'tiny'}}}\n"
        "probes:\n  lens: {probe: logit_lens, prompts: lecture/weather}\n  census: {probe: parameter_census}\n"
    )
    reportgen.run(battery, formats=["html", "figures"])
    before = (tmp_path / "b" / "report.html").read_bytes()

    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    wheels, installed = tmp_path / "wheels", tmp_path / "installed"
    build = [*pip, "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(wheels), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = wheels.iterdir()
    assert wheel.name.startswith("lm_reportgen-")
    subprocess.run([*pip, "install", "-q", "--no-deps", "--target", str(installed), str(wheel)], check=True)

    for file in ("batteries/llama-vs-gemma.yaml", "batteries/first-look.yaml", "requirements/demo-models.txt"):
        assert (installed / "reportgen" / file).is_file(), "reportgen demo wants it"
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
