"""What peft itself makes of adapters: run by the Python of .venv-peft, never imported by a test.

    .venv-peft/bin/python tests/reference/peft_merged.py FOLDER

FOLDER holds cases.json (name, base: a folder, settings of LoraConfig, and rows of the vocabulary where it is resized).
Written into it are the adapters, as folders of their names with random matrices, and logits.safetensors: NAME, of the
base with the adapter merged into it; NAME.base, of the base alone; NAME.ids, the tokens of both.
"""

import json
import sys
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM


def base_of(case):
    model = AutoModelForCausalLM.from_pretrained(case["base"], attn_implementation="eager")
    if case.get("rows"):
        model.resize_token_embeddings(case["rows"], mean_resizing=False)
    return model.eval()


def make_adapter(case, folder):
    """Random in all that training would have changed, so that nothing of it is 0."""
    model = get_peft_model(base_of(case), LoraConfig(task_type="CAUSAL_LM", **case["settings"]))
    generator = torch.Generator().manual_seed(5)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if case.get("rows"):
        trained.append(model.get_base_model().get_input_embeddings().weight)
    for parameter in trained:
        parameter.data = 0.2 * torch.randn(parameter.shape, generator=generator)
    if case.get("rows"):
        model.get_base_model().tie_weights()
    model.save_pretrained(folder)


@torch.no_grad()
def main(root):
    out = {}
    for case in json.loads((root / "cases.json").read_text()):
        name = case["name"]
        make_adapter(case, root / name)
        ids = torch.randint(case.get("rows") or 320, (1, 12), generator=torch.Generator().manual_seed(3))
        merged = PeftModel.from_pretrained(base_of(case), root / name).merge_and_unload().eval()
        out |= {name: merged(ids).logits, f"{name}.base": base_of(case)(ids).logits, f"{name}.ids": ids}
    save_file({name: tensor.contiguous() for name, tensor in out.items()}, root / "logits.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
