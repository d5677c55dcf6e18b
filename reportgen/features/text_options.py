"""What a probe of a long text is told about it, and how its documents are found before any pass."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import computed_field, model_validator

from reportgen.documents.beside import PathOption, explain_missing, path_of
from reportgen.model.measures.tuned_lens import sha256_of
from reportgen.probing.case import Unusable
from reportgen.probing.options import ProbeOptions, Prompts
from reportgen.text.prompts import Prompt
from reportgen.text.windows import documents_in


class TextOptions(ProbeOptions):
    """A long text."""

    texts: Prompts | None = None
    """Documents: a list, or the name FILE/SET of a prompt set."""
    text_file: PathOption | None = None
    """A file instead of `texts`: plain text is one document, each line of .jsonl has one as its `text`. The path starts
    from the battery's folder."""

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorator on a property; pydantic writes it so
    @property
    def text_file_sha256(self) -> str | None:
        """Numbers depend on what the file holds."""
        return None if self.text_file is None else sha256_of(path_of(self.text_file))

    @model_validator(mode="after")
    def _check_one_text(self) -> Self:
        if (self.texts is None) == (self.text_file is None):
            raise ValueError("name either texts or a text_file")
        return self


@dataclass(frozen=True)
class TextSource:
    """Documents that may be gone through more than once; those of a file are read as they are asked for."""

    prompts: tuple[Prompt, ...]
    file: Path | None
    """In their place."""
    sha256: str | None
    """Of the file: two sources are alike where they hold the same."""

    def __iter__(self) -> Iterator[Prompt]:
        """The documents in their order.

        Raises:
            ValueError: the file is none that documents can be read from.
        """
        return iter(self.prompts) if self.file is None else documents_in(self.file)


def documents_of(options: TextOptions) -> TextSource:
    """The documents that options name.

    Raises:
        Unusable: there is no such file.
    """
    if options.text_file is None:
        return TextSource(tuple(options.texts or ()), None, None)
    if lacks := explain_missing(options.text_file):
        raise Unusable(f"the text file {lacks}")
    return TextSource((), path_of(options.text_file), options.text_file_sha256)
