"""The card's work as a lecture's notebook does it: each question runs its prompts anew, each figure is a plt.figure.

    python -m tests.benchmarks.notebook MODEL OUT [DTYPE]

Writes a few PNGs into OUT and prints {"probes": seconds} of what came after import and load.
"""

import itertools
import json
import os
import sys
import time
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import matplotlib
import torch

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: TID251  (this is what notebooks do)
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.benchmarks import work


class Notebook:
    """A model, its tokenizer, and where pictures go."""

    def __init__(self, folder: str, pictures: Path, dtype: str, device: str = "cpu") -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval()
        self.model = model.to(device)
        self.pictures = pictures

    def forward(self, text: str, **wanted: bool):
        return self.model(input_ids=self.ids(text), **wanted)

    def ids(self, text: str):
        return self.tokenizer(text, return_tensors="pt").input_ids.to(self.model.device)

    def save(self, figure, name: str) -> None:
        figure.savefig(self.pictures / f"{name}.png")

    def census(self) -> list[tuple[str, tuple[int, ...], int]]:
        return [(name, tuple(tensor.shape), tensor.numel()) for name, tensor in self.model.named_parameters()]

    def nearest(self) -> dict[str, list[int]]:
        table = self.model.get_input_embeddings().weight
        found = {}
        for text in work.NEAREST:
            first = self.tokenizer.encode(text, add_special_tokens=False)[0]
            similarity = torch.nn.functional.cosine_similarity(table[first].unsqueeze(0), table)
            found[text] = similarity.topk(work.NEIGHBOURS).indices.tolist()
        return found

    def similarity(self) -> None:
        streams = [self.forward(text, output_hidden_states=True).hidden_states for text in work.SENTENCES]
        places = [self.place(text) for text in work.SENTENCES]
        for normalised in (False, True):
            figure = plt.figure()
            for one, other in itertools.combinations(range(len(streams)), 2):
                curve = []
                for left, right in zip(streams[one], streams[other], strict=True):
                    directions = [torch.nn.functional.normalize(layer[0], dim=-1) for layer in (left, right)]
                    cosines = directions[0] @ directions[1].T
                    value = cosines[places[one], places[other]]
                    curve.append((value / cosines.mean() if normalised else value).item())
                plt.plot(curve, label=f"{one} and {other}")
            plt.legend()
            self.save(figure, "similarity-normalised" if normalised else "similarity")

    def place(self, text: str) -> int:
        """The position of the token with the word's last letter."""
        return self.tokenizer(text).char_to_token(text.index(work.WORD) + len(work.WORD) - 1)

    def lens(self) -> None:
        told = {}
        for text in work.CONTINUED:
            ids = self.ids(text)
            for step in range(work.STEPS):
                output = self.model(ids, output_hidden_states=True)
                *lower, last = [layer[0, -1] for layer in output.hidden_states]
                layers = []
                for row in [*(self.model.model.norm(row) for row in lower), last]:
                    top = self.model.lm_head(row).softmax(-1).topk(work.TOP)
                    layers.append([self.tokenizer.decode([token]) for token in top.indices])
                told[f"{text} + {step}"] = layers
                ids = torch.cat([ids, output.logits[:, -1:].argmax(-1)], dim=1)
        (self.pictures / "lens.json").write_text(json.dumps(told, ensure_ascii=False))

    def attention(self) -> None:
        blocks = self.forward(work.ATTENDED, output_attentions=True).attentions
        heads = blocks[0].shape[1]
        figure, axes = plt.subplots(len(blocks), heads, figsize=(1.2 * heads, 1.2 * len(blocks)), squeeze=False)
        for block, row in zip(blocks, axes, strict=True):
            for head, place in zip(block[0], row, strict=True):
                place.imshow(head.float().cpu().numpy(), cmap="viridis")
                place.axis("off")
        self.save(figure, "attention")

    def map(self) -> None:
        from sklearn.decomposition import PCA

        rows = []
        for word in work.MAPPED:
            layers = self.forward(word, output_hidden_states=True).hidden_states
            rows.append(layers[(len(layers) - 1) // 2][0, -1].float())
        points = PCA(2).fit_transform(torch.stack(rows).cpu().numpy())
        figure = plt.figure()
        plt.scatter(points[:, 0], points[:, 1])
        for word, point in zip(work.MAPPED, points, strict=True):
            plt.annotate(word, point)
        self.save(figure, "map")

    def run(self) -> None:
        """All of the card's work."""
        self.census()
        self.nearest()
        self.similarity()
        self.lens()
        self.attention()
        self.map()


def main(folder: str, out: str, dtype: str = "float32") -> None:
    torch.set_grad_enabled(False)
    pictures = Path(out)
    pictures.mkdir(parents=True, exist_ok=True)
    notebook = Notebook(folder, pictures, dtype)
    began = time.perf_counter()
    notebook.run()
    sys.stdout.write(json.dumps({"probes": time.perf_counter() - began}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
