"""What editors show as examples while a battery, prompt sets or a theme are written: whole files, and single keys."""

from collections.abc import Mapping
from typing import Any

FILES: Mapping[str, Mapping[str, Any]] = {
    "battery": {
        "title": "Llama and Gemma",
        "models": {"llama": "demo:smollm2-135m-instruct", "gemma": {"source": "demo:gemma-3-270m", "dtype": "float32"}},
        "probes": {
            "apple": {"probe": "word_similarity", "word": "apple", "prompts": "lecture/apple"},
            "next": {"probe": "logit_lens", "prompts": ["The capital of France is"], "continue": 3, "top_k": 5},
        },
        "outputs": ["html", "pdf"],
    },
    "prompts": {
        "apples": {
            "title": "One word, two senses",
            "source": "Written for this set.",
            "what_to_see": "The fruits move together, away from the companies.",
            "prompts": [
                {"text": "I ate an apple.", "word": "apple", "sense": "fruit"},
                {"text": "I bought Apple shares.", "word": "Apple", "sense": "company"},
            ],
        },
        "bare": ["The sky is", "天氣"],
    },
    "theme": {"extends": "slides", "name": "lab", "models": ["#7a0019", "#00558c"], "logo": "lab.svg", "text": 14},
}
"""What a file is of -> one as it may be written."""

KEYS: Mapping[str, Mapping[str, list[Any]]] = {
    "BatteryFile": {
        "title": ["Llama vs Gemma"],
        "models": [{"llama": "demo:smollm2-135m-instruct", "mine": "./my-model"}],
        "matrix": [{"models": {"run": "ckpt/step-*"}, "dtype": ["float32", "bfloat16"]}],
        "probes": [{"census": {"probe": "parameter_census"}}],
        "outputs": [["html", "pdf", "figures"], ["slides", "pptx"]],
        "language": ["en", "zh-TW"],
        "theme": ["slides", "lab.yaml"],
        "page_megabytes": [10],
        "batch": ["auto", 16],
        "slides": [{"main": ["lens", "heads/grid"]}],
        "tolerances": [{"lens.*.entropy": {"abs": 0.01}, "*": {"gate": False}}],
    },
    "Matrix": {
        "models": [{"run": "ckpt/step-*"}],
        "dtype": [["float32", "bfloat16"]],
        "revision": [["main", "step1000"]],
    },
    "ModelEntry": {
        "source": ["demo:gemma-3-270m", "org/name", "./my-model", "model.gguf", "org/base + ./adapter"],
        "name": ["Our fine-tune, third run"],
        "device": ["cpu", "cuda:1"],
        "revision": ["main"],
        "threads": [4],
        "batch": [1],
    },
    "ProbeKeys": {
        "timeout": [600],
        "title": ["Which apple does it think of?"],
        "note": ["Look at the last three layers."],
    },
    "SlideChoice": {
        "per_probe": [2, "all"],
        "main": [["lens", "heads/grid"]],
        "appendix": [["census"]],
        "order": [["lens", "apple"]],
    },
    "ToleranceEntry": {"abs": [0.01], "rel": [0.05], "overlap": [0.9], "gate": [False]},
    "PromptSet": {
        "title": ["One word, two senses"],
        "source": ["Written for this set."],
        "what_to_see": ["The fruits move together."],
        "prompts": [["The sky is", {"text": "I ate an apple.", "word": "apple"}]],
    },
    "Message": {"content": ["What color is the apple?"]},
    "Prompt": {
        "text": ["The capital of France is"],
        "messages": [[{"role": "user", "content": "What color is the apple?"}]],
        "id": ["capital"],
        "word": ["apple"],
        "index": [1],
        "group": ["fruits"],
        "sense": ["company"],
        "label": ["harmful"],
        "pair": ["hot-cold"],
        "answers": ["Paris", ["Paris", " Paris"]],
        "not": ["London"],
        "language": ["zh-TW"],
        "title": ["A fact"],
        "note": ["Both spellings are right."],
    },
    "Theme": {
        "name": ["lab"],
        "ink": ["#1a1a1a"],
        "muted": ["#666666"],
        "faint": ["#cccccc"],
        "paper": ["#ffffff"],
        "ground": ["#ffffff"],
        "models": [["#0072b2", "#d55e00"]],
        "groups": [["#882255", "#117733"]],
        "areas": [["#dceaf4", "#f7e3d4"]],
        "sequential": [["#ffffff", "#0072b2"]],
        "diverging": [["#0072b2", "#ffffff", "#d55e00"]],
        "outline": ["#000000"],
        "text": [8.5, 14],
        "width": [400],
        "height": [190],
        "widest": [800],
        "tallest": [500],
        "legible": [10, 16],
        "lines": [1.5],
        "font": ["lab.ttf"],
        "logo": ["lab.svg"],
    },
}
"""Class that reads a mapping -> its key -> values as they may be written."""
