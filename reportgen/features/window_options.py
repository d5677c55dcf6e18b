"""What probes of dictionaries are told about a long text, and how it is found before any pass."""

from functools import lru_cache
from typing import Annotated, Any, Self

from pydantic import Field, computed_field, model_validator

from reportgen.documents.beside import PathOption, explain_missing, path_of
from reportgen.features.options import DictionaryOptions
from reportgen.model.measures.tuned_lens import sha256_of
from reportgen.probing.case import Case, Unusable
from reportgen.probing.options import Prompts
from reportgen.text.prompts import Prompt
from reportgen.text.tokens import TextTokenizer
from reportgen.text.windows import Windows, documents_in, split_documents


class WindowOptions(DictionaryOptions):
    """Which dictionaries, and the text."""

    texts: Prompts | None = None
    """Documents: a list, or the name FILE/SET of a prompt set."""
    text_file: PathOption | None = None
    """A file instead of `texts`: plain text is one document, each line of .jsonl has one as its `text`. The path starts
    from the battery's folder."""
    tokens: Annotated[int, Field(ge=2)] = 2_000
    """The text ends after the window in which this many tokens are reached."""
    context: Annotated[int, Field(ge=8, le=8192)] = 128
    """Tokens of a window, BOS included; what is left of a document makes a shorter one."""

    # mypy knows no decorator on a property; pydantic's own documentation writes it so.
    @computed_field  # type: ignore[prop-decorator]
    @property
    def text_file_sha256(self) -> str | None:
        """Numbers depend on what the file holds."""
        return None if self.text_file is None else sha256_of(path_of(self.text_file))

    @model_validator(mode="after")
    def _check_one_text(self) -> Self:
        if (self.texts is None) == (self.text_file is None):
            raise ValueError("name either texts or a text_file")
        return self


def windows_of(case: Case[Any]) -> Windows:
    """The windows of a case's text.

    Raises:
        Unusable: they exceed the model's context, or there is no text.
    """
    options: WindowOptions = case.options
    most = case.facts.context_length
    if most is not None and options.context > most:
        raise Unusable(f"windows of {options.context} tokens exceed the context of {most}")
    lacks = explain_missing(options.text_file) if options.text_file is not None else ""
    if lacks:
        raise Unusable(f"the text file {lacks}")
    try:
        documents = options.texts or documents_in(path_of(options.text_file or ""))
        windows = _split(case.tokenizer, tuple(documents), options.context, options.tokens)
    except ValueError as error:
        raise Unusable(str(error)) from error
    if not len(windows):
        raise Unusable("the texts have no window of two tokens")
    return windows


@lru_cache(maxsize=4)
def _split(tokenizer: TextTokenizer, documents: tuple[Prompt, ...], context: int, most: int) -> Windows:
    return split_documents(tokenizer, documents, context, most)
