"""How well each model predicts texts, in bits per byte: a number that models with different tokenizers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field, model_validator

from reportgen.features.text_options import TextOptions, documents_of
from reportgen.model.needs import Need, Pass, Site
from reportgen.probes.bits_per_byte.extent import Extent, measure_extent
from reportgen.probing.case import Case, Unusable
from reportgen.probing.probe import Probe
from reportgen.probing.source import Source
from reportgen.results.quantities import Findings, Rows, mean_of_rows, metric, table


class Options(TextOptions):
    """Which texts, and how much of them is before a model's eyes."""

    window: Annotated[int, Field(ge=16, le=131_072)] = 512
    """Tokens of a window, BOS included where the tokenizer adds it."""
    overlap: Annotated[int, Field(ge=1, le=131_071)] = 1
    """Tokens of the text at the beginning of every window but the first that are read again and not counted again: so
    many stand before each token at least. More of them cost more passes, and predict better."""

    @model_validator(mode="after")
    def _check_texts(self) -> Self:
        if self.overlap > self.window - 2:
            raise ValueError(f"an overlap of {self.overlap} leaves no new token in windows of {self.window}")
        for at, prompt in enumerate(self.texts or ()):
            if prompt.messages is not None:
                raise ValueError(f"text {at} is a chat, which each model's template writes differently: give a text")
        return self


@dataclass(frozen=True, kw_only=True)
class Bits(Findings):
    """How many bits the texts take."""

    bits_per_byte: float = metric(
        "bit", "lower", of=mean_of_rows("texts", "bits_per_byte", "text", called="called", pooled=True), of_asked=True
    )
    """−Σ log2 p(token | what stands before it in its window) over all predicted tokens of all texts, divided by the
    UTF-8 bytes that these tokens spell."""
    bits_low: float | str = metric("bit", "lower", of_asked=True)
    """Lower end of the 95 % interval of that, by a bootstrap over the windows of all texts. Windows of one text are
    alike, so that for other texts it is too narrow."""
    bits_high: float | str = metric("bit", "lower", of_asked=True)
    """Upper end of the same."""
    mean_of_texts: float = metric(
        "bit", "lower", of=mean_of_rows("texts", "bits_per_byte", "text", called="called"), of_asked=True
    )
    """Mean over the texts of each text's own bits per byte: a long text counts as much as a short one."""
    mean_low: float | str = metric("bit", "lower", of_asked=True)
    """Lower end of the 95 % interval of that mean, by a bootstrap over the texts."""
    mean_high: float | str = metric("bit", "lower", of_asked=True)
    """Upper end of the same."""
    perplexity: float = metric("", "lower", of_asked=True)
    """exp of the mean −ln p per predicted token. Of two tokenizers the one with longer tokens has the higher one."""
    confidence: float = metric("probability", "higher", of_asked=True)
    """Mean probability of the token that stands there, over all predicted tokens."""
    texts_read: int = metric("texts")
    """Texts of which something is predicted."""
    tokens: int = metric("tokens")
    """Predicted tokens."""
    bytes: int = metric("bytes")
    """UTF-8 bytes that they spell."""
    left_out: int = metric("bytes")
    """Bytes of the texts that are in neither sum: those of a first token with nothing before it, in a model whose
    tokenizer adds no BOS, and those of special tokens that a text names."""
    texts: Rows = table("text", "called", "bytes", "tokens", "bits_per_byte", "windows", "left_out")
    """Each text, counted from 0, by its id or how it begins: the bytes and tokens that are predicted, bits per byte,
    the windows it is read in, and its bytes that are not predicted. Beyond 10,000 texts one row has the others
    together, without a number."""
    scripts: Rows = table("script", "bytes", "tokens", "bits_per_byte")
    """The same over all texts by the script of the tokens' letters; `other` has tokens without letters, and with
    letters of several scripts. Tokens that write one character together have the character's script."""
    pieces: Rows = table("text", "position", "token", "bits", "bytes")
    """Each token of the texts, up to 50,000 bytes of them: its position in the text, from 0, its −log2 p, empty if it
    is not predicted, and the bytes that it spells."""
    words: Rows = table("text", "place", "word", "bits", "bytes")
    """The same by words, with the white space before each: parted by white space, Chinese characters and Japanese kana
    one by one. A token's bits are spread evenly over its bytes, and a word's are the sum of its bytes', so that models
    can be compared whatever their tokens are. Empty if a byte of it is not predicted."""
    skipped: Rows = table("text", "reason")
    """Texts of which this model predicts nothing, and why; the first 10,000."""


class BitsPerByte(Probe[Options, Bits]):
    """Shows: how well each model predicts the texts, as the bits it needs per byte of them.

    Read: fewer bits per byte are better: 8 is a model that knows nothing of bytes, English text takes about 1 for
    models of this kind. Unlike loss and perplexity per token, it can be compared across tokenizers, since all models
    write the same bytes. A text that a model was trained on takes fewer bits than one like it that it was not. A window
    of so many tokens holds more text where tokens are longer, which helps. In the strips a token is the stronger in
    colour the more bits it takes; below it is their number. The lists for two models name the words on which they
    differ most: each label ends with the word, after what stands before it.

    Computed: −Σ log2 p / Σ UTF-8 bytes over the predicted tokens of all texts (Gao et al. 2020), from the final logits
    in float32. Texts are cut into windows of `window` tokens, each with BOS at its head where the tokenizer adds it.
    All but the first begin with the last `overlap` tokens of the window before, which are read and not counted again:
    by default one, so that windows are otherwise disjoint and every token is predicted once. In a model without BOS
    nothing stands before a text's first token: token and bytes are left out of both sums. So are special tokens whose
    names a text holds. A text whose tokens do not spell it byte by byte is not measured. A .jsonl file is read a line
    at a time and a long text a million characters at a time, cut where no token reaches across; what was read is kept,
    so that an interrupted run goes on. The interval of the mean over texts is a bootstrap over texts (2,000 resamples;
    percentiles from 20 texts on, below BCa, below 5 none), and that of the bits per byte of all texts the same over
    windows, whose bits and bytes are drawn together. Two models are compared on the same bytes, those of the words in
    the table that both predict wholly: per text the difference of their bits per byte, its mean and interval, and the
    p-value of flipping signs.
    """

    name = "bits_per_byte"
    version = 1
    question = "How well does it predict text?"
    options = Options
    findings = Bits
    sources = (
        Source(
            "gao2020pile",
            ("Leo Gao", "Stella Biderman", "Sid Black", "Laurence Golding", "Travis Hoppe", "others"),
            "The Pile: An 800GB Dataset of Diverse Text for Language Modeling",
            2020,
            "arXiv:2101.00027",
            "https://arxiv.org/abs/2101.00027",
        ),
    )

    def passes(self, case: Case[Options]) -> Sequence[Pass]:
        """None at first: windows pass one after another. What can be wrong is looked at here."""
        extent = extent_of(case)
        if not extent.windows:
            raise Unusable("; ".join(dict.fromkeys(extent.reasons.values())))
        longest, most = extent.longest, case.facts.context_length
        if most is not None and longest > most:
            raise Unusable(f"windows of {longest:,} tokens exceed the context of {most:,}; name a smaller `window`")
        return ()

    def further_passes(self, case: Case[Options]) -> int:
        """Each window once; of texts of more than a megabyte about as many."""
        return extent_of(case).windows

    def skipped_rows(self, case: Case[Options]) -> Mapping[str, str]:
        """Texts of the first megabyte of which nothing is predicted; others are found when they are read."""
        return extent_of(case).reasons


def need_of(case: Case[Options]) -> Need:
    """The stream after the last block, of all positions."""
    return Need(Site.RESIDUAL, "all", (case.last_layer,))


def extent_of(case: Case[Options]) -> Extent:
    """How much there is to read.

    Raises:
        Unusable: the text file cannot be read, or windows have no room for what they repeat.
    """
    options = case.options
    try:
        return measure_extent(case.tokenizer, documents_of(options), options.window, options.overlap)
    except ValueError as error:
        raise Unusable(str(error)) from error


probe = BitsPerByte()
