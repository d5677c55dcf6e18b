"""An adapter merged into the network that it was made for, in memory: nothing is written.

W + scale · B A is computed in float32 and then cast to the network's dtype. Where that is narrower than the base's
file, W is read from the file once more, so that it is rounded once and not twice. Tensors that the adapter leaves alone
stay what they are; where nothing is converted, they are the file's own pages, which two networks of one file share.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from torch import nn
from transformers.pytorch_utils import Conv1D

from reportgen.errors import Mistake, ModelError
from reportgen.model.files.adapters import Adapter, LowRank, explain_mismatch
from reportgen.model.files.weights import read_header, weight_files
from reportgen.model.network.anatomy import Network
from reportgen.model.network.quantise import reason_without_floats
from reportgen.numerics.low_rank import low_rank_change, low_rank_scale


def merge_adapter(network: Network, base: Path, adapter: Adapter) -> None:
    """Changes the weights of a network, which was loaded from the folder `base`, as an adapter says.

    Raises:
        ModelError: the network lacks what the adapter changes, or its two ends share a table that it changes at one.
    """
    _Merging(network, base, adapter).merge()


class _Merging:
    """A network under change."""

    def __init__(self, network: Network, base: Path, adapter: Adapter) -> None:
        self._network = network
        self._adapter = adapter
        self._stored = _StoredWeights(base)
        self._ends = _list_ends(network)

    def merge(self) -> None:
        with safe_open(self._adapter.file, framework="pt") as held:
            replaced = {name: held.get_tensor(key) for name, key in self._adapter.replaced.items()}
            self._resize(replaced)
            self._replace(replaced)
            for change in self._adapter.changes:
                self._change(change, held.get_tensor(change.down), held.get_tensor(change.up), replaced)

    def _resize(self, replaced: Mapping[str, torch.Tensor]) -> None:
        """Gives the network the rows of the adapter's vocabulary; each table of its own has to come with it."""
        rows = self._adapter.vocabulary
        if rows is None:
            return
        named = {name: module for name, module in self._network.named_modules() if module in self._ends}
        for name, end in named.items():
            sharing = [f"{other}.weight" for other, module in named.items() if module.weight is end.weight]
            if not any(one in replaced for one in sharing):
                raise self._refuse(
                    f"the adapter has a vocabulary of {rows} tokens, but no {name}.weight of as many rows"
                )
        self._network.resize_token_embeddings(rows, mean_resizing=False)
        self._ends = _list_ends(self._network)

    def _replace(self, replaced: Mapping[str, torch.Tensor]) -> None:
        """Puts whole tensors into their places."""
        written: dict[int, tuple[str, torch.Tensor]] = {}
        for name, tensor in replaced.items():
            module, parameter = self._find(name)
            if parameter.shape != tensor.shape:
                told = f"{name} is {list(parameter.shape)} there, and {list(tensor.shape)} in it"
                raise self._refuse(f"the adapter is for another base: {told}")
            if self._is_shared(module) and self._adapter.settings.gives_own_table(name.rpartition(".")[0]):
                module.weight = nn.Parameter(tensor.to(parameter.dtype, copy=True), requires_grad=False)
                continue
            before = written.setdefault(id(parameter), (name, tensor))
            if not torch.equal(before[1], tensor):
                raise self._refuse(f"{before[0]} and {name} are one table in the model, and two in the adapter")
            parameter.data = tensor.to(parameter.dtype, copy=True)

    def _change(
        self, change: LowRank, down: torch.Tensor, up: torch.Tensor, replaced: Mapping[str, torch.Tensor]
    ) -> None:
        """Adds what two matrices of low rank give to the weights of one module."""
        name = f"{change.module}.weight"
        module, parameter = self._find(name)
        if self._is_shared(module):
            told = f"{change.module} shares its table with the model's other end: merged, the adapter would change both"
            raise self._refuse(told, "Train it with the two ends untied, or leave them out.")
        if not isinstance(module, nn.Linear | nn.Embedding | Conv1D) or not parameter.is_floating_point():
            raise self._refuse(f"{change.module} is a {type(module).__name__}, which is not supported",
                               "Only linear maps and tables of embeddings are merged.")  # fmt: skip
        settings = self._adapter.settings
        scale = low_rank_scale(settings.alpha_of(change.module), change.rank, stabilised=settings.stabilised)
        added = low_rank_change(down.float(), up.float(), scale)
        if isinstance(module, nn.Embedding | Conv1D):
            added = added.T
        if added.shape != parameter.shape:
            told = f"{name} is {list(parameter.shape)} there, and {list(added.shape)} in it"
            raise self._refuse(f"the adapter is for another base: {told}")
        whole = replaced[name] if name in replaced else self._stored.read_like(name, parameter)
        parameter.data = (whole.float() + added).to(parameter.dtype)

    def _find(self, name: str) -> tuple[nn.Module, nn.Parameter]:
        """A tensor of the network, and the module that it belongs to."""
        try:
            module = self._network.get_submodule(name.rpartition(".")[0])
            if reason := reason_without_floats(module):
                raise self._refuse(f"the adapter changes {name.removesuffix('.weight')}: {reason}",
                                   "Name the base that is not quantised.")  # fmt: skip
            return module, self._network.get_parameter(name)
        except AttributeError as error:
            told = f"the adapter changes {name.removesuffix('.weight')}, which its base does not have"
            raise self._refuse(told) from error

    def _is_shared(self, module: nn.Module) -> bool:
        """Whether a module reads the same table as the network's other end."""
        return sum(end.weight is getattr(module, "weight", None) for end in self._ends) > 1

    def _refuse(self, told: str, remedy: str = "") -> ModelError:
        return ModelError(Mistake(told, remedy or explain_mismatch(self._adapter.settings), self._adapter.folder))


def _list_ends(network: Network) -> list[nn.Module]:
    """The modules of the embedding and of the unembedding."""
    ends = (network.get_input_embeddings(), network.get_output_embeddings())
    return [end for end in ends if end is not None]


class _StoredWeights:
    """The tensors of a model's folder, under the names of its files."""

    def __init__(self, folder: Path) -> None:
        self._files = {name: file for file in weight_files(folder) for name in read_header(file)}

    def read_like(self, name: str, parameter: torch.Tensor) -> torch.Tensor:
        """The weights of a parameter as they are stored; the parameter itself if it is float32, or if no tensor of the
        files is called so.

        Some files call a tensor without the name of the network's trunk (`h.0` for `transformer.h.0`).
        """
        if parameter.dtype == torch.float32:
            return parameter
        called = [one for one in self._files if name.endswith(f".{one}") or one.endswith(f".{name}")]
        key = name if name in self._files else called[0] if len(called) == 1 else None
        if key is None:
            return parameter
        with safe_open(self._files[key], framework="pt") as held:
            stored: torch.Tensor = held.get_tensor(key)
        return stored if stored.shape == parameter.shape else parameter
