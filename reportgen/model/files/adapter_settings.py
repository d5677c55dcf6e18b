"""What an adapter_config.json says, as peft writes it: of the many kinds of adapters, LoRA's plain form is read."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reportgen.documents.problem import describe_value
from reportgen.documents.regular_file import CONFIGURATION_BYTES, read_regular_text
from reportgen.errors import Mistake, ModelError
from reportgen.model.files.weights import ADAPTER
from reportgen.text.pattern_cost import is_bounded

_MERGE_ELSEWHERE = (
    "Merge it with peft (merge_and_unload, then save_pretrained), and name the folder of the whole model."
)
_OTHER_FORMS = {
    "use_dora": "DoRA",
    "use_qalora": "QALoRA",
    "use_bdlora": "BD-LoRA",
    "arrow_config": "Arrow",
    "kasa_config": "KaSA",
    "monteclora_config": "MonteCLoRA",
    "velora_config": "VeLoRA",
    "alora_invocation_tokens": "aLoRA",
    "lora_bias": "LoRA with biases of its own",
    "layer_replication": "LoRA over blocks that are repeated",
    "megatron_config": "LoRA of Megatron's layers",
    "target_parameters": "LoRA of parameters that are no module's",
    "trainable_token_indices": "LoRA with trained rows of the embedding",
}
"""Settings that change what is computed -> what the adapter is then."""
_READ = (
    "alpha_pattern bias ensure_weight_tying fan_in_fan_out init_lora_weights layers_pattern layers_to_transform "
    "lora_alpha modules_to_save peft_type r rank_pattern target_modules use_rslora"
)
_WITHOUT_EFFECT = (
    "auto_mapping base_model_name_or_path corda_config eva_config exclude_modules inference_mode loftq_config "
    "lora_dropout lora_ga_config megatron_core peft_version qalora_group_size revision runtime_config task_type"
)
"""Settings of training, and of where an adapter comes from."""
_PLAIN_BEGINNINGS = ("gaussian", "eva", "orthogonal")
"""How A and B may have begun: other ways change the base's own weights, too."""
_LONGEST_NAME = 300
_BLOCK = re.compile(r".*?\.[^.]*\.(\d+)\.")
"""The number of a module's block, where peft looks for it: the first in its name."""

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class AdapterSettings:
    """A LoRA adapter's settings, found to be of the form that is read."""

    values: Settings
    """adapter_config.json."""

    @property
    def base(self) -> str:
        """The model that it was made for, as it says; empty where it says nothing."""
        named = self.values.get("base_model_name_or_path")
        return named if isinstance(named, str) else ""

    @property
    def stabilised(self) -> bool:
        """Whether what it adds is scaled by α / √r."""
        return self.values.get("use_rslora") is True

    def rank_of(self, module: str) -> int:
        """The rank that a module's matrices are to have."""
        return int(self._of_module("rank_pattern", module, self.values["r"]))

    def alpha_of(self, module: str) -> float:
        """α of a module."""
        return float(self._of_module("alpha_pattern", module, self.values["lora_alpha"]))

    def reason_against(self, module: str) -> str:
        """Why it has no place for a module, although there are matrices for it; empty where it has.

        A regular expression in place of a list is not looked at: peft chose the modules by it when it was made.
        """
        listed, blocks = self.values.get("target_modules"), self.values.get("layers_to_transform")
        if isinstance(listed, list) and not names_module(listed, module):
            return f"`target_modules` of {ADAPTER} does not name it"
        found = _BLOCK.match(module)
        named = [blocks] if isinstance(blocks, int) else blocks
        if isinstance(named, list) and named and (found is None or int(found[1]) not in named):
            return f"`layers_to_transform` of {ADAPTER} names blocks {', '.join(map(str, named[:8]))} alone"
        return ""

    def gives_own_table(self, module: str) -> bool:
        """Whether a table that the base shares between its two ends becomes that end's own (`modules_to_save`)."""
        saved = self.values.get("modules_to_save")
        tied = self.values.get("ensure_weight_tying") is True
        return isinstance(saved, list) and names_module(saved, module) and not tied

    def _of_module(self, key: str, module: str, otherwise: Any) -> Any:
        """What the first pattern says that fits a module: peft takes each for a regular expression at its end."""
        patterns = self.values.get(key) or {}
        return next((said for one, said in patterns.items() if re.match(rf"(.*\.)?({one})$", module)), otherwise)


def read_settings(folder: Path) -> AdapterSettings:
    """The settings of the adapter in a folder.

    Raises:
        ModelError: there are none, they cannot be read, or the adapter is of a kind that is not merged here.
    """
    file = folder / ADAPTER
    if not file.is_file():
        remedy = "A PEFT adapter is a folder with adapter_config.json and adapter_model.safetensors."
        raise ModelError(Mistake(f"this is no adapter: it has no {ADAPTER}", remedy, folder))
    values = _read_mapping(file)
    told = _reason_against(values)
    if told:
        raise ModelError(Mistake(told, _MERGE_ELSEWHERE, file))
    if wrong := _find_wrong_value(values):
        raise ModelError(Mistake(wrong, "Download or copy the adapter again.", file))
    return AdapterSettings(values)


def names_module(listed: list[Any], module: str) -> bool:
    """Whether a list names a module, by its whole name or by the last parts of it."""
    return any(module == one or module.endswith(f".{one}") for one in listed)


def _read_mapping(file: Path) -> Settings:
    try:
        values = json.loads(read_regular_text(file, CONFIGURATION_BYTES))
    except OSError as error:
        raise ModelError(Mistake(f"cannot be read: {error.strerror}", file=file)) from error
    except (ValueError, RecursionError) as error:
        raise ModelError(Mistake("this is not JSON", "Download or copy the file again.", file)) from error
    if not isinstance(values, dict):
        raise ModelError(Mistake("these are no settings of an adapter: it holds no mapping", file=file))
    return values


def _reason_against(values: Settings) -> str:
    """Why an adapter is none that is merged here; empty where it is."""
    kind = values.get("peft_type")
    if kind is None:
        return f"it does not say of which kind the adapter is: {ADAPTER} has no `peft_type`"
    if kind != "LORA":
        return f"an adapter of kind {describe_value(kind)} is not supported: only LORA is merged"
    form = next((name for key, name in _OTHER_FORMS.items() if values.get(key)), "")
    if form:
        return f"{form} is not supported: only plain LoRA is merged"
    begun = values.get("init_lora_weights", True)
    if not isinstance(begun, bool) and begun not in _PLAIN_BEGINNINGS:
        return f"an adapter that began as {describe_value(begun)} goes with changed weights of its base: not supported"
    known = {*_READ.split(), *_WITHOUT_EFFECT.split()}
    unknown = [key for key, value in values.items() if value and key not in known]
    return (
        f"its setting {describe_value(unknown[0])} is not known, so neither is what is to be computed"
        if unknown
        else ""
    )


def _find_wrong_value(values: Settings) -> str:
    """What of the values that are read is not what it should be; empty where all are."""
    if type(values.get("r")) is not int or values["r"] < 1:
        return f"`r` is {describe_value(values.get('r'))}, where an adapter has a rank of at least 1"
    if not _is_number(values.get("lora_alpha")):
        return f"`lora_alpha` is {describe_value(values.get('lora_alpha'))}, which is no number"
    for key in ("rank_pattern", "alpha_pattern"):
        patterns = values.get(key) or {}
        if not isinstance(patterns, dict):
            return f"`{key}` is no mapping"
        for one, said in patterns.items():
            if not _is_pattern(one):
                return f"`{key}` names modules by {describe_value(one)}, which cannot be read as a pattern"
            if not _is_number(said) or (key == "rank_pattern" and (type(said) is not int or said < 1)):
                return f"`{key}` gives {describe_value(one)} the value {describe_value(said)}"
    return ""


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False


def _is_pattern(text: str) -> bool:
    """Whether a regular expression can be searched for in a name without end."""
    bare = text.removeprefix("^").removesuffix("$")
    if len(text) > _LONGEST_NAME or not is_bounded(bare):
        return False
    try:
        re.compile(text)
    except re.error:
        return False
    return True
