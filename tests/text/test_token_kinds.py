import json

import pytest
from tokenizers import Tokenizer

from reportgen.text.token_kinds import is_reachable, is_reserved, kind_of, list_unused
from reportgen.text.tokens import TextTokenizer
from tests.tiny import tokenizer_json

IMPOSSIBLE = {0xC0, 0xC1, *range(0xF5, 0x100)}


def tokenizer(*added: str) -> TextTokenizer:
    content = Tokenizer.from_str(tokenizer_json())
    content.add_tokens(list(added))
    return TextTokenizer(content)


@pytest.mark.parametrize(
    ("name", "reserved"),
    [
        ("<unused7>", True),
        ("[unused12]", True),
        ("<|reserved_special_token_3|>", True),
        ("[PAD151646]", True),
        ("<|placeholder1|>", True),
        ("<｜place▁holder▁no▁0｜>", True),
        (">>UNUSED_1<<", True),
        ("[PAD]", False),
        ("<pad>", False),
        ("<|im_start|>", False),
        ("unused", False),
        ("▁reserved", False),
    ],
)
def test_names_that_say_so_are_reserved(name: str, reserved: bool) -> None:
    known = tokenizer(name)
    assert is_reserved(known, known.size - 1) is reserved


def test_unused_are_reserved_names_rows_without_a_token_and_bytes_that_no_text_has() -> None:
    known = tokenizer("<unused0>", "plain")
    found = dict(list_unused(known, known.size + 2))
    by_reason = {reason: [token for token, why in found.items() if why == reason] for reason in set(found.values())}
    assert by_reason["reserved"] == [known.size - 2]
    assert by_reason["beyond"] == [known.size, known.size + 1]
    assert {known.piece(token) for token in by_reason["impossible"]} == {bytes([byte]) for byte in IMPOSSIBLE}


def test_a_byte_of_utf8_alone_is_bytes_and_not_unused() -> None:
    known = tokenizer()
    token = next(token for token in range(known.size) if known.piece(token) == b"\xe9")
    assert kind_of(known, token) == "byte"
    assert token not in dict(list_unused(known, known.size))


def test_what_no_text_is_cut_into_is_unreachable_and_the_rest_ordinary() -> None:
    content = json.loads(tokenizer_json())
    content["model"]["vocab"]["qzq"] = len(content["model"]["vocab"])  # no merge leads to it
    known = TextTokenizer(Tokenizer.from_str(json.dumps(content)))
    assert (known.name(known.size - 1), kind_of(known, known.size - 1)) == ("qzq", "unreachable")
    (apple,) = known.encode(" apple", special_tokens=False).ids
    assert kind_of(known, apple) == "ordinary"
    assert kind_of(known, 0) == "special"
    assert kind_of(known, known.size) == "reserved"


def test_a_tokenizer_that_puts_a_space_in_front_reaches_tokens_without_one() -> None:
    content = json.loads(tokenizer_json())
    content["pre_tokenizer"]["add_prefix_space"] = True
    known = TextTokenizer(Tokenizer.from_str(json.dumps(content)))
    token = next(token for token in range(known.size) if known.piece(token) == b"q")
    assert known.encode("q", special_tokens=False).ids != (token,)
    assert is_reachable(known, token)
