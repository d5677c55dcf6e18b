"""What the files of a bundle hold, checked once where they are read: a bundle is a stranger's data.

Nothing behind it meets another type, another status, a number that is not finite, or a name that may be no id.
"""

import math
import re
import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import from_json

from reportgen.documents.plain_words import explain_errors
from reportgen.documents.problem import Problem, describe_value, write_place
from reportgen.errors import BundleError, Mistake
from reportgen.results.columns import LARGEST, LONGEST
from reportgen.results.quantities import Dim, Direction, Status
from reportgen.results.shared_texts import restore_texts

SCHEMA = 2
"""2 stores a text once that stands in several places (`texts`); 1 stored it in each."""
ID = r"[A-Za-z0-9_-]{1,64}"
MOST_BYTES = 1_000_000_000
"""Of a file of JSON or YAML in a bundle."""
MOST_TENSOR_BYTES = 100_000_000_000
MOST_DEEP = 40
"""Levels of what options and facts nest."""
REMEDY = "make it again with reportgen run"
_NAME = re.compile(r"[^\W\d]\w{0,199}(/[0-9]{1,9})?")
"""Of metrics, tables and arrays, which probes call as Python calls its fields; of several arrays each has a number."""
_LONGEST_NAME = 255
"""Bytes of a name on a disk."""

M = TypeVar("M", bound=BaseModel)


def describe_damage(file: Path | None, what: str) -> Mistake:
    """What a person is told of a bundle that cannot be read."""
    return Mistake(f"the bundle is damaged: {what}", REMEDY, file=file)


def _check_number(value: Any) -> int | float:
    if type(value) is int and abs(value) <= LARGEST:
        return value
    if type(value) is float and math.isfinite(value):
        return value
    raise ValueError(f"expected a finite number, found {describe_value(value)}")


def _check_id(value: str) -> str:
    if not re.fullmatch(ID, value):
        raise ValueError(f"{describe_value(value)} is not an id")
    return value


def _check_subject(value: str) -> str:
    if not re.fullmatch(rf"{ID}(\.\.{ID})?", value):
        raise ValueError(f"{describe_value(value)} is neither an id nor two with .. between them")
    return value


def _check_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(f"{describe_value(value)} is not a name")
    return value


def _check_plain(value: Any) -> Any:
    """What JSON holds, of a depth that can be walked, without numbers that are none."""
    level = [value]
    for _ in range(MOST_DEEP):
        if any(isinstance(one, float) and not math.isfinite(one) for one in level):
            raise ValueError("a number in it is not finite")
        if any(isinstance(one, str) and len(one) > LONGEST for one in level):
            raise ValueError("a text in it is too long")
        level = [
            below
            for one in level
            if isinstance(one, dict | list)
            for below in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return value
    raise ValueError(f"nested more than {MOST_DEEP} levels deep")


def _check_inside(value: str) -> str:
    """A file of the bundle by a path that stays in it."""
    parts = PurePosixPath(value).parts
    wrong = not parts or value.startswith("/") or any(part == ".." or _is_too_long(part) for part in parts)
    if wrong or any(character < " " or character in "\\\x7f" for character in value):
        raise ValueError(f"a file of it lies outside the bundle, or is not one: {describe_value(value)}")
    return value


def _is_too_long(part: str) -> bool:
    return len(part.encode()) > _LONGEST_NAME


Text = Annotated[str, Field(max_length=LONGEST)]
Short = Annotated[str, Field(max_length=10_000)]
Line = Annotated[str, Field(max_length=10_000, pattern=r"^[^\r\n]*$")]
Id = Annotated[str, AfterValidator(_check_id)]
Subject = Annotated[str, AfterValidator(_check_subject)]
Number = Annotated[Any, AfterValidator(_check_number)]
Name = Annotated[str, AfterValidator(_check_name)]
Plain = Annotated[Any, AfterValidator(_check_plain)]
Count = Annotated[int, Field(ge=0, le=LARGEST)]


class _Stored(BaseModel):
    """A part of a bundle. Keys that are not known are left: a later version may have added them."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class StoredMetric(_Stored):
    """One number, or why there is none."""

    value: Number | None
    """The number; null where it is undefined."""
    unit: Short
    """What it is counted in; empty of a pure number."""
    direction: Direction
    """Which way is better."""
    state: Literal["ok", "undefined"]
    """Whether there is a number."""
    reason: Text = ""
    """Why there is none."""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if (self.value is None) != (self.state == "undefined"):
            raise ValueError(f"its state is {self.state}, and its value {describe_value(self.value)}")
        if self.value is None and not self.reason:
            raise ValueError("it is undefined, without a reason")
        return self


class StoredTable(_Stored):
    """Rows under columns; what is undefined in them is {"undefined": reason}. `Table` checks the cells."""

    columns: list[Short]
    """Their names."""
    rows: list[list[Any]]
    """Cells in the order of the columns; one without a value is {"undefined": reason}."""

    @model_validator(mode="after")
    def _finite(self) -> Self:
        if any(type(cell) is float and not math.isfinite(cell) for row in self.rows for cell in row):
            raise ValueError("a number in it is not finite")
        undefined = [cell for row in self.rows for cell in row if type(cell) is dict]
        if any(set(cell) != {"undefined"} or not isinstance(cell["undefined"], str) for cell in undefined):
            raise ValueError("a cell of it is a mapping that does not say why it is undefined")
        return self


class StoredArray(_Stored):
    """Where the values of an array are, and what their dims mean."""

    dims: list[Dim]
    """What each axis counts."""
    shape: list[Count]
    """How long each axis is."""
    unit: Short
    """What its values are counted in; empty of pure numbers."""
    coordinates: dict[Dim, list[Annotated[int, Field(ge=-LARGEST, le=LARGEST)]]] = Field(default_factory=dict)
    """Axis -> the number of each place on it, where they are not 0, 1, 2, …."""
    relative_to: Short = ""
    """What the values are seen from, such as the final answer."""
    tensor: Short
    """Its name in arrays.safetensors."""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if len(set(self.dims)) < len(self.dims) or len(self.dims) != len(self.shape):
            raise ValueError(f"its dims {', '.join(self.dims)} are not those of the shape {describe_value(self.shape)}")
        for dim, at in self.coordinates.items():
            if dim not in self.dims or len(at) != self.shape[self.dims.index(dim)]:
                raise ValueError(f"its {len(at)} coordinates are not those of the dim {dim}")
        return self


class StoredOutcome(_Stored):
    """What became of one probe on one subject."""

    probe: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,200}$")]
    """Which probe was asked."""
    version: Count
    """That of the probe's definitions."""
    options: dict[str, Plain]
    """All of them, defaults included, and the prompts themselves."""
    models: list[Id]
    """Ids of the model, or of both of a pair."""
    status: Status
    """What became of it."""
    reason: Text = ""
    """Why it failed or was skipped."""
    metrics: dict[Name, StoredMetric]
    """Name -> number."""
    tables: dict[Name, StoredTable] = Field(default_factory=dict)
    """Name -> table."""
    arrays: dict[Name, StoredArray] = Field(default_factory=dict)
    """Name -> array; where there are several of one name, each has a number: weights/0."""
    prompt_sets: dict[str, dict[str, Text]] = Field(default_factory=dict)
    """FILE/SET -> title, source and what_to_see."""
    titles: dict[str, Text] = Field(default_factory=dict)
    """What its author calls the probe ("") and its prompts, where that is something else."""
    notes: dict[str, Text] = Field(default_factory=dict)
    """What its author says of these."""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if not isinstance(self.options.get("seed", 0), int):
            raise ValueError("the seed is not a whole number")
        return self


class StoredModel(_Stored):
    """What a report says of a model; more facts than these are plain values."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Plain]

    name: Short
    """What a report calls it."""
    architecture: Short
    """Class of its network."""
    layers: Annotated[int, Field(ge=0, le=1_000_000)]
    """Number of its blocks."""
    source: Short | None = None
    """As the battery writes it."""
    revision: Short | None = None
    """Revision on the hub."""
    model_type: Short | None = None
    """What its config.json calls the family."""
    hidden_size: Count | None = None
    """Width of the residual stream."""
    heads: Count | None = None
    """Query heads of a block."""
    kv_heads: Count | None = None
    """Key-value heads of a block."""
    vocabulary: Count | None = None
    """Rows of the embedding table."""
    context_length: Count | None = None
    """Positions that it was trained on, as its configuration says."""
    dtype: Short | None = None
    """Number format that it ran in."""
    device: Short | None = None
    """Device that it ran on."""
    attention: Short | None = None
    """Implementation of attention."""
    threads: Count | None = None
    """Threads of a pass on a CPU."""
    batch: Count | None = None
    """Prompts in a batch."""
    together: Count | None = None
    """Prompts of a probe that pass together, at most."""
    weights_sha256: Short | None = None
    """Hash over name, dtype, shape and bytes of each tensor, by name."""
    tokenizer_sha256: Short | None = None
    """Hash of the tokenizer's files."""
    tokenizer: dict[Short, Plain] | None = None
    """What it is made of, where it was read; younger than the hash of its files."""
    failed: Text = ""
    """Why it could not be used."""


class StoredResults(_Stored):
    """results.json, with the texts in their places."""

    title: Text
    """That of the report."""
    models: dict[Id, StoredModel]
    """Id -> what is known of the model."""
    results: Annotated[dict[Id, Annotated[dict[Subject, StoredOutcome], Field(min_length=1)]], Field(min_length=1)]
    """Id of the probe -> subject (id of a model, or two with .. between them) -> what became of it."""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        for probe_id, by_subject in self.results.items():
            for subject, outcome in by_subject.items():
                ids = subject.split("..")
                if outcome.models != ids:
                    raise ValueError(f"{probe_id}.{subject} is about other models than it says")
                if missing := [id for id in ids if id not in self.models]:
                    raise ValueError(f"{probe_id}.{subject} is about {missing[0]}, which is not one of its models")
        return self


class _StoredTexts(_Stored):
    """What results.json refers to from several places."""

    texts: list[Text] = Field(default_factory=list)
    """In the order in which they are referred to."""


class StoredPart(_Stored):
    """Which part of its battery a bundle holds."""

    this: Annotated[int, Field(ge=1)]
    """Number of the part, from 1."""
    of: Annotated[int, Field(ge=1)]
    """Number of all parts."""
    split: list[Annotated[list[Subject], Field(min_length=1)]]
    """The subjects of each part."""
    battery: Short
    """Hash of the battery."""
    outputs: list[Short] = Field(default_factory=list)
    """Those that the whole is to have."""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        subjects = [subject for of_part in self.split for subject in of_part]
        if len(self.split) != self.of or self.this > self.of:
            raise ValueError(f"part {self.this} of {self.of} is none of the {len(self.split)} that it lists")
        if len(set(subjects)) < len(subjects):
            raise ValueError("a subject is in two parts")
        return self


class StoredRun(_Stored):
    """run.json: when, where and how long."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Plain]

    started: Short = ""
    """When the run began, in ISO 8601."""
    versions: dict[Short, Short] = Field(default_factory=dict)
    """Library -> version."""
    machine: dict[Short, Short] = Field(default_factory=dict)
    """What is known of the machine."""
    durations: dict[Short, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """Piece of work -> seconds."""
    from_cache: list[Short] = Field(default_factory=list)
    """What was not measured anew."""
    battery: Short = ""
    """Its path."""
    only: list[Short] = Field(default_factory=list)
    """Probes that were asked for, where not all were."""
    files: list[Annotated[Short, AfterValidator(_check_inside)]] = Field(default_factory=list)
    """Files of the bundle."""
    tolerances: dict[Short, dict[str, Plain]] = Field(default_factory=dict)
    """Those of the battery."""
    presentation: dict[str, Plain] = Field(default_factory=dict)
    """Language and look of the report."""
    part: StoredPart | None = None
    """Which part of its battery it holds, where not the whole."""
    last_run_failed: Line = ""
    """Why a later run failed, where one did: these numbers are older than it."""
    last_render_failed: Line = ""
    """Why its outputs could not be made anew, where they could not: these pages are older than that."""


def read_bytes(file: Path, most: int = MOST_BYTES) -> bytes:
    """The content of a file of a bundle.

    Raises:
        BundleError: it is not there, not a regular file, or larger than `most` bytes.
    """
    try:
        check_regular(file, most)
        return file.read_bytes()
    except OSError as error:
        raise BundleError(describe_damage(file, f"it cannot be read: {error.strerror}")) from error


def check_regular(file: Path, most: int) -> None:
    """Refuses what is not a file of at most so many bytes: a device never ends.

    Raises:
        BundleError: as it says.
    """
    try:
        status = file.stat()
    except FileNotFoundError as error:
        remedy = "a bundle is the folder that reportgen run made, a baseline one that reportgen baseline accept made"
        raise BundleError(Mistake("there is no such file", remedy, file=file)) from error
    except OSError as error:
        raise BundleError(describe_damage(file, f"it cannot be read: {error.strerror}")) from error
    if not stat.S_ISREG(status.st_mode):
        raise BundleError(describe_damage(file, "it is not a regular file"))
    if status.st_size > most:
        raise BundleError(describe_damage(file, f"it is larger than {most // 1_000_000:,} MB"))


def parse_json(file: Path, text: bytes) -> dict[str, Any]:
    """The mapping that one of a bundle's files of JSON holds.

    Raises:
        BundleError: it is not JSON, or not a mapping.
    """
    try:
        content = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise BundleError(describe_damage(file, f"not JSON: {error}")) from error
    if not isinstance(content, dict):
        raise BundleError(describe_damage(file, "it is not a mapping"))
    return content


def check_content(model: type[M], content: Mapping[str, Any], file: Path) -> M:
    """`content` of a file as what it should be.

    Raises:
        BundleError: it is not; says where.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        found = explain_errors(error, content, model)
        raise BundleError(describe_damage(file, _describe_problem(found[0], len(found) - 1))) from error


def check_results(content: Mapping[str, Any], file: Path) -> StoredResults:
    """The content of results.json as what it should be, of this schema or an older one.

    Raises:
        BundleError: it is of a schema that is not known, or damaged.
    """
    schema = content.get("schema")
    if type(schema) is not int or not 1 <= schema <= SCHEMA:
        told = f"a bundle of schema {describe_value(schema)}; this version reads 1 to {SCHEMA}"
        newer = "read it with a newer reportgen, or " if type(schema) is int and schema > SCHEMA else ""
        raise BundleError(Mistake(told, f"{newer}{REMEDY}", file=file))
    texts = check_content(_StoredTexts, content if schema > 1 else {}, file).texts
    if not texts or not isinstance(results := content.get("results"), dict):
        return check_content(StoredResults, content, file)
    try:
        restored = restore_texts(results, texts, MOST_BYTES)
    except ValueError as error:
        raise BundleError(describe_damage(file, str(error))) from error
    return check_content(StoredResults, {**content, "results": restored}, file)


def _describe_problem(problem: Problem, more: int) -> str:
    where = write_place(problem.where)
    beside = f" (and {more:,} more)" if more else ""
    return f"{where}: {problem.message}{beside}" if where else f"{problem.message}{beside}"
