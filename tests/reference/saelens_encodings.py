"""What SAELens itself makes of dictionaries: run by the Python of .venv-saelens, never imported by a test.

    .venv-saelens/bin/python tests/reference/saelens_encodings.py FOLDER

FOLDER holds cases.json (name, form, folder, of each dictionary) and rows.safetensors (`rows`: row x width; `losses`:
three x token, of a clean, a zeroed and a spliced run). Written into it are encodings.safetensors (NAME.activations,
NAME.reconstruction), metrics.json (name -> SAELens' metrics), and the folders batchtopk_training and
batchtopk_inference, as SAELens stores a dictionary in training and after it.
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import torch
from sae_lens import SAE, BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig
from sae_lens.evals import get_downstream_reconstruction_metrics, get_sparsity_and_variance_metrics
from sae_lens.loading import pretrained_sae_loaders as loaders
from sae_lens.training.activation_scaler import ActivationScaler
from safetensors.torch import load_file, save_file

HEADS = 4


def from_disk(folder):
    return SAE.load_from_disk(folder, dtype="float32")


def of_release(loader):
    """What `SAE.from_pretrained` does with a repository's folder, the files being here instead of on the hub."""

    def load(folder):
        organisation = next(parent for parent in folder.parents if parent.name in ("google", "fnlp"))
        repository, *path = folder.relative_to(organisation.parent).parts[1:]
        root = organisation / repository

        def here(repo_id=None, filename="", subfolder=None, **_):
            return str(root / (subfolder or "") / filename)

        loaders.hf_hub_download = here
        loaders.get_safetensors_tensor_shapes = lambda _, filename: {
            name: list(tensor.shape) for name, tensor in load_file(root / filename).items()
        }
        name = f"{organisation.name}/{repository}"
        fields, held, _ = loader(name, "/".join(path), "cpu", False, {"dtype": "float32"} | _sizes(root, path))
        scaled = fields.get("normalize_activations") == "expected_average_only_in"
        fields = loaders.handle_config_defaulting(fields)
        sae = SAE.from_dict(fields)
        sae.load_state_dict(held)
        if scaled:
            told = json.loads((folder / "hyperparams.json").read_text())
            sae.fold_activation_norm_scaling_factor(
                told["d_model"] ** 0.5 / told["dataset_average_activation_norm"]["in"]
            )
        return sae

    return load


def _sizes(root, path):
    """SAELens tells the sizes of Gemma Scope 1 from the release's name; these are smaller."""
    folder = root.joinpath(*path)
    if (folder / "hyperparams.json").is_file():
        told = json.loads((folder / "hyperparams.json").read_text())
        return {"d_in": told["d_model"], "d_sae": told["d_sae"]}
    stored = (
        load_file(folder / "params.safetensors")["w_enc"].shape
        if (folder / "params.safetensors").is_file()
        else _npz_shape(folder / "params.npz")
    )
    return {"d_in": stored[0], "d_sae": stored[1]}


def _npz_shape(file):
    import numpy as np

    with np.load(file) as arrays:
        return arrays["W_enc"].shape


LOAD = {
    "saelens": from_disk,
    "gemma_scope": of_release(loaders.gemma_2_sae_huggingface_loader),
    "gemma_scope_2": of_release(loaders.gemma_3_sae_huggingface_loader),
    "llama_scope": of_release(loaders.llama_scope_sae_huggingface_loader),
}


def metrics_of(sae, rows):
    """SAELens' own metrics of a dictionary on rows, handed to it as if they were the activations of a model."""
    batches = list(rows.split(50))
    places = iter(batches)
    name = sae.cfg.metadata.hook_name

    def tokens(_):
        return torch.zeros(1, 50, dtype=torch.int64)

    def with_cache(*_, **__):
        return None, {name: next(places)[None]}

    told, of_features = get_sparsity_and_variance_metrics(
        sae,
        SimpleNamespace(run_with_cache=with_cache),
        SimpleNamespace(get_batch_tokens=tokens),
        ActivationScaler(),
        n_batches=len(batches),
        compute_l2_norms=False,
        compute_sparsity_metrics=True,
        compute_variance_metrics=True,
        compute_featurewise_density_statistics=True,
        eval_batch_size_prompts=1,
        model_kwargs={},
    )
    return told | {"density": of_features["feature_density"]}


def score_of(sae, losses):
    """SAELens' share of the loss that is recovered, from (token) losses of a model: clean, zero, spliced."""
    clean, zero, spliced = (loss[None] for loss in losses)
    runs = iter([spliced, zero])  # the order in which SAELens asks for them

    class Model:
        def __call__(self, *_, **__):
            return None, clean

        def run_with_hooks(self, *_, **__):
            return None, next(runs)

    told = get_downstream_reconstruction_metrics(
        sae,
        Model(),
        SimpleNamespace(get_batch_tokens=lambda _: torch.zeros(clean.shape, dtype=torch.int64)),
        ActivationScaler(),
        compute_kl=False,
        compute_ce_loss=True,
        n_batches=1,
        eval_batch_size_prompts=1,
    )
    return told["ce_loss_score"]


def batchtopk(root, width):
    """A BatchTopK dictionary as it is stored while it is trained, and as SAELens stores it for use."""
    torch.manual_seed(5)
    fields = BatchTopKTrainingSAEConfig(d_in=width, d_sae=3 * width, k=6, rescale_acts_by_decoder_norm=True)
    fields.metadata.hook_name = "blocks.2.hook_resid_post"
    sae = BatchTopKTrainingSAE(fields)
    with torch.no_grad():
        sae.W_dec *= torch.rand(3 * width, 1) * 5 + 5
        sae.W_enc *= 5
        sae.b_enc += torch.randn(3 * width) * 0.2
        sae.b_dec += torch.randn(width) * 0.2
    sae.topk_threshold = torch.tensor(0.7, dtype=sae.topk_threshold.dtype)
    sae.save_model(root / "batchtopk_training")
    sae.save_inference_model(root / "batchtopk_inference")


@torch.no_grad()
def main(root):
    given = load_file(root / "rows.safetensors")
    rows = given["rows"]
    batchtopk(root, rows.shape[1])
    cases = json.loads((root / "cases.json").read_text())
    cases.append({"name": "batchtopk", "form": "saelens", "folder": str(root / "batchtopk_inference")})
    out, metrics = {}, {}
    for case in cases:
        sae = LOAD[case["form"]](Path(case["folder"]))
        reads = rows.reshape(len(rows), HEADS, -1) if sae.cfg.reshape_activations == "hook_z" else rows
        activations = sae.encode(reads)
        out[f"{case['name']}.activations"] = activations.contiguous()
        out[f"{case['name']}.reconstruction"] = sae.decode(activations).reshape(rows.shape).contiguous()
        if reads is rows:
            metrics[case["name"]] = metrics_of(sae, rows) | {"ce_loss_score": score_of(sae, given["losses"])}
    save_file(out, root / "encodings.safetensors")
    (root / "metrics.json").write_text(json.dumps(metrics))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
