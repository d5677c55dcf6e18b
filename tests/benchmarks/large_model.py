"""Saves a random model of Llama-3.2-3B's shape, and a card's battery on it.

python -m tests.benchmarks.large_model FOLDER TOKENIZER BLOCKS CARD BATTERY
"""

import json
import sys
from pathlib import Path

from ruamel.yaml import YAML
from tokenizers import Tokenizer

from tests.benchmarks.random_models import save_llama

SHAPE = {
    "hidden_size": 3072,
    "intermediate_size": 8192,
    "num_attention_heads": 24,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 128_256,
    "tie_word_embeddings": True,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def main(folder: str, tokenizer: str, blocks: str, card: str, battery: str) -> None:
    save_llama(Path(folder), dtype="bfloat16", tokenizer=Path(tokenizer), num_hidden_layers=int(blocks), **SHAPE)
    content = YAML(typ="safe").load(Path(card))
    one_token = Tokenizer.from_file(str(Path(tokenizer) / "tokenizer.json")).encode
    # A text that no model of a battery has as one token is a mistake in it, and here there is one model.
    near = content["probes"]["near"]
    near["texts"] = [text for text in near["texts"] if len(one_token(text, add_special_tokens=False).ids) == 1]
    Path(battery).write_text(json.dumps(content | {"models": {"large": folder}}))
    sys.stdout.write(json.dumps({}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
