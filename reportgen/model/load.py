"""Weights from disk into a proven model."""

from __future__ import annotations

import io
import logging
import re
import shutil
import warnings
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from functools import partialmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reportgen.errors import Mistake, ModelError

if TYPE_CHECKING:
    from reportgen.model.files.sources import ModelFiles

import torch
import transformers
from tqdm import tqdm
from transformers import AutoConfig, AutoModelForCausalLM

from reportgen.model.capture.check import prove
from reportgen.model.capture.check_attention import exchange_attention
from reportgen.model.files.device import choose_device, default_threads
from reportgen.model.files.facts import read_config
from reportgen.model.files.quantised import explain_quantised, quantisation_method
from reportgen.model.merge import merge_adapter
from reportgen.model.network.anatomy import Network, anatomy_of
from reportgen.model.network.loaded import LoadedModel
from reportgen.model.network.own_code import describe_error
from reportgen.model.network.quantise import INT8, quantise
from reportgen.model.place import DISK, DeviceMap, Held, make_resaving_folder, place_on_disk, spread_out

transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
# Where torchao is installed, transformers imports it, which tells of each kernel that this machine has no use for;
# accelerate tells of weights that are not in memory, which is what was asked for.
for _name in ("torchao", "torch.utils._pytree", "accelerate", "bitsandbytes", "compressed_tensors"):
    logging.getLogger(_name).setLevel(logging.ERROR)

EAGER = "eager"
WHOLE = Held()
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load(
    located: ModelFiles,
    *,
    dtype: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    batch: int = 1,
    held: Held = WHOLE,
    attention: str = EAGER,
) -> LoadedModel:
    """A model that is proven, with its attention computed eagerly: the only implementation that shows its patterns.

    `dtype` auto is the checkpoint's own, int8 that with the blocks quantised (`quantise`); `device` auto is the first
    accelerator, else the CPU, on which passes take this many `threads` whatever the load of the machine, `batch`
    copies of a prompt at a time. `held` says whether its weights are whole on that device.
    Another implementation of `attention` takes over once it was found to give the same.

    Raises:
        ModelError: the weights do not load, are incomplete, or the model is not what it claims to be.
    """
    torch.set_num_threads(default_threads() if threads is None else threads)
    with _in_silence():
        network = _read_network(located, dtype, device, held)
        if located.adapter is not None:
            merge_adapter(network, located.folder, located.adapter)
        network = network.eval().requires_grad_(False)
        if not hasattr(network, "hf_device_map"):  # else it is where it is to be
            network = _move(network, device)
        try:
            return _build_proven(network, dtype, batch, attention)
        except ModelError:
            raise
        except Exception as error:  # the model runs for the first time: its own code may raise anything
            raise ModelError(_explain_proof_failure(error)) from error


def _read_network(located: ModelFiles, dtype: str, device: str, held: Held) -> Network:
    """The network with its weights, or with what says where they are read from.

    Raises:
        ModelError: they do not load, do not fit, or are not whole.
    """
    placed = _place(located, dtype, device, held)
    resaved = make_resaving_folder() if DISK in placed.values() else None
    try:
        network, report = AutoModelForCausalLM.from_pretrained(
            located.folder,
            dtype=DTYPES.get(dtype, "auto"),
            attn_implementation=EAGER,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            **({"device_map": placed} if placed else {}),
            **({"offload_folder": str(resaved)} if resaved else {}),
        )
    except Exception as error:  # a stranger's files make transformers raise anything
        if resaved is not None:
            shutil.rmtree(resaved, ignore_errors=True)
        raise ModelError(_explain_load_failure(located, error)) from error
    if resaved is not None:
        weakref.finalize(network, shutil.rmtree, resaved, ignore_errors=True)
    _refuse_incomplete(located, report)
    return network


def _place(located: ModelFiles, dtype: str, device: str, held: Held) -> DeviceMap:
    """What holds each part of a network; empty where it is loaded by the CPU and moved as a whole."""
    quantised = quantisation_method(read_config(located.config))
    if held.whole:
        # Packed weights cannot be moved everywhere once they are there.
        return {"": choose_device(device)} if quantised else {}
    if quantised:
        told = f"its weights are quantised ({quantised}), and are read whole, to one device"
        raise ModelError(Mistake(told, "leave out stream and device_map", located.folder))
    shape = _build_shape(located.config, DTYPES.get(dtype))
    if held.stream:
        return place_on_disk(shape, choose_device(device))
    return spread_out(shape, offload=held.offload)


def _move(network: Network, device: str) -> Network:
    try:
        return network.to(choose_device(device))
    except torch.OutOfMemoryError as error:
        told = f"the model does not fit into the memory of {device}: {describe_error(error)}"
        raise ModelError(Mistake(told, "write device_map: auto for several accelerators, or stream: true")) from error
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # torch has all three for a missing device
        remedy = "name another device, such as device: cpu"
        raise ModelError(Mistake(f"the model cannot go to {device}: {describe_error(error)}", remedy)) from error


def _refuse_incomplete(located: ModelFiles, report: Mapping[str, Any]) -> None:
    """Refuses weights that are not all of the model's, or more than it has a place for.

    Raises:
        ModelError: with the first tensor of those.
    """
    quantised = explain_quantised(read_config(located.config))
    missing = sorted(report.get("missing_keys", ()))
    if missing:
        raise ModelError(
            Mistake(f"the weights lack {len(missing)} tensors of the model, among them {missing[0]}",
                    quantised or "the file belongs to a different model, or is incomplete",
                    file=located.folder)
        )  # fmt: skip
    beyond = sorted(key for key in report.get("unexpected_keys", ()) if re.search(r"\.(layers|h|blocks)\.\d+\.", key))
    if beyond:
        raise ModelError(
            Mistake(f"the weights hold {len(beyond)} tensors that the model has no place for, such as {beyond[0]}",
                    quantised or "config.json belongs to a different model, or has too few blocks",
                    file=located.folder)
        )  # fmt: skip


@contextmanager
def _in_silence() -> Iterator[None]:
    """Keeps bars and lines of libraries that read weights from the terminal, which has lines of its own."""
    shown = tqdm.__init__
    tqdm.__init__ = partialmethod(shown, file=io.StringIO())  # some say disable=False themselves
    try:
        with redirect_stdout(io.StringIO()), warnings.catch_warnings():
            # gptqmodel has a banner, and tells of each of its kernels; optimum asks transformers in an old way.
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            yield
    finally:
        tqdm.__init__ = shown
        logging.getLogger("logbar").setLevel(logging.ERROR)  # gptqmodel's, which raises its level when it is imported


def _build_proven(network: Network, dtype: str, batch: int, attention: str) -> LoadedModel:
    anatomy = anatomy_of(network)
    if dtype == INT8:
        quantise(anatomy.blocks)
    model = LoadedModel(network, anatomy, batch)
    prove(model)
    if attention != EAGER:
        exchange_attention(model, attention)
    return model


def load_shape(config_file: Path) -> LoadedModel:
    """A model without weights, on the meta device, from its config.json alone.

    Raises:
        ModelError: the configuration is of no causal LM.
    """
    try:
        network = _build_shape(config_file)
        return LoadedModel(network, anatomy_of(network))
    except ModelError:
        raise
    except Exception as error:  # a stranger's configuration makes transformers raise anything
        raise ModelError(
            Mistake(f"no causal LM can be built from it: {describe_error(error)}", file=config_file)
        ) from error


def _build_shape(config_file: Path, dtype: torch.dtype | None = None) -> Network:
    """A network on the meta device, in a dtype, else in that of its configuration."""
    config = AutoConfig.from_pretrained(
        config_file.parent, _configuration_file=config_file.name, trust_remote_code=False
    )
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # initialisers warn about meta tensors
        network = AutoModelForCausalLM.from_config(
            config, trust_remote_code=False, **({"dtype": dtype} if dtype else {})
        )
    network.tie_weights()
    return network


def _explain_load_failure(located: ModelFiles, error: Exception) -> Mistake:
    return Mistake(
        f"the model cannot be loaded: {describe_error(error)}",
        explain_quantised(read_config(located.config))
        or "check that the folder is a complete causal LM in safetensors",
        file=located.folder,
    )


def _explain_proof_failure(error: Exception) -> Mistake:
    return Mistake(
        f"the model's own code failed while it was proven: {describe_error(error)}",
        "this architecture is not supported yet: please report its name",
    )
