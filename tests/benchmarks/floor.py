"""The least that the card's numbers cost: each prompt passes once, steps reuse the KV cache, the vocabulary is met
in one product, nothing is drawn.

    python -m tests.benchmarks.floor MODEL [DTYPE]

Prints {"probes": seconds}, import, load and one pass to warm up not counted.
"""

import json
import os
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.benchmarks import work


class Floor:
    """A model and its tokenizer."""

    def __init__(self, folder: str, dtype: str) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval()

    def encode(self, text: str) -> torch.Tensor:
        return self.tokenizer(text, return_tensors="pt").input_ids

    def nearest(self) -> None:
        table = self.model.get_input_embeddings().weight
        first = [self.tokenizer.encode(text, add_special_tokens=False)[0] for text in work.NEAREST]
        ((table[first] @ table.T) / table.norm(dim=1)).topk(work.NEIGHBOURS)

    def streams(self) -> None:
        for text in (*work.SENTENCES, *work.MAPPED):
            self.model.model(self.encode(text), output_hidden_states=True)

    def attention(self) -> None:
        self.model.model(self.encode(work.ATTENDED), output_hidden_states=True, output_attentions=True)

    def lens(self) -> None:
        rows = torch.cat([layers for text in work.CONTINUED for layers in self.trace(text)])
        self.model.lm_head(rows).softmax(-1).topk(work.TOP)

    def trace(self, text: str) -> list[torch.Tensor]:
        """(layer x width) what the unembedding reads at each step."""
        fresh, past, steps = self.encode(text), None, []
        for _ in range(work.STEPS):
            output = self.model.model(fresh, past_key_values=past, use_cache=True, output_hidden_states=True)
            layers = torch.stack([layer[0, -1] for layer in output.hidden_states])
            steps.append(torch.cat([self.model.model.norm(layers[:-1]), layers[-1:]]))
            past = output.past_key_values
            fresh = self.model.lm_head(layers[-1:]).argmax().reshape(1, 1)
        return steps


def main(folder: str, dtype: str = "float32") -> None:
    torch.set_grad_enabled(False)
    floor = Floor(folder, dtype)
    floor.model(floor.encode("warm"))
    began = time.perf_counter()
    floor.nearest()
    floor.streams()
    floor.attention()
    floor.lens()
    sys.stdout.write(json.dumps({"probes": time.perf_counter() - began}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
