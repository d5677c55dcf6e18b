import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reportgen.model.files.demo import DEMO_MODELS, Wheel
from reportgen.report import document
from reportgen.workflows import doctor, doctor_libraries, doctor_machine
from reportgen.workflows.doctor_libraries import Check

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "numpy", "pydantic", "matplotlib", "jinja2", "weasyprint", "huggingface_hub")
WATCHED = """
import json, socket, sys
def refuse(*_, **__):
    raise AssertionError("the network was asked")
socket.getaddrinfo = socket.create_connection = socket.socket.connect = refuse
from reportgen.cli import run_command
code = run_command(["doctor", "--json"])
print(json.dumps([code, sorted(set(sys.argv[1].split(",")) & set(sys.modules))]), file=sys.stderr)
"""


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine that has everything, and no login."""
    monkeypatch.setenv("REPORTGEN_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(doctor_machine, "print_pdf", lambda html, target: ())
    monkeypatch.setattr(Wheel, "path", lambda wheel: Path(wheel.file))


def look(name: str) -> Check:
    (found,) = (check for check in doctor.examine() if check.name == name)
    return found


def test_nothing_heavy_is_imported_and_no_network_asked(tmp_path: Path) -> None:
    environment = {**os.environ, "HF_TOKEN": "hf_" + "secret", "REPORTGEN_CACHE": str(tmp_path)}
    program = [sys.executable, "-c", WATCHED, ",".join(HEAVY)]
    ran = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    code, imported = json.loads(ran.stderr)
    assert imported == []
    told = json.loads(ran.stdout)
    assert told["ok"] is (code == 0)
    assert "secret" not in ran.stdout
    assert {"Python", "packages", "PyTorch", "PDF", "fonts", "memory", "cache", "hub login"} < {
        check["name"] for check in told["checks"]
    }


def test_where_nothing_but_click_is_installed(tmp_path: Path) -> None:
    blocked = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"rich", "platformdirs", "pydantic", "numpy", "torch"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
from reportgen.cli import run_command
sys.exit(run_command(["doctor"]))
"""
    ran = subprocess.run([sys.executable, "-c", blocked], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (1, "")
    *_, rest, remedy, _ = ran.stdout.splitlines()
    assert rest.split() == ["missing", "the", "rest", "cannot", "be", "looked", "at", "without", "rich"]
    assert remedy.endswith("→ install the packages first")


@pytest.mark.usefixtures("healthy")
def test_a_machine_that_has_everything(reportgen) -> None:
    found = reportgen("doctor")
    assert (found.code, found.err) == (0, "")
    assert found.out.splitlines()[-1] == "everything is here. Next: reportgen demo"
    assert [line.split()[0] for line in found.out.splitlines()[:-3]] == ["ok"] * (7 + len(DEMO_MODELS))
    assert found.out.splitlines()[-3].startswith("advice  hub login")


@pytest.mark.usefixtures("healthy")
def test_a_library_that_is_missing_or_too_old(monkeypatch: pytest.MonkeyPatch, reportgen) -> None:
    here = {"pydantic": "2.9.1", "lm-reportgen": "1", "new": "3.0"}
    wanted = ["pydantic>=2.12", "gone>=1.0", "new>=2.12", "torch>=2.6", "pandas>=2; extra == 'notebook'"]
    monkeypatch.setattr(doctor_libraries, "requires", lambda name: wanted)
    monkeypatch.setattr(doctor_libraries, "version_of", lambda name: here.get(name, ""))
    packages = look("packages")
    assert (packages.state, packages.found) == ("missing", "there is no pydantic>=2.12, gone>=1.0")
    assert packages.remedy == 'python -m pip install "pydantic>=2.12" "gone>=1.0"'
    assert look("PyTorch") == Check("PyTorch", "missing", "torch is not installed", "python -m pip install torch")
    ended = reportgen("doctor")
    assert (ended.code, ended.out.splitlines()[-1]) == (1, "2 missing")


@pytest.mark.usefixtures("healthy")
@pytest.mark.parametrize(
    ("version", "nvidia", "state", "built"),
    [
        ("cuda: Optional[str] = None\nhip: Optional[str] = None\n", False, "ok", "built for a CPU"),
        ("cuda: Optional[str] = None\n", True, "advice", "built for a CPU, where this machine has an NVIDIA GPU"),
        ("cuda: Optional[str] = '12.8'\n", True, "ok", "built for CUDA 12.8"),
        ("cuda: Optional[str] = None\nhip: Optional[str] = '6.4'\n", False, "ok", "built for ROCm 6.4"),
    ],
)
def test_what_torch_was_built_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, nvidia: bool, state: str, built: str
) -> None:
    (tmp_path / "version.py").write_text(version)
    monkeypatch.setattr(doctor_libraries, "_folder_of_torch", lambda: tmp_path)
    monkeypatch.setattr(doctor_libraries, "_NVIDIA", tmp_path if nvidia else tmp_path / "none")
    monkeypatch.setattr(doctor_libraries, "system", lambda: "Linux")
    assert doctor_libraries._check_torch().state == state
    assert doctor_libraries._check_torch().found.endswith(built)


@pytest.mark.usefixtures("healthy")
def test_no_pango(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(html: str, target: Path) -> None:
        raise document.PrinterMissing(f"the PDF needs Pango: {document.PANGO}")

    monkeypatch.setattr(doctor_machine, "print_pdf", refuse)
    monkeypatch.setattr(doctor_machine.shutil, "which", lambda program: program if program == "brew" else None)
    assert (look("PDF").state, look("PDF").remedy) == ("missing", "brew install pango")


@pytest.mark.usefixtures("healthy")
def test_no_fonts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor_machine, "folder_of", lambda package: tmp_path)
    assert look("fonts").state == "missing"
    assert look("fonts").remedy.endswith("--no-deps manimgx-fonts matplotlib manimgx-fonts-cjk")


@pytest.mark.usefixtures("healthy")
def test_too_little_memory_in_a_container(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "limit").write_text("1000000000\n")
    monkeypatch.setattr(doctor_machine, "_GROUP_LIMIT", tmp_path / "limit")
    assert look("memory").state == "missing"
    assert look("memory").found == "1.0 GB, where a default run takes about 2.0 GB"
    (tmp_path / "limit").write_text("max\n")
    assert look("memory").found != "1.0 GB, where a default run takes about 2.0 GB"


@pytest.mark.usefixtures("healthy")
def test_a_full_disk_and_a_cache_that_cannot_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = type("Usage", (), {"free": 1_000_000})
    monkeypatch.setattr(doctor_machine.shutil, "disk_usage", lambda folder: usage)
    assert look("cache").state == "missing"
    assert look("cache").found.startswith(f"1.0 MB free at {tmp_path}, where a default run needs about 2.7 GB")
    (tmp_path / "file").touch()
    monkeypatch.setenv("REPORTGEN_CACHE", str(tmp_path / "file" / "cache"))
    assert look("cache").found.startswith(f"nothing can be written to {tmp_path / 'file'}")


@pytest.mark.usefixtures("healthy")
def test_a_demo_model_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Wheel, "path", lambda wheel: None)
    for model in DEMO_MODELS:
        assert (look(f"demo:{model}").state, look(f"demo:{model}").remedy) == ("advice", "reportgen demo")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for model, held in DEMO_MODELS.items():
        assert (look(f"demo:{model}").state, look(f"demo:{model}").remedy) == ("missing", held.install_command)


@pytest.mark.usefixtures("healthy")
def test_a_login_is_known_and_never_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reportgen) -> None:
    assert look("hub login").state == "advice"
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "token").write_text("hf_stored")
    assert (look("hub login").state, look("hub login").found) == ("ok", "a token is stored")
    monkeypatch.setenv("HF_TOKEN", "hf_said")
    assert look("hub login").found == "a token is in the environment"
    said = reportgen("doctor").out + reportgen("doctor", "--json").out
    assert "hf_said" not in said
    assert "hf_stored" not in said
