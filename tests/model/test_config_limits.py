import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.utils import logging

from reportgen.errors import ModelError
from reportgen.model.files.facts import read_config
from reportgen.model.load import load_shape


def written(folder: Path, **sizes: Any) -> Path:
    """A configuration of a small model, but for these sizes."""
    small = {"model_type": "llama", "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 2, "vocab_size": 9}
    file = folder / "config.json"
    file.write_text(json.dumps(small | {"num_attention_heads": 2} | sizes))
    return file


def _nested(depth: int) -> dict[str, Any]:
    return {"inner": _nested(depth - 1)} if depth else {}


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ({"num_hidden_layers": 10**5}, "num_hidden_layers is 100000, where a model has a whole number up to 1,000"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000"),
        ({"num_hidden_layers": 10**400}, "num_hidden_layers is a number beyond 1,000,000,000,000,000"),
        ({"num_hidden_layers": -1}, "num_hidden_layers is -1"),
        ({"hidden_size": 24.5}, "hidden_size is 24.5"),
        ({"hidden_size": float("nan")}, "hidden_size is nan"),
        ({"vocab_size": float("inf")}, "vocab_size is inf"),
        ({"num_attention_heads": [2, 10**9]}, "num_attention_heads is 1000000000"),
        ({"text_config": {"n_layer": 10**6}}, "n_layer is 1000000"),
        ({"num_labels": 10**9}, "num_labels is 1000000000"),
        ({"anything": [10**400]}, "anything is a number beyond"),
        ({"x" * 100_000: 10**400}, "xxx… is a number beyond"),
        ({"num_hidden_layers": 1000, "num_experts": 1000}, "it has 1,000 blocks of 1,000 experts each"),
        ({"rope_scaling": _nested(60)}, "it is nested more than 40 deep"),
    ],
)
def test_sizes_that_nobody_could_build_are_refused_when_they_are_read(
    tmp_path: Path, sizes: dict[str, Any], told: str
) -> None:
    with pytest.raises(ModelError, match="no model can be built from it: ") as refused:
        read_config(written(tmp_path, **sizes))
    assert told in str(refused.value)
    assert len(str(refused.value)) < 500 + len(str(tmp_path))


def test_the_largest_models_are_built(tmp_path: Path) -> None:
    wide = {"hidden_size": 16384, "intermediate_size": 53248, "vocab_size": 262_144, "num_attention_heads": 128}
    config = written(tmp_path, num_hidden_layers=126, num_key_value_heads=8, **wide)
    read_config(config)
    assert len(load_shape(config).anatomy.blocks) == 126
    read_config(written(tmp_path, num_hidden_layers=61, n_routed_experts=384, time_step_limit=[0.0, float("inf")]))


@pytest.mark.slow
def test_every_configuration_of_transformers_is_within_the_limits(tmp_path: Path) -> None:
    logging.set_verbosity_error()
    refused = {}
    for kind in CONFIG_MAPPING:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                config = CONFIG_MAPPING[kind]().to_json_string(use_diff=False)
            except Exception:  # some have no defaults
                continue
        file = tmp_path / "config.json"
        file.write_text(json.dumps(json.loads(config) | {"is_encoder_decoder": False, "architectures": None}))
        try:
            read_config(file)
        except ModelError as error:
            if "no model can be built" in str(error):
                refused[kind] = str(error)
    assert refused == {}
