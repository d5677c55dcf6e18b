"""Weights from disk into a proven model."""

from __future__ import annotations

import logging
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from reportgen.errors import Mistake, ModelError

if TYPE_CHECKING:
    from reportgen.model.files.sources import ModelFiles

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

from reportgen.model.capture.check import prove
from reportgen.model.files.device import choose_device, default_threads
from reportgen.model.files.facts import Config, read_config
from reportgen.model.merge import merge_adapter
from reportgen.model.network.anatomy import Network, anatomy_of
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.network.own_code import describe_error
from reportgen.model.network.quantise import INT8, quantise

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
# Where torchao is installed, transformers imports it, which tells of each kernel that this machine has no use for.
for _name in ("torchao", "torch.utils._pytree"):
    logging.getLogger(_name).setLevel(logging.ERROR)

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load(
    located: ModelFiles, *, dtype: str = "auto", device: str = "auto", threads: int | None = None, batch: int = 1
) -> LoadedModel:
    """A model with its attention computed eagerly (the only implementation that shows its patterns), and proven.

    `dtype` auto is the checkpoint's own, int8 that with the blocks quantised (`quantise`); `device` auto is the first
    accelerator, else the CPU, on which passes take this many `threads` whatever the load of the machine, `batch`
    copies of a prompt at a time.

    Raises:
        ModelError: the weights do not load, are incomplete, or the model is not what it claims to be.
    """
    torch.set_num_threads(default_threads() if threads is None else threads)
    try:
        network, report = AutoModelForCausalLM.from_pretrained(
            located.folder,
            dtype=DTYPES.get(dtype, "auto"),
            attn_implementation="eager",
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except Exception as error:  # a stranger's files make transformers raise anything
        raise ModelError(_explain_load_failure(located, error)) from error
    missing = sorted(report.get("missing_keys", ()))
    if missing:
        raise ModelError(
            Mistake(f"the weights lack {len(missing)} tensors of the model, among them {missing[0]}",
                    _remedy_for_quantised(located) or "the file belongs to a different model, or is incomplete",
                    file=located.folder)
        )  # fmt: skip
    beyond = sorted(key for key in report.get("unexpected_keys", ()) if re.search(r"\.(layers|h|blocks)\.\d+\.", key))
    if beyond:
        raise ModelError(
            Mistake(f"the weights hold {len(beyond)} tensors that the model has no place for, such as {beyond[0]}",
                    _remedy_for_quantised(located) or "config.json belongs to a different model, or has too few blocks",
                    file=located.folder)
        )  # fmt: skip
    if located.adapter is not None:
        merge_adapter(network, located.folder, located.adapter)
    try:
        network = network.eval().requires_grad_(False).to(choose_device(device))
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # torch has all three for a missing device
        remedy = "name another device, such as device: cpu"
        raise ModelError(Mistake(f"the model cannot go to {device}: {describe_error(error)}", remedy)) from error
    try:
        return _build_proven(network, dtype, batch)
    except ModelError:
        raise
    except Exception as error:  # the model runs for the first time: its own code may raise anything
        raise ModelError(_explain_proof_failure(error)) from error


def _build_proven(network: Network, dtype: str, batch: int) -> LoadedModel:
    anatomy = anatomy_of(network)
    if dtype == INT8:
        quantise(anatomy.blocks)
    model = LoadedModel(network, anatomy, batch)
    prove(model)
    return model


def load_shape(config_file: Path) -> LoadedModel:
    """A model without weights, on the meta device, from its config.json alone.

    Raises:
        ModelError: the configuration is of no causal LM.
    """
    try:
        config = AutoConfig.from_pretrained(
            config_file.parent, _configuration_file=config_file.name, trust_remote_code=False
        )
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # initialisers warn about meta tensors
            network = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
        network.tie_weights()
        return LoadedModel(network, anatomy_of(network))
    except ModelError:
        raise
    except Exception as error:  # a stranger's configuration makes transformers raise anything
        raise ModelError(
            Mistake(f"no causal LM can be built from it: {describe_error(error)}", file=config_file)
        ) from error


def _remedy_for_quantised(located: ModelFiles) -> str:
    """The remedy where a checkpoint is quantised in a form that is not read; empty where it is not."""
    method = _quantisation_method(read_config(located.config))
    if not method:
        return ""
    return f"Its weights are quantised ({method}): name the model that they were made from, or its .gguf file."


def _quantisation_method(config: Config) -> str:
    written = config.get("quantization_config")
    return str(written.get("quant_method") or "in an unknown way") if isinstance(written, dict) else ""


def _explain_load_failure(located: ModelFiles, error: Exception) -> Mistake:
    return Mistake(
        f"the model cannot be loaded: {describe_error(error)}",
        _remedy_for_quantised(located) or "check that the folder is a complete causal LM in safetensors",
        file=located.folder,
    )


def _explain_proof_failure(error: Exception) -> Mistake:
    return Mistake(
        f"the model's own code failed while it was proven: {describe_error(error)}",
        "this architecture is not supported yet: please report its name",
    )
