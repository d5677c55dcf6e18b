"""Our arithmetic of dictionaries against SAELens itself, which runs in an environment of its own: `make saelens`."""

import json
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from reportgen.model.sae.dictionary import load_dictionary
from reportgen.model.sae.sources import locate_dictionaries
from reportgen.numerics.sparse import ReconstructionQuality, loss_recovered
from tests.reference import sae_files

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-saelens" / "bin" / "python"
NAMES = [*(made.name for made in sae_files.ALL), "batchtopk"]

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="SAELens is not installed: make saelens")


@pytest.fixture(scope="module")
def losses():
    """(clean, zero, spliced x token) as a model could have."""
    drawn = torch.rand(3, 40, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    return drawn + torch.tensor([[2.0], [7.0], [2.5]])


@pytest.fixture(scope="module")
def theirs(tmp_path_factory, losses):
    """The folder in which SAELens left its encodings, its metrics and its own files."""
    root = tmp_path_factory.mktemp("saelens")
    save_file({"rows": sae_files.rows(), "losses": losses}, root / "rows.safetensors")
    cases = [
        {"name": made.name, "form": made.form, "folder": str(sae_files.write(root, made))} for made in sae_files.ALL
    ]
    (root / "cases.json").write_text(json.dumps(cases))
    script = ROOT / "tests" / "reference" / "saelens_encodings.py"
    run = subprocess.run(
        [PYTHON, "-W", "ignore", script, root], check=False, capture_output=True, text=True, timeout=250
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return root


def ours(root, name):
    (files,) = locate_dictionaries(str(root / ("batchtopk_training" if name == "batchtopk" else name)))
    return load_dictionary(files)


@pytest.mark.parametrize("name", NAMES)
def test_encodings_and_reconstructions_equal_those_of_saelens(theirs, name):
    expected, rows = load_file(theirs / "encodings.safetensors"), sae_files.rows()
    dictionary = ours(theirs, name)
    activations = dictionary.encode(rows)
    assert activations.count_nonzero() > len(rows)
    assert torch.equal(activations > 0, expected[f"{name}.activations"] > 0)
    torch.testing.assert_close(activations, expected[f"{name}.activations"], rtol=1e-5, atol=1e-5)
    decoded = dictionary.decode(activations, rows)
    torch.testing.assert_close(decoded, expected[f"{name}.reconstruction"], rtol=1e-5, atol=2e-5)
    torch.testing.assert_close(dictionary.reconstruct(rows), decoded, rtol=0, atol=0)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "heads"])
def test_metrics_equal_those_of_saelens_but_for_its_wrong_formula(theirs, losses, name):
    expected, rows = json.loads((theirs / "metrics.json").read_text())[name], sae_files.rows()
    dictionary, quality = ours(theirs, name), ReconstructionQuality()
    state = quality.init()
    for part in rows.split(37):
        activations = dictionary.encode(part)
        state = quality.update(state, part, dictionary.decode(activations, part), activations)
    found = quality.finish(state)
    assert found.l0 == pytest.approx(expected["l0"], rel=1e-6)
    assert found.explained_variance == pytest.approx(expected["explained_variance"], rel=1e-5)
    assert found.fvu == pytest.approx(1 - expected["explained_variance"], rel=1e-5)
    assert found.cosine == pytest.approx(expected["cossim"], rel=1e-5)
    assert found.density.tolist() == pytest.approx(expected["density"], abs=1e-6)
    assert abs(found.explained_variance - expected["explained_variance_legacy"]) > 0.02
    clean, zero, spliced = losses.mean(dim=1).tolist()
    assert loss_recovered(clean, zero, spliced) == pytest.approx(expected["ce_loss_score"], rel=1e-6)
