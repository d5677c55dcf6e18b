from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from reportgen.model.capture.shared_passes import run_all
from reportgen.model.needs import Edit, Need, Pass, Site
from reportgen.model.network.anatomy import anatomy_of
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.sae.dictionary import Dictionary, load_dictionary
from reportgen.model.sae.sources import locate_dictionaries
from reportgen.model.sae.splice import AlongOther, ClampFeature, ScaleFeature, Splice, feature_activations
from tests.reference import sae_files
from tests.reference.edits import greedy_text
from tests.reference.sae_files import FEATURES, SAELENS
from tests.tiny import random_model
from tests.tiny_dictionaries import AT_THRESHOLD, save_dictionary

IDS = (0, 40, 41, 55, 7, 300)
FINAL = Need(Site.FINAL)
KINDS = ["standard", "topk_rescaled", "jumprelu", "half", "gated", "constant_norm", "layer_norm"]
BY_NAME = {made.name: made for made in SAELENS}


def loaded(folder: Path) -> Dictionary:
    (files,) = locate_dictionaries(str(folder))
    return load_dictionary(files)


@pytest.fixture(params=KINDS)
def dictionary(request: pytest.FixtureRequest, tmp_path: Path) -> Dictionary:
    return loaded(sae_files.write(tmp_path, BY_NAME[request.param]))


def rows() -> torch.Tensor:
    found: torch.Tensor = sae_files.rows(70)
    return found


def lively(dictionary: Dictionary) -> int:
    """A feature that fires on some rows and not on all."""
    firing = (dictionary.encode(rows()) > 0).float().mean(0)
    return int(((firing > 0.1) & (firing < 0.9)).nonzero()[0])


def test_an_activation_that_stays_changes_nothing(dictionary: Dictionary) -> None:
    feature = lively(dictionary)
    assert torch.equal(ScaleFeature(dictionary, feature, 1.0)(rows()), rows())
    own = feature_activations(dictionary, feature, rows())
    assert torch.equal(own, dictionary.encode(rows())[:, feature])
    for row, value in zip(rows()[:5], own[:5], strict=True):
        clamped = ClampFeature(dictionary, feature, float(value))(row[None])
        assert clamped[0] == pytest.approx(row, abs=1e-5)


def test_to_clamp_at_zero_is_to_take_out_what_the_feature_adds(dictionary: Dictionary) -> None:
    feature = lively(dictionary)
    without = ClampFeature(dictionary, feature, 0.0)(rows())
    assert without == pytest.approx(ScaleFeature(dictionary, feature, 0.0)(rows()), abs=1e-6)
    activations = dictionary.encode(rows())
    left_out = activations.clone()
    left_out[:, feature] = 0
    lost = dictionary.decode(activations, rows()) - dictionary.decode(left_out, rows())
    assert (rows() - without) == pytest.approx(lost, abs=1e-4)
    silent = activations[:, feature] == 0
    assert torch.equal(without[silent], rows()[silent])
    assert not torch.equal(without[~silent], rows()[~silent])


def test_what_the_dictionary_does_not_know_stays(dictionary: Dictionary) -> None:
    feature, value = lively(dictionary), 3.0
    activations = dictionary.encode(rows())
    unknown = rows() - dictionary.decode(activations, rows())
    activations[:, feature] = value
    expected = dictionary.decode(activations, rows()) + unknown
    found = ClampFeature(dictionary, feature, value)(rows())
    assert found == pytest.approx(expected, abs=1e-4)
    # Whoever forgets it gets the reconstruction alone.
    assert float((found - dictionary.decode(activations, rows())).abs().max()) > 0.1


def test_a_splice_is_the_reconstruction(dictionary: Dictionary) -> None:
    spliced = Splice(dictionary)(rows())
    assert torch.equal(spliced, dictionary.reconstruct(rows()))
    assert Splice(dictionary)(rows().double()).dtype == torch.float64


def test_the_control_is_as_long_at_each_row_and_lies_along_the_other_feature(dictionary: Dictionary) -> None:
    feature, other = lively(dictionary), FEATURES - 1
    for edit in (ClampFeature(dictionary, feature, 2.0), ScaleFeature(dictionary, feature, -1.0)):
        change, control = edit.change(rows()), AlongOther(edit, other)(rows()) - rows()
        assert control.norm(dim=-1) == pytest.approx(change.norm(dim=-1), rel=1e-3, abs=1e-4)
        along = (control @ dictionary.directions[other]) * (change @ dictionary.directions[feature])
        assert bool((along[change.norm(dim=-1) > 0.01] > 0).all())


# In a model


def tiny() -> LoadedModel:
    network = random_model("llama")
    return LoadedModel(network, anatomy_of(network))


def final(model: LoadedModel, edit: Edit | None = None) -> torch.Tensor:
    (single,) = run_all(model, [Pass(IDS, (FINAL,), edits=(edit,) if edit else ())])
    found: torch.Tensor = single.tensors_of(FINAL, 0)[0]
    return found


@pytest.mark.parametrize(
    ("hook", "site", "index"),
    [
        ("blocks.0.hook_resid_post", Site.RESIDUAL, 1),
        ("blocks.2.hook_resid_post", Site.RESIDUAL, 3),
        ("blocks.1.hook_mlp_out", Site.MLP_WRITE, 1),
        ("blocks.1.hook_attn_out", Site.ATTENTION_WRITE, 1),
    ],
)
def test_a_dictionary_that_gives_back_what_it_reads_changes_nothing_in_a_model(
    tmp_path: Path, hook: str, site: Site, index: int
) -> None:
    model, eye = tiny(), torch.eye(24)
    both = torch.cat([eye, -eye])
    folder = save_dictionary(tmp_path / "d", 1, features=48, metadata={"hook_name": hook})
    held = {"W_enc": both.T.contiguous(), "W_dec": both, "b_enc": torch.zeros(48), "b_dec": torch.zeros(24),
            "threshold": torch.zeros(48)}  # fmt: skip
    save_file(held, folder / "sae_weights.safetensors")
    exact = loaded(folder)
    assert (exact.files.place.site, exact.files.place.index) == (site, index)
    assert final(model, Edit(site, index, Splice(exact))) == pytest.approx(final(model), abs=1e-4)
    lossy = loaded(save_dictionary(tmp_path / "random", 1, metadata={"hook_name": hook}))
    assert float((final(model, Edit(site, index, Splice(lossy))) - final(model)).abs().max()) > 0.01


def test_a_clamp_while_writing_is_that_of_whole_passes_one_by_one(tmp_path: Path) -> None:
    model, dictionary = tiny(), loaded(save_dictionary(tmp_path / "d", 1))
    feature, value, length = 5, 6.0, 4
    assert feature != AT_THRESHOLD
    edit = Edit(Site.RESIDUAL, 1, ClampFeature(dictionary, feature, value), tuple(range(1, len(IDS) + length)))

    def by_hand(stream: torch.Tensor, _prompt: int) -> torch.Tensor:
        changed = stream.clone()
        for position in range(1, stream.shape[1]):
            row = stream[0, position]
            own = dictionary.encode(row[None])[0, feature]
            changed[0, position] = row + (value - own) * dictionary.directions[feature]
        return changed

    (single,) = run_all(model, [Pass(IDS, (FINAL,), length + 1, edits=(edit,))])
    written = list(single.tokens[len(IDS) :])
    assert written == greedy_text(model.network, IDS, model.network.model.layers[1], by_hand, length)
    (own,) = run_all(model, [Pass(IDS, (FINAL,), length + 1)])
    assert written != list(own.tokens[len(IDS) :])
