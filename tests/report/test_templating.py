import pytest

from reportgen.report.templating import explained, isolated, lines, sentence, token, tokens


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no quotation", "no quotation"),
        ("on “تفاح” and “<bos>”", "on “<bdi>تفاح</bdi>” and “<bdi>&lt;bos&gt;</bdi>”"),
        ("“a “b” c”", "“<bdi>a “b</bdi>” c”"),
        ("never “closed", "never “closed"),
        ("“</bdi>”", "“<bdi>&lt;/bdi&gt;</bdi>”"),
        ("“\u202e”", "“<bdi>&lt;U+202E&gt;</bdi>”"),
        ("“\\1”", "“<bdi>\\1</bdi>”"),
    ],
)
def test_what_a_sentence_quotes_stands_apart(text, shown):
    assert sentence(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("From `config:FILE` on", "From <code>config:FILE</code> on"),
        ("`<E9 A2>` & `b`", "<code>&lt;E9 A2&gt;</code> &amp; <code>b</code>"),
        ("a lone ` stays", "a lone ` stays"),
    ],
)
def test_backticks_become_code(text, shown):
    assert explained(text) == shown


def test_tokens_and_lines_stand_apart_each():
    assert isolated("<b>") == "<bdi>&lt;b&gt;</bdi>"
    assert token("␣<b>") == '<bdi><span class="space">␣</span>&lt;b&gt;</bdi>'
    assert tokens("א | <b>") == "<bdi>א</bdi> | <bdi>&lt;b&gt;</bdi>"
    assert lines("א\n<b>") == "<bdi>א</bdi><br><bdi>&lt;b&gt;</bdi>"
