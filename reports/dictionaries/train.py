"""How the dictionaries in reports/dictionaries/gemma-3-270m were made, and how to make them again.

    .venv/bin/python -m reports.dictionaries.train

A dictionary of 2,048 features for the residual stream of demo:gemma-3-270m after every third block (layers 3, 6, …, 18;
layer 18 is what the last block hands on, before the final norm). The model writes the text itself (text.py), at
temperature 1, from nothing or from one of the short openings of openings.yaml; the prompt sets in prompts/ are added.
The texts of the first batch are held out: no dictionary is trained on them, and the numbers in each cfg.json come from
some of them, with the float16 weights that are stored. The beginning-of-sequence token is left out everywhere: its rows
are some ten times longer than the rest and always the same.

An error counts by what it costs (sensitivity.py, POWER): of dictionaries of layer 18, trained for 300 steps with k 64,
one of plain squared errors over the square root of each dimension's deviation recovered 0.77 of the loss at an FVU of
0.31, one that follows the Fisher information alone 0.84 at 0.41, and one half way between 0.84 at 0.37.

Everything follows from the seed; another processor or another number of threads rounds otherwise, and the model then
writes other texts. held_out.jsonl has the texts that numbers come from, but for seven about violence or sex, so that
`sae_quality` can measure the dictionaries anew. Texts and rows are kept in --cache (0.8 GB a layer for 600,000 tokens).
"""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel

from reportgen.cache import cache_folder
from reportgen.model.files.demo import DEMO_MODELS, demo_folder
from reportgen.text.prompts import PromptSets
from reports.dictionaries.activations import Record, cross_entropy, loaded, record, rows_of
from reports.dictionaries.sensitivity import Measure, sensitivity
from reports.dictionaries.text import LENGTH, ROWS, Writer, written
from reports.dictionaries.training import Dictionary, Recipe, trained

HERE = Path(__file__).parent
LAYERS = (3, 6, 9, 12, 15, 18)
HELD_OUT = 1
"""Batches of texts that no dictionary is trained on: the first."""
MEASURED = 160
"""Held-out texts that numbers come from."""
POWER = 0.5
"""Of the Fisher information, in the measure of errors: with 0 all dimensions of the stream would count alike once
standardised, with 1 only what the model is sensitive to."""
FELT = 60
"""Texts that the Fisher information comes from."""
VERSION = 2
"""Of the recipe; in every cfg.json."""


@dataclass(frozen=True)
class Measured:
    """What a dictionary does on held-out text, the beginning-of-sequence token left out. Losses in nats a token."""

    l0: float
    fvu: float
    explained_variance: float
    cosine: float
    dead: float
    """Share of features that fire nowhere."""
    dense: float
    """Share of features that fire at a tenth of the positions or more."""
    ce_clean: float
    ce_spliced: float
    ce_zero: float
    delta_loss: float
    loss_recovered: float


def prompt_texts(writer: Writer) -> list[np.ndarray]:
    """The tokens of every prompt in prompts/, each once; of a chat, its messages one by one."""
    sets = PromptSets.for_battery(None)
    prompts = [prompt for name in sets.names() for prompt in sets.find(name).prompts]
    texts = [text for prompt in prompts for text in [prompt.text, *(m.content for m in prompt.messages or ())] if text]
    tokens = (np.array(writer.tokenizer.encode(text), dtype=np.int32) for text in dict.fromkeys(texts))
    return [text for text in tokens if len(text) > 1]


@dataclass(frozen=True)
class HeldOut:
    """Texts that no dictionary is trained on, and what is known of them before any dictionary is."""

    model: PreTrainedModel
    texts: Sequence[np.ndarray]
    rows: dict[int, torch.Tensor]
    """layer -> (row x width)"""
    clean: float

    @classmethod
    def of(cls, model: PreTrainedModel, texts: Sequence[np.ndarray], layers: Sequence[int]) -> "HeldOut":
        """With the rows of layers, and the cross-entropy of the model as it is."""
        seen = list(rows_of(model, texts, layers))
        rows = {layer: torch.cat([some[layer] for some in seen]) for layer in layers}
        return cls(model, texts, rows, cross_entropy(model, texts))

    @torch.inference_mode()
    def measure(self, layer: int, dictionary: Dictionary) -> Measured:
        """What a dictionary of the layer does. FVU is of sums over all rows, against the mean of each dimension."""
        rows = self.rows[layer]
        mean = rows.mean(0)
        error = squares = cosine = 0.0
        fired = torch.zeros(len(dictionary.b_enc), dtype=torch.float64)
        for some in torch.split(rows, 4096):
            f = dictionary.encode(some)
            decoded = dictionary.decode(f)
            fired += (f > 0).double().sum(0)
            error += float((some - decoded).double().square().sum())
            squares += float((some - mean).double().square().sum())
            cosine += float(torch.nn.functional.cosine_similarity(some, decoded).double().sum())
        zero = cross_entropy(self.model, self.texts, layer, torch.zeros_like)
        spliced = cross_entropy(self.model, self.texts, layer, lambda x: dictionary.decode(dictionary.encode(x)))
        return Measured(
            l0=float(fired.sum()) / len(rows),
            fvu=error / squares,
            explained_variance=1 - error / squares,
            cosine=cosine / len(rows),
            dead=float((fired == 0).double().mean()),
            dense=float((fired >= 0.1 * len(rows)).double().mean()),
            ce_clean=self.clean,
            ce_spliced=spliced,
            ce_zero=zero,
            delta_loss=spliced - self.clean,
            loss_recovered=(zero - spliced) / (zero - self.clean),
        )


def stored(dictionary: Dictionary, folder: Path) -> Dictionary:
    """Writes the weights as SAELens names them, matrices as float16 and the rest as float32, and reads them back."""
    tensors = {
        "W_enc": dictionary.w_enc.half(),
        "W_dec": dictionary.w_dec.half(),
        "b_enc": dictionary.b_enc,
        "b_dec": dictionary.b_dec,
        "threshold": dictionary.threshold,
    }
    file = folder / "sae_weights.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    back = {name: tensor.float() for name, tensor in load_file(file).items()}
    return Dictionary(back["W_enc"], back["W_dec"], back["b_enc"], back["b_dec"], back["threshold"])


def config(layer: int, width: int, recipe: Recipe, rows: int, held_out: int, found: Measured) -> dict[str, object]:
    """The cfg.json of SAELens 6, with how the dictionary was made and what it does in its part `metadata`."""
    return {
        "architecture": "jumprelu",
        "d_in": width,
        "d_sae": recipe.features,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {
            "sae_lens_version": "6.0.0",
            "model_name": "gemma-3-270m",
            "hook_name": f"blocks.{layer - 1}.hook_resid_post",
            "hook_layer": layer - 1,
            "hook_head_index": None,
            "context_size": LENGTH + 1,
            "prepend_bos": True,
            "made_by": f"reports/dictionaries/train.py, version {VERSION}",
            "text": "written by the model itself at temperature 1, and the prompt sets of this project",
            "training": "BatchTopK with an auxiliary loss for silent features, stored as JumpReLU; "
            f"errors weighed by the Fisher information to the power {POWER}",
            "k": recipe.k,
            "steps": recipe.steps,
            "rows_a_step": recipe.batch,
            "learning_rate": recipe.rate,
            "seed": recipe.seed,
            "training_tokens": rows,
            "held_out_tokens": held_out,
            "l0": round(found.l0, 2),
            "held_out": {name: round(value, 5) for name, value in asdict(found).items()},
        },
    }


def make(
    layer: int, record: Record, fisher: Tensor, recipe: Recipe, held_out: HeldOut, notify: Callable[[str], None]
) -> Measured:
    """Trains, stores and measures the dictionary of one layer; it takes the former one's place when it is complete."""
    moments = record.moments
    measure = Measure.of(moments.mean, moments.deviation, fisher, POWER)
    # what is recorded is standardised already
    into = moments.deviation[:, None] * measure.into
    dictionary = trained(record.rows, replace(recipe, seed=recipe.seed + layer), notify, into)
    dictionary = dictionary.of_inputs(measure.mean, measure.into, measure.out)
    folder = HERE / "gemma-3-270m" / f"layer_{layer}"
    beside = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    found = held_out.measure(layer, stored(dictionary, beside))
    sizes = len(record.rows), len(held_out.rows[layer])
    written = config(layer, record.rows.shape[1], recipe, *sizes, found)
    (beside / "cfg.json").write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    beside.replace(folder)
    return found


@click.command(help=__doc__, context_settings={"show_default": True})
@click.option("--cache", type=click.Path(path_type=Path, file_okay=False), default=cache_folder() / "dictionaries")
@click.option("--batches", default=20, help="Batches of 256 texts, the held-out one counted in.")
@click.option("--layer", "layers", type=int, multiple=True, default=LAYERS)
@click.option("--k", default=Recipe.k)
@click.option("--steps", default=Recipe.steps)
@click.option("--threads", default=os.cpu_count() or 1)
@click.option("--seed", default=0)
def main(cache: Path, batches: int, layers: tuple[int, ...], k: int, steps: int, threads: int, seed: int) -> None:
    """Everything, from no text to dictionaries in their place."""
    cache.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(threads)
    model_folder = demo_folder(DEMO_MODELS["gemma-3-270m"])
    writer = Writer.load(model_folder)
    texts = written(writer, writer.openings(HERE / "openings.yaml"), batches, seed, cache / "texts", click.echo)
    kept_out, learned = texts[:MEASURED], texts[HELD_OUT * ROWS :] + prompt_texts(writer)
    model = loaded(model_folder)
    held_out = HeldOut.of(model, kept_out, layers)
    records = record(model, learned, layers, cache, click.echo)
    fisher = sensitivity(model, learned[:: max(1, len(learned) // FELT)], layers, seed)
    for layer in layers:
        recipe = replace(Recipe(), k=k, steps=steps, seed=seed)
        found = make(layer, records[layer], fisher[layer], recipe, held_out, click.echo)
        click.echo(f"layer {layer}: {found}")


if __name__ == "__main__":
    main()
