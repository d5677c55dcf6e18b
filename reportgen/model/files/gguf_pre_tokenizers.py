"""How the byte-level BPE of a GGUF file cuts text before it merges: by the kind that the file names.

A GGUF file holds no tokenizer.json. It names the kind of its pre-tokenizer (`tokenizer.ggml.pre`), and what a kind
means stands in llama.cpp's table (src/llama-vocab.cpp), whose facts are restated here. A kind passed over in silence
gives other tokens than the model was trained on, and so other numbers in every probe: an unknown one is refused.
"""

from dataclasses import dataclass

from tokenizers import Regex, Tokenizer, models, pre_tokenizers

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_SHORT_FORMS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_DIGIT, _DIGITS = r"\p{N}", r"\p{N}+"
_UP_TO_THREE = r"\p{N}{1,3}"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_HAN_AND_KANA = r"[一-龥぀-ゟ゠-ヿ]+"
_HAN_AND_HANGUL = r"[一-龥ࠀ-一가-퟿]+"
_FALCON_SIGNS = r"[\p{P}\$\+<=>\^~\|`]+"
_DEFAULT_SIGNS = r"[\p{P}\$\+<=>\^~\|]+"
_THREE = "[0-9][0-9][0-9]"


def _words(digits: str, *, letters: str = r"\p{L}", before: str = _SHORT_FORMS) -> str:
    """One pattern of the family of GPT-4's: short forms, letters with what leads them, digits, signs, spaces."""
    signs = rf" ?[^\s{letters}\p{{N}}]+[\r\n]*"
    return rf"{before}|[^\r\n\p{{L}}\p{{N}}]?[{letters}]+|{digits}|{signs}|{_SPACES}"


def _cased_words(digits: str, short_forms: str = "") -> str:
    """One pattern of the family of GPT-4o's, in which a word begins anew with a capital letter."""
    lead, after = r"[^\r\n\p{L}\p{N}]?", f"{short_forms}?" if short_forms else ""
    words = rf"{lead}{_UPPER}*{_LOWER}+{after}|{lead}{_UPPER}+{_LOWER}*{after}"
    return rf"{words}|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_SPACES}"


_GPT4 = _words(_UP_TO_THREE)
_QWEN2 = _words(_DIGIT)
_DEEPSEEK3 = (
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
    rf"| ?[\p{{P}}\p{{S}}]+[\r\n]*|{_SPACES}"
)
_BLOOM = r" ?[^(\s|.,!?…。，、।۔،)]+"


@dataclass(frozen=True)
class PreTokenizer:
    """How text is cut: each pattern in turn parts what the ones before it left whole."""

    patterns: tuple[str, ...]
    whole_first: bool = False
    """A piece that is a token itself is taken whole, though no merges lead to it."""
    bos: bool = False
    """BOS stands first unless the file says otherwise."""


def _map_names(names: str, *patterns: str, whole_first: bool = False, bos: bool = False) -> dict[str, PreTokenizer]:
    return dict.fromkeys(names.split(), PreTokenizer(patterns, whole_first, bos))


PRE_TOKENIZERS: dict[str, PreTokenizer] = {
    **_map_names("default", _DEFAULT_SIGNS, _GPT2, _DIGITS, _THREE),
    **_map_names("gpt-2 phi-2 jina-es jina-de gigachat a.x-4.0 mellum exaone4 mpt olmo jais trillion", _GPT2),
    **_map_names("granite-docling", _GPT2),
    **_map_names("starcoder refact command-r smollm codeshell exaone minerva-7b mellum2", _DIGIT, _GPT2),
    **_map_names(
        "llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2", _GPT4, whole_first=True, bos=True
    ),
    **_map_names("dbrx smaug-bpe glm4 chatglm-bpe", _GPT4),
    **_map_names("stablelm2 qwen2 deepseek-r1-qwen kormo f2llmv2 megrez hunyuan solar-open grok-2", _QWEN2),
    **_map_names("qwen35", _words(_DIGIT, letters=r"\p{L}\p{M}")),
    **_map_names("minicpm5", _UP_TO_THREE, _words(_DIGITS), whole_first=True),
    **_map_names("tekken", _cased_words(_DIGIT), whole_first=True, bos=True),
    **_map_names("gpt-4o llama4 kanana2 talkie minimax-m2", _cased_words(_UP_TO_THREE, _SHORT_FORMS)),
    **_map_names("falcon", _FALCON_SIGNS, _GPT2, _THREE),
    **_map_names("bloom poro-chat gpt3-finnish", _BLOOM),
    **_map_names("viking", _BLOOM, _DIGIT),
    **_map_names(
        "deepseek-llm",
        r"[\r\n]",
        r"\s?[\p{Lu}\p{Ll}\p{Lt}]+",  # the table lists these letters one by one: those that have a case
        r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
        r"\s+$",
        _HAN_AND_HANGUL,
        _DIGITS,
    ),
    **_map_names("deepseek-coder", r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", _HAN_AND_HANGUL, _DIGIT),
    **_map_names("deepseek-v3 hunyuan-dense joyai-llm", _UP_TO_THREE, _HAN_AND_KANA, _DEEPSEEK3),
}
"""`tokenizer.ggml.pre` -> how text is cut. What llama.cpp computes by functions of its own (kimi-k2, afmoe), and kinds
of models that are not a causal LM, are not there."""


class UnknownPreTokenizer(Exception):
    """A GGUF file whose text would be cut otherwise than by its model's own tokenizer."""


def find_pre_tokenizer(kind: str | None) -> PreTokenizer:
    """How text is cut, by the kind that a file names; None where it names none, as files from before May 2024 do.

    Raises:
        UnknownPreTokenizer: text would be cut by guesswork.
    """
    if kind is None:
        raise UnknownPreTokenizer("it does not say how its tokenizer cuts text (tokenizer.ggml.pre is missing)")
    if kind not in PRE_TOKENIZERS:
        raise UnknownPreTokenizer(f"how its tokenizer cuts text, {kind[:40]!r}, is not known here")
    return PRE_TOKENIZERS[kind]


def set_pre_tokenizer(tokenizer: Tokenizer, chosen: PreTokenizer) -> None:
    """Makes a byte-level BPE cut text in this way."""
    splits = [pre_tokenizers.Split(Regex(pattern), behavior="isolated") for pattern in chosen.patterns]
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*splits, byte_level])
    if chosen.whole_first and isinstance(tokenizer.model, models.BPE):
        tokenizer.model.ignore_merges = True
