import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from reportgen.model.needs import Unmeasurable
from reportgen.model.sae.dictionary import ROWS, load_dictionary
from reportgen.model.sae.sources import locate_dictionaries
from tests.reference import sae as reference
from tests.reference import sae_files
from tests.reference.sae_files import FEATURES, SAELENS, WIDTH, Made

BY_NAME = {made.name: made for made in SAELENS}


def loaded(root, made):
    (files,) = locate_dictionaries(str(sae_files.write(root, made)))
    return load_dictionary(files)


def numbers(made):
    """The reference's keyword arguments, and its weights in float64 as they are stored."""
    fields = sae_files.configuration(made)
    kind = "topk" if "activation_fn_kwargs" in fields else fields.get("architecture", "standard")
    held = sae_files.tensors(fields.get("architecture", "standard"))
    options = {
        "kind": kind,
        "k": fields.get("k") or fields.get("activation_fn_kwargs", {}).get("k"),
        "subtract": fields.get("apply_b_dec_to_input", True),
        "normalise": fields["normalize_activations"].replace("expected_average_only_in", "none"),
        "rescale": fields.get("rescale_acts_by_decoder_norm", False),
    }
    return options, {name: tensor.to(made.dtype).double().numpy() for name, tensor in held.items()}


@pytest.mark.parametrize("name", [made.name for made in SAELENS])
def test_encodings_and_reconstructions_equal_a_slow_second_arithmetic(tmp_path, name):
    dictionary, (options, held) = loaded(tmp_path, BY_NAME[name]), numbers(BY_NAME[name])
    rows = sae_files.rows(5)
    activations = dictionary.encode(rows)
    decoded = dictionary.decode(activations, rows)
    for row, found, back in zip(rows.double().numpy(), activations, decoded, strict=True):
        expected = reference.encode(row, held, **options)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
        given_back = reference.decode(expected, row, held, normalise=options["normalise"], rescale=options["rescale"])
        np.testing.assert_allclose(back, given_back, rtol=1e-4, atol=1e-4)


def at_the_threshold(root):
    """A dictionary whose feature i reads number i of a row and fires above 0.5; exact in every float."""
    held = {
        "W_enc": torch.eye(WIDTH, FEATURES),
        "W_dec": torch.eye(FEATURES, WIDTH),
        "b_enc": torch.zeros(FEATURES),
        "b_dec": torch.zeros(WIDTH),
        "threshold": torch.full((FEATURES,), 0.5),
    }
    folder = sae_files.write(root, BY_NAME["jumprelu"])
    save_file(held, folder / "sae_weights.safetensors")
    (files,) = locate_dictionaries(str(folder))
    return load_dictionary(files), {name: tensor.double().numpy() for name, tensor in held.items()}


def test_a_feature_exactly_at_its_threshold_does_not_fire(tmp_path):
    dictionary, held = at_the_threshold(tmp_path)
    row = torch.zeros(1, WIDTH)
    row[0, :4] = torch.tensor([0.5, np.nextafter(np.float32(0.5), np.float32(1)), -3.0, 2.0])
    found = dictionary.encode(row)[0]
    assert found[:4].tolist() == [0.0, row[0, 1].item(), 0.0, 2.0]
    wrong = reference.encode(row[0].double().numpy(), held, kind="jumprelu", at_threshold=True)
    assert wrong[0] == 0.5  # a formula that fires at the threshold is told apart here


def test_what_is_stored_in_half_precision_is_compared_in_float32(tmp_path):
    dictionary, _ = at_the_threshold(tmp_path)
    just_above = torch.full((1, WIDTH), 0.5 + 2**-20)
    assert bool((dictionary.encode(just_above)[0, :WIDTH] > 0).all())
    assert not bool(dictionary.encode(just_above.half()).any())  # rounded before it came here
    assert dictionary.encode(just_above.double()).dtype == torch.float32


@pytest.mark.parametrize("name", ["jumprelu", "topk_rescaled", "gated", "constant_norm"])
def test_the_bits_of_a_row_do_not_depend_on_its_neighbours(tmp_path, name):
    dictionary, rows = loaded(tmp_path, BY_NAME[name]), sae_files.rows(2 * ROWS + 5)
    together = dictionary.encode(rows)
    for index in (0, ROWS - 1, ROWS, 2 * ROWS + 4):
        assert torch.equal(dictionary.encode(rows[index : index + 1])[0], together[index])
        assert torch.equal(dictionary.reconstruct(rows[index : index + 1])[0], dictionary.decode(together, rows)[index])


def test_the_sparse_form_holds_the_same_numbers_in_order(tmp_path):
    dictionary, rows = loaded(tmp_path, BY_NAME["topk"]), sae_files.rows(2 * ROWS + 5)
    active, dense = dictionary.find_active(rows), dictionary.encode(rows)
    assert torch.equal(dense[active.row, active.feature], active.value)
    assert len(active.value) == int((dense > 0).sum())
    order = active.row * FEATURES + active.feature
    assert bool((order[1:] > order[:-1]).all())


def test_no_rows_give_nothing(tmp_path):
    dictionary, none = loaded(tmp_path, BY_NAME["gated"]), torch.zeros(0, WIDTH)
    assert dictionary.encode(none).shape == (0, FEATURES)
    assert dictionary.reconstruct(none).shape == (0, WIDTH)
    assert len(dictionary.find_active(none).row) == 0


def test_a_dictionary_that_normalises_wants_the_rows_to_decode(tmp_path):
    dictionary = loaded(tmp_path, BY_NAME["layer_norm"])
    assert dictionary.normalises
    with pytest.raises(ValueError, match="wants the rows"):
        dictionary.decode(torch.zeros(1, FEATURES))


def test_a_direction_is_what_one_unit_of_a_feature_adds(tmp_path):
    for made in (BY_NAME["topk_rescaled"], sae_files.OTHERS[2]):
        dictionary = loaded(tmp_path, made)
        one = torch.zeros(1, FEATURES)
        one[0, 11] = 1.0
        added = dictionary.decode(one) - dictionary.decode(torch.zeros(1, FEATURES))
        torch.testing.assert_close(added[0], dictionary.directions[11], rtol=1e-5, atol=1e-6)


def test_a_scale_beside_a_training_is_applied_and_undone(tmp_path):
    folder = sae_files.write(tmp_path, BY_NAME["folded"])
    unscaled = load_dictionary(locate_dictionaries(str(folder))[0])
    (folder / "activation_scaler.json").write_text('{"scaling_factor": 0.25}')
    (files,) = locate_dictionaries(str(folder))
    assert files.card.notes == ()
    rows = sae_files.rows(6)
    scaled = load_dictionary(files)
    torch.testing.assert_close(scaled.encode(rows), unscaled.encode(rows * 0.25), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(scaled.reconstruct(rows), unscaled.reconstruct(rows * 0.25) * 4, rtol=1e-4, atol=1e-4)


def test_a_factor_of_a_finetuning_scales_what_a_feature_adds(tmp_path):
    folder = sae_files.write(tmp_path, BY_NAME["jumprelu"])
    plain = load_dictionary(locate_dictionaries(str(folder))[0])
    factor = torch.linspace(0.5, 2, FEATURES)
    save_file(sae_files.tensors() | {"scaling_factor": factor}, folder / "sae_weights.safetensors")
    finetuned = load_dictionary(locate_dictionaries(str(folder))[0])
    rows = sae_files.rows(6)
    assert torch.equal(finetuned.encode(rows), plain.encode(rows))
    torch.testing.assert_close(finetuned.reconstruct(rows), plain.decode(plain.encode(rows) * factor))


def test_topk_of_fewer_positive_numbers_fires_only_these(tmp_path):
    made = Made("few", "saelens", {"architecture": "topk", "k": FEATURES})
    activations = loaded(tmp_path, made).encode(sae_files.rows(4))
    assert bool((activations >= 0).all())
    assert int((activations > 0).sum()) < 4 * FEATURES


def test_rows_of_another_width_are_told_apart(tmp_path):
    dictionary = loaded(tmp_path, SAELENS[0])
    with pytest.raises(Unmeasurable, match=f"reads vectors of width {WIDTH}, and its blocks pass on {4 * WIDTH}"):
        dictionary.encode(torch.zeros(3, 4 * WIDTH))
