"""Every probe there is, asked of tiny models: what a family or a definition is tried on."""

from pathlib import Path
from typing import Any

TEXTS = ["I ate an apple", "an apple a day", "the apple of my eye"]
FIRST: dict[str, Any] = {
    "census": {"probe": "parameter_census"},
    "near": {"probe": "nearest_tokens", "ids": [5, 300], "k": 3},
    "word": {"probe": "word_similarity", "word": "apple", "prompts": TEXTS},
    "lens": {"probe": "logit_lens", "prompts": TEXTS, "continue": 2},
    "heads": {"probe": "attention_grid", "prompts": TEXTS[:1], "heads": [[0, 1]]},
    "map": {"probe": "pca_map", "prompts": TEXTS},
}
READING: dict[str, Any] = {
    "tokens": {"probe": "tokenization", "prompts": TEXTS},
    "weights": {"probe": "weights", "tensor": "*", "spectrum": True},
    "states": {"probe": "hidden_states", "prompts": ["an apple a day", "an apple a"]},
    "next": {"probe": "next_token", "prompts": TEXTS},
    "right": {"probe": "right_answer", "prompts": [{"text": text, "answers": " a", "not": " day"} for text in TEXTS]},
    "words": {
        "probe": "embedding_arithmetic",
        "pairs": [["apple", "day"], ["eye", "my"]],
        "layers": "all",
        "pool": "mean",
    },
    "concept": {"probe": "concept_sum", "concepts": [["apple", "day"]], "prompts": TEXTS, "pool": "mean"},
    "written": {"probe": "generation_lens", "prompts": TEXTS[:1], "continue": 3},
    "sinks": {"probe": "attention_sink", "prompts": TEXTS},
    "copies": {"probe": "head_scores", "length": 8, "sequences": 1},
    "parts": {
        "probe": "attention_parts",
        "prompts": TEXTS,
        "heads": [[0, 1]],
        "pairs": [{"from": "day", "to": "apple"}],
    },
    "answer": {"probe": "attribution", "prompts": TEXTS},
    "memories": {"probe": "ffn_memory", "prompts": TEXTS, "texts": TEXTS},
    "inside": {"probe": "logit_lens", "prompts": TEXTS, "rows": ["block", "attention", "mlp"]},
    "places": {"probe": "loss_by_position", "texts": [" and ".join(TEXTS)], "length": 16, "windows": 1, "bin": 8},
    "written_in": {"probe": "bits_per_byte", "texts": TEXTS, "window": 16},
    "shares": {"probe": "residual_shares", "prompts": TEXTS, "words": ["apple"]},
    "single": {"probe": "neurons", "prompts": TEXTS},
    "cost": {"probe": "cost", "lengths": [1, 8, 64]},
    "kinds": {
        "probe": "clusters",
        "prompts": [{"text": text, "group": group} for text, group in zip(TEXTS * 2, "aabbab", strict=True)],
        "shuffles": 99,
    },
    "parted": {
        "probe": "prompt_contrast",
        "a": [*TEXTS, "my eye", "I"],
        "b": ["a", "an", "my", "of", "day"],
        "shuffles": 99,
    },
    "rare": {"probe": "under_trained_tokens", "candidates": 5, "controls": 3},
    "world": {"probe": "linear_map", "data": "cities", "most": 60},
    "years": {"probe": "linear_map", "data": "events", "most": 60, "twin": False},
    "labelled": {
        "probe": "linear_probe",
        "prompts": [
            {"text": f"{opening} {noun}", "label": label}
            for noun in ("apple", "eye", "day", "breakfast")
            for opening, label in (("I ate an", "ate"), ("the day of my", "day"))
        ],
        "controls": 1,
    },
    "along": {
        "probe": "concept_directions",
        "towards": [f"I ate an {noun}" for noun in ("eye", "day", "egg")],
        "away": [f"the day of my {noun}" for noun in ("eye", "day", "egg")],
        "prompts": TEXTS,
        "continue": 2,
        "controls": 1,
    },
}
CHANGING: dict[str, Any] = {
    "steered": {
        "probe": "steering",
        "towards": TEXTS[:2],
        "away": ["an eye", "a day"],
        "prompts": ["the apple for breakfast", "I ate"],
        "score": "cosine",
        "coefficients": [1.0],
        "continue": 2,
    },
    "refused": {
        "probe": "steering",
        "towards": TEXTS[:2],
        "away": ["an eye", "a day"],
        "prompts": ["the apple for breakfast", "I ate"],
        "score": "cosine",
        "coefficients": [1.0],
        "refusal_rates": {"harmful": ["an apple, a day"], "harmless": ["my apple", "of the day"], "tokens": 2},
    },
    "scope": {"probe": "patchscope", "prompts": TEXTS[:1], "targets": ["identity"], "continue": 2},
    "patched": {
        "probe": "activation_patching",
        "prompts": [
            {"text": "an apple a day", "pair": "one", "group": "clean"},
            {"text": "an apple an day", "pair": "one", "group": "corrupted"},
        ],
        "answers": [["a", "I"]],
    },
    "ablated": {"probe": "ablation", "prompts": TEXTS},
    "trees": {
        "probe": "structural_probe",
        "sentences": 40,
        "test_sentences": 20,
        "rank": 4,
        "ranks": [2],
        "layers": [2],
    },
}
TRIPLES = [("dog", "chien", "狗"), ("apple", "pomme", "苹果"), ("eye", "vue", "眼"), ("tree", "arbre", "树")]
WORDS: dict[str, Any] = {
    "latent": {
        "probe": "latent_language",
        "words": [
            {"text": word, "sense": triple[0], "language": language}
            for triple in TRIPLES
            for language, word in zip(("en", "fr", "zh"), triple, strict=True)
        ],
        "source": "fr",
        "target": "zh",
        "shots": 2,
    },
}


ROUTED: dict[str, Any] = {"routed": {"probe": "moe_routing", "prompts": TEXTS}}
"""What asks for a model with routed experts."""


def sparse(dictionaries: Path) -> dict[str, Any]:
    """The probes of sparse features of one model, on dictionaries that lie in a folder."""
    probes: dict[str, Any] = {
        "features": {"probe": "sae_features", "prompts": TEXTS},
        "worth": {"probe": "sae_quality", "texts": TEXTS},
        "atlas": {"probe": "sae_atlas", "texts": TEXTS},
        "clamped": {"probe": "sae_steering", "feature": 7, "clamp": [8], "prompts": TEXTS, "continue": 2},
    }
    return {id: {**probe, "dictionaries": str(dictionaries)} for id, probe in probes.items()}


def of_two(base: str, other: str, dictionaries: Path) -> dict[str, Any]:
    """The probes of a pair of models."""
    pair = {"base": base, "other": other, "prompts": TEXTS}
    return {
        "moved": {"probe": "drift", **pair},
        "contrast": {"probe": "sae_contrast", "dictionaries": str(dictionaries), **pair},
        "carried": {"probe": "activation_difference", "base": base, "other": other, "positions": 3},
        "across": {"probe": "patchscope_across", "targets": ["identity"], "continue": 2, **pair},
        "alike": {"probe": "similarity_between_models", "k": 2, "permutations": 19, **pair},
    }


def of_two_routed(base: str, other: str) -> dict[str, Any]:
    """The probes of a pair of models with routed experts."""
    return {"rerouted": {"probe": "moe_routing_drift", "base": base, "other": other, "prompts": TEXTS}}
