"""Prompts: what passes through a model, and the named sets of them that batteries share."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from reportgen import resources
from reportgen.documents.beside import is_file
from reportgen.documents.plain_words import ExplainedError, explain_errors
from reportgen.documents.problem import Problem, describe_value
from reportgen.errors import BatteryError, Mistake
from reportgen.suggest import find_nearest, suggestion

STRICT = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)
FILE_NAME = re.compile(r"[A-Za-z0-9_-]{1,200}")
SET_NAME = re.compile(r"[A-Za-z0-9_-]{1,200}/[A-Za-z0-9_-]{1,200}")
"""In a list of prompts this is taken for the name of a set, where there is a file of that name or a set almost so."""
ALMOST = 90
"""Per cent of the letters that a name in a list shares with that of a set, where it is not taken for a text."""

Text = Annotated[str, Field(min_length=1)]
Label = Annotated[str, Field(min_length=1, max_length=200)]
Note = Annotated[str, Field(min_length=1, max_length=2000)]


class Message(BaseModel):
    """One turn of a chat."""

    model_config = STRICT

    role: Literal["system", "user", "assistant"]
    """Who speaks."""
    content: Text
    """What is said."""


def _read_answers(value: Any) -> Any:
    """Answers, of which one alone may be written without its list."""
    return (value,) if isinstance(value, str) else value


class Prompt(BaseModel):
    """A text, or the messages of a chat, and what is known about it. Exactly one of `text` and `messages` is given."""

    model_config = STRICT | {"serialize_by_alias": True}

    text: Text | None = None
    """The text itself."""
    messages: Annotated[tuple[Message, ...], Field(strict=False, min_length=1)] | None = None
    """Turns of a chat, which go through the model's chat template."""
    id: Label | None = None
    """A short name for tables and labels."""
    word: Text | None = None
    """The word to find in the text."""
    index: Annotated[int, Field(ge=0)] | None = None
    """Which occurrence of the word is meant, from 0; by default the first."""
    group: Label | None = None
    """The group whose colour the prompt takes in a map."""
    sense: Label | None = None
    """The meaning that the word has here; prompts of one sense are told apart from those of another."""
    label: Label | None = None
    """What a trained probe is to learn of this prompt."""
    pair: Label | None = None
    """Name of the pair that this prompt is one half of."""
    answers: Annotated[
        Annotated[tuple[Text, ...], Field(strict=False)] | None,
        BeforeValidator(_read_answers, json_schema_input_type=str | list[str] | None),
    ] = None
    """What is right, whatever a model says: one text, or several of which each is right; an empty list where nothing
    is."""
    not_: Annotated[
        Annotated[tuple[Text, ...], Field(strict=False)] | None,
        BeforeValidator(_read_answers, json_schema_input_type=str | list[str] | None),
    ] = Field(default=None, alias="not")
    """What is wrong, next to `answers`: one text, or several."""
    language: Label | None = None
    """Language of the text, as a BCP 47 tag such as zh-TW."""
    title: Label | None = Field(default=None, exclude=True)
    """What readers are shown instead of its id or its text; like the note, it is no part of what is measured."""
    note: Note | None = Field(default=None, exclude=True)
    """What readers are told of it, below what is found."""

    @model_validator(mode="after")
    def _check_one_form(self) -> Self:
        if (self.text is None) == (self.messages is None):
            raise ValueError("a prompt has either text or messages")
        return self

    @model_validator(mode="after")
    def _check_answers(self) -> Self:
        if both := sorted(set(self.answers or ()) & set(self.not_ or ())):
            raise ValueError(f"{both[0]!r} is in `answers` and in `not`: it is either right or wrong")
        return self

    @property
    def called(self) -> str:
        """What tables call it: its id, its text, or the last message of a chat."""
        return self.id or self.text or (self.messages or ())[-1].content


class PromptsError(ExplainedError):
    """Prompts that cannot be used: what is wrong in the battery, and what is wrong in the file of a prompt set."""

    def __init__(self, *problems: Problem, elsewhere: Sequence[Mistake] = ()) -> None:
        self.elsewhere = tuple(elsewhere)
        super().__init__(*problems)


def read_prompts(value: Any, sets: "PromptSets | None") -> list[Prompt]:
    """The prompts of a list of strings or mappings, or of the set that a string FILE/SET names.

    Raises:
        PromptsError: a ValueError that names each item which is no prompt, or the set that does not exist.
    """
    if isinstance(value, str):
        if sets is None:
            raise PromptsError(Problem((), f"expected a list of prompts, found {describe_value(value)}"))
        return list(sets.find(value).prompts)
    if not isinstance(value, list | tuple):
        raise PromptsError(
            Problem(
                (), f"expected a list of prompts, or the name FILE/SET of a prompt set, found {describe_value(value)}"
            )
        )
    found: list[Prompt] = []
    wrong: list[Problem] = []
    elsewhere: list[Mistake] = []
    for index, item in enumerate(value):
        try:
            found += _read_item(item, sets)
        except PromptsError as error:
            wrong += [problem.nest_under(index) for problem in error.problems]
            elsewhere += error.elsewhere
    if wrong or elsewhere:
        raise PromptsError(*wrong, elsewhere=elsewhere)
    return found


def _read_item(item: Any, sets: "PromptSets | None") -> Sequence[Prompt]:
    """The prompt of one item of a list; those of a set where the item is its name."""
    if isinstance(item, Prompt):
        return [item]
    if not (isinstance(item, str) and sets is not None and sets.may_be_meant(item)):
        return [_read_prompt(item)]
    try:
        return sets.find(item).prompts
    except PromptsError as error:
        as_text = f"Where it is a text: {{text: {describe_value(item)}}}."
        told = (replace(problem, remedy=f"{problem.remedy} {as_text}") for problem in error.problems)
        raise PromptsError(*told, elsewhere=error.elsewhere) from error


def _read_prompt(item: Any) -> Prompt:
    if not isinstance(item, str | dict):
        quoted = item is None or isinstance(item, bool | int | float)
        remedy = "Put quotes around it to make it text." if quoted else ""
        raise PromptsError(Problem((), f"expected text or a mapping, found {describe_value(item)}", remedy))
    written = {"text": item} if isinstance(item, str) else item
    try:
        return Prompt.model_validate(written)
    except ValidationError as error:
        if isinstance(item, str):
            raise PromptsError(Problem((), "the text is empty")) from error
        raise PromptsError(*explain_errors(error, item, Prompt)) from error


def find_prompts(value: Any) -> Iterator[Prompt]:
    """Every prompt in the options of a probe, or in a part of them, in their order."""
    if isinstance(value, Prompt):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from find_prompts(getattr(value, name))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from find_prompts(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from find_prompts(one)


def _read_list(value: Any) -> list[Prompt]:
    return read_prompts(value, None)


class PromptSet(BaseModel):
    """Prompts that belong together, with where the idea comes from and what one should see. A bare list of prompts is a
    set that says nothing of these.
    """

    model_config = STRICT

    title: Text = ""
    """What the set is, in a few words."""
    source: Text = ""
    """Where the idea comes from."""
    what_to_see: Text = ""
    """What one should see when these prompts pass through a model."""
    prompts: Annotated[
        tuple[Prompt, ...],
        BeforeValidator(_read_list, json_schema_input_type=list[str | Prompt]),
        Field(strict=False, min_length=1),
    ]
    """Strings, or mappings of text or messages and what is known about them."""


@dataclass(frozen=True)
class PromptSets:
    """The prompt sets that a battery can name, and those that it did."""

    folders: tuple[Path, ...]
    """Searched in this order; the first that holds FILE.yaml wins."""
    used: dict[str, PromptSet] = field(default_factory=dict)
    """FILE/SET -> the set, for every name that was looked up."""
    _files: dict[Path, dict[str, PromptSet]] = field(default_factory=dict, repr=False)

    @classmethod
    def for_battery(cls, battery: Path | None) -> "PromptSets":
        """The sets in `prompts/` next to a battery or next to its folder, then the shipped ones."""
        own = [] if battery is None else [at / "prompts" for at in battery.resolve().parents[:2]]
        return cls(tuple(folder for folder in [*own, resources.folder("prompts")] if folder.is_dir()))

    def find(self, name: str) -> PromptSet:
        """The set named FILE/SET.

        Raises:
            PromptsError: there is none, or its file has mistakes.
        """
        file, _, one = name.partition("/")
        path = self._path(file)
        if path is not None:
            sets = self._read_file(path)
            if one in sets:
                self.used[name] = sets[one]
                return sets[one]
        remedy = suggestion(name, self.names()) or f"A prompt stands in a list: [{describe_value(name)}]."
        raise PromptsError(Problem((), f"there is no prompt set {describe_value(name)}", remedy))

    def may_be_meant(self, text: str) -> bool:
        """Whether an item of a list is the name of a set, or nearly one, rather than a text."""
        if not SET_NAME.fullmatch(text):
            return False
        return self._path(text.partition("/")[0]) is not None or find_nearest(text, self.names(), ALMOST) is not None

    def names(self, file: str | None = None) -> list[str]:
        """Every FILE/SET that can be named, or those of one file; files with mistakes are left out."""
        found: dict[str, None] = {}
        for path in sorted(path for folder in self.folders for path in folder.glob("*.yaml")):
            if file not in (None, path.stem) or path != self._path(path.stem):
                continue
            try:
                found |= dict.fromkeys(f"{path.stem}/{one}" for one in self._read_file(path))
            except PromptsError:
                continue
        return list(found)

    def _path(self, file: str) -> Path | None:
        if not FILE_NAME.fullmatch(file):
            return None
        paths = (folder / f"{file}.yaml" for folder in self.folders)
        return next((path for path in paths if is_file(path)), None)

    def _read_file(self, path: Path) -> dict[str, PromptSet]:
        if path not in self._files:
            try:
                self._files[path] = read_prompt_file(path)
            except BatteryError as error:
                raise PromptsError(elsewhere=error.mistakes) from error
        return self._files[path]


def read_prompt_file(path: Path) -> dict[str, PromptSet]:
    """All sets of one file: SET -> the set.

    Raises:
        BatteryError: with everything that is wrong in the file.
    """
    from reportgen.documents.yaml_source import read_source, read_text  # most that name prompts read no YAML

    source = read_source(read_text(path, "prompt set"), path)
    found: dict[str, PromptSet] = {}
    wrong: list[Problem] = []
    if not isinstance(source.value, dict):
        wrong.append(Problem((), f"expected a mapping of prompt sets, found {describe_value(source.value)}"))
    else:
        for name, written in source.value.items():
            try:
                found[name] = _read_set(written)
            except ExplainedError as error:
                wrong += [problem.nest_under(name) for problem in error.problems]
    mistakes = source.mistakes(wrong)
    if mistakes:
        raise BatteryError(*mistakes)
    return found


def _read_bare_list(written: list[Any]) -> list[Prompt]:
    if not written:
        raise ExplainedError(Problem((), "expected at least 1 item, found an empty list"))
    return read_prompts(written, None)


def _read_set(written: Any) -> PromptSet:
    if isinstance(written, list):
        return PromptSet(prompts=tuple(_read_bare_list(written)))
    try:
        return PromptSet.model_validate(written)
    except ValidationError as error:
        raise ExplainedError(*explain_errors(error, written, PromptSet)) from error
