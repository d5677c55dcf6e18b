import re
import resource
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from jinja2 import UndefinedError

from reportgen.baseline.compare import compare
from reportgen.errors import BatteryError, OutputError
from reportgen.look.legible import make_legible
from reportgen.report import page
from reportgen.report.comparison import page as comparison
from reportgen.report.templates import check as check_templates
from reportgen.report.templates import sandbox, templating
from reportgen.report.templates.check import check
from reportgen.report.templates.templating import (
    isolate_text,
    lines,
    mark_code,
    override_by,
    prepare_text,
    render_template,
    sentence,
    token,
    tokens,
)
from reportgen.results.quantities import Metric
from tests.report.fakes import LLAMA, fake_bundle


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
    assert mark_code(text) == shown


def test_tokens_and_lines_stand_apart_each():
    assert isolate_text("<b>") == "<bdi>&lt;b&gt;</bdi>"
    assert token("␣<b>") == '<bdi><span class="space">␣</span>&lt;b&gt;</bdi>'
    assert tokens("א | <b>") == "<bdi>א</bdi> | <bdi>&lt;b&gt;</bdi>"
    assert lines("א\n<b>") == "<bdi>א</bdi><br><bdi>&lt;b&gt;</bdi>"


@pytest.fixture
def own(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


@pytest.fixture
def bundle():
    whole = fake_bundle()
    return replace(whole, outcomes={probe: whole.outcomes[probe] for probe in ("census", "nearest", "heads")})


def write_template(own, name, source):
    (own / name).parent.mkdir(parents=True, exist_ok=True)
    (own / name).write_text(source)


def page_with(own, context=None):
    """A page whose body is a template of one's own."""
    with override_by(own):
        return render_template("body.html.j2", context or {})


def read_mistakes(own):
    with pytest.raises(BatteryError) as caught:
        check(own)
    assert caught.value.exit_code == 2
    return [str(mistake) for mistake in caught.value.mistakes]


def read_failure(own, body, context=None):
    """The one mistake that a body of one's own ends with."""
    write_template(own, "body.html.j2", body)
    check(own)
    with pytest.raises(OutputError) as caught:
        page_with(own, context)
    (mistake,) = caught.value.mistakes
    assert len(str(mistake).splitlines()) <= 2
    return mistake


def test_ours_are_extended_under_their_own_name_and_the_rest_stays_ours(own, bundle, drawings):
    plain = page.render_page(bundle, drawings)
    write_template(own, "assets/page.css", '{% include "reportgen/assets/page.css" %}\nh1 { color: teal }\n')
    write_template(
        own, "sections/nearest_tokens.html.j2", '<p class="lab">{{ section.id|legible }}{% include "logo.svg" %}</p>'
    )
    write_template(own, "logo.svg", "<svg><title>A lab & more</title></svg>")
    check(own)
    with override_by(own):
        changed = page.render_page(bundle, drawings)
    assert "h1 { color: teal }" in changed
    assert '<p class="lab">nearest<svg><title>A lab & more</title></svg></p>' in changed
    assert page.render_page(bundle, drawings) == plain


def test_in_the_sandbox_our_own_templates_give_the_same_pages(own, bundle, drawings):
    write_template(own, "history.html.j2", "nothing that is made here")
    check(own)
    metric = replace(bundle.outcomes["census"][LLAMA], metrics={"layers": Metric(31, "blocks")})
    other = replace(bundle, outcomes={**bundle.outcomes, "census": {LLAMA: metric}})
    changed = compare(bundle, other, {}, {})
    for made in (
        partial(page.render_page, bundle, drawings),
        partial(page.render_paper, bundle, drawings),
        partial(comparison.render_page, changed, []),
        partial(comparison.render_paper, changed, []),
    ):
        plain = made()
        with override_by(own):
            assert made() == plain


def test_what_templates_are_given_stays_escaped(own):
    write_template(own, "body.html.j2", "{{ title }}")
    assert page_with(own, {"title": "<script>"}) == "&lt;script&gt;"


def test_all_that_is_wrong_in_the_folder_is_told_at_once(own):
    write_template(own, "boddy.html.j2", "x")
    write_template(own, "body.html.j2", "one\n{% if %}")
    write_template(own, "paper.html.j2", "{{ x|nosuch }}")
    write_template(own, "page.html.j2", '\n{% extends "page.html.j2" %}')
    told = "\n".join(read_mistakes(own))
    assert f"{own / 'boddy.html.j2'}: the template overrides none of ours\n  Did you mean 'body.html.j2'?" in told
    assert f"{own / 'body.html.j2'}:2: the template does not compile: Expected an expression" in told
    assert f"{own / 'paper.html.j2'}:1: the template does not compile: No filter named 'nosuch'" in told
    assert f"{own / 'page.html.j2'}:2: the template extends or includes itself\n  ours is called reportgen/page" in told


def test_what_another_template_asks_for_need_not_override_anything(own):
    write_template(own, "body.html.j2", '{% include ["mine/head.html.j2", "mine/none.html.j2"] %}')
    write_template(own, "mine/head.html.j2", "a head")
    write_template(own, "README.md", "how we made it {%")
    write_template(own, ".git/body.html.j2", "{% if %}")
    check(own)
    assert page_with(own) == "a head"


def test_a_folder_that_is_none_is_refused(own, tmp_path):
    assert read_mistakes(tmp_path / "gone") == [f"{tmp_path / 'gone'}: there is no such folder of templates\n"
                                          "  name a folder with --templates"]  # fmt: skip
    write_template(own, "notes.txt", "x")
    assert "the templates' folder is a file" in read_mistakes(own / "notes.txt")[0]
    assert "the folder holds no template\n  ours to override are base.html.j2, body.html.j2" in read_mistakes(own)[0]
    (own / "body.html.j2").write_bytes(b"\xff\xfe")
    assert "the template cannot be read: it is not UTF-8" in read_mistakes(own)[0]


def test_too_many_files_or_bytes_are_no_folder_of_templates(own, monkeypatch):
    write_template(own, "body.html.j2", "x" * 11)
    monkeypatch.setattr(check_templates, "MOST_BYTES", 10)
    assert "the template is larger than 10 bytes" in read_mistakes(own)[0]
    monkeypatch.setattr(check_templates, "MOST_FILES", 0)
    assert "the folder holds more than 0 files" in read_mistakes(own)[0]


@pytest.mark.parametrize("name", ["body.html.j2", "picture.svg", "folder"])
def test_a_link_out_of_the_folder_is_refused(own, tmp_path, name):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "word").write_text("a secret")
    (own / name).symlink_to(secret if name == "folder" else secret / "word")
    asked = {"folder": "folder/word", "picture.svg": "picture.svg"}.get(name)
    if asked:
        write_template(own, "body.html.j2", f'{{% include "{asked}" %}}')
    assert "is a link out of the templates' folder" in read_mistakes(own)[0]
    with pytest.raises(OutputError, match=r"the template is refused: .* is a link out of the folder"):
        page_with(own)


def test_a_link_within_the_folder_is_followed(own):
    write_template(own, "sections/default.html.j2", "the same")
    (own / "body.html.j2").symlink_to(own / "sections" / "default.html.j2")
    check(own)
    assert page_with(own) == "the same"


class Part:
    """As something of another package: not ours to give away."""

    def method(self):
        return "a secret"


@pytest.mark.parametrize(
    "reach",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ ''['__class__'] }}",
        "{{ ''|attr('__class__') }}",
        "{{ ['']|map(attribute='__class__')|first }}",
        "{{ ['']|map('attr', '__class__')|first }}",
        "{{ '{0.__class__}'.format('') }}",
        "{{ '{x.__class__}'.format_map({'x': ''}) }}",
        "{{ say('an.id', '{x.__class__}', x='') }}",
        "{{ say('an.id', '{x[0]}', x='a') }}",
        "{{ say_count('an.id', '{count.real}', '{count.real}', 3) }}",
        "{{ '%s' % part }}",
        "{{ say.__globals__ }}",
        "{{ self._TemplateReference__context }}",
        "{% set f = part.method %}{{ f() }}",
        "{{ items.append(1) }}",
        "{{ values.tofile(place) }}",
        "{{ path.read_text() }}",
        "{{ path.parent }}",
    ],
)
def test_the_sandbox_refuses_what_is_not_the_templates_own(own, tmp_path, reach):
    secret, made = tmp_path / "secret", tmp_path / "made"
    context = {"part": Part(), "items": [], "values": np.zeros(3), "place": str(made), "path": secret}
    secret.write_text("a secret")
    mistake = read_failure(own, f"one line\n{reach}", context)
    assert mistake.message.startswith("the template is refused: ")
    assert (mistake.file, mistake.line) == (own / "body.html.j2", 2)
    assert not made.exists()
    assert context["items"] == []


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret", "mine/../../secret", "reportgen/../../pyproject.toml"])
def test_no_file_outside_is_included(own, tmp_path, name):
    (tmp_path / "secret").write_text("a secret")
    mistake = read_failure(own, f'\n\n{{% include "{name}" %}}')
    assert mistake.message == f"there is no template {name}"
    assert (mistake.file, mistake.line) == (own / "body.html.j2", 3)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("{% for n in range(10**9) %}x{% endfor %}", "Range too big"),
        ("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", "more than 2,000 turns"),
        ("{% set r = range(99)|list %}{% for a in r %}{% for b in r %}{% endfor %}{% endfor %}", "2,000 turns"),
        ("{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}", "without end|more than 2,000 turns"),
        ("{% for n in range(999) %}{{ 'x' * 999 }}{% endfor %}", "it makes more than 50,000 characters"),
        ("{{ 'x' * 10**9 }}", "it repeats something to more than 50,000 characters"),
        ("{{ [0] * 10**9 }}", "it repeats something to more than 50,000 characters"),
        ("{{ 9 ** (9 ** 9) }}", "powers beyond 64"),
        ("{{ 10**8 * 10**8 * 10**8 }}", "numbers beyond"),
        ('{% include "body.html.j2" ignore missing %}', "itself"),
    ],
)  # fmt: skip
def test_what_would_not_end_is_stopped(own, monkeypatch, body, told):
    monkeypatch.setattr(sandbox, "MOST_STEPS", 2_000)
    monkeypatch.setattr(sandbox, "MOST_CHARACTERS", 50_000)
    write_template(own, "body.html.j2", f"{{# #}}{body}")
    with pytest.raises(OutputError, match=told):
        page_with(own)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is held on Linux alone")
def test_a_template_that_takes_all_memory_fails_alone(own):
    assert read_failure(own, "{{ 'x'|center(10**11) }}").message == "the template fails: it takes too much memory"
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("{{ nothing }}", "'nothing' is undefined"),
        ("{{ 1 // 0 }}", "ZeroDivisionError: integer division or modulo by zero"),
        ("{{ title.strip(1, 2) }}", "TypeError: strip expected at most 1 argument, got 2"),
        (
            "{% import 'macros.html.j2' as m with context %}{{ m.nothing() }}",
            "has no attribute 'nothing'|does not export",
        ),
    ],
)
def test_a_template_that_raises_is_told_with_its_line(own, body, told):
    mistake = read_failure(own, f"\n{body}", {"title": "x", "target": "page"})
    assert re.search(f"the template fails: .*({told})", mistake.message)
    assert (mistake.file, mistake.line) == (own / "body.html.j2", 2)


def test_where_a_template_of_ours_misses_something_ours_is_named(own, bundle, drawings):
    write_template(own, "macros.html.j2", "{# all gone #}")
    check(own)
    with (
        override_by(own),
        pytest.raises(OutputError, match=r"/templates/\S+\.j2:\d+: the template fails: .*has no attribute"),
    ):
        page.render_page(bundle, drawings)


def test_an_unfilled_page_of_ours_is_no_mistake_of_a_folder():
    with pytest.raises(UndefinedError):
        render_template("base.html.j2", {"target": "page"})


def test_the_steps_of_a_report_are_far_below_what_is_allowed(own, bundle, drawings, monkeypatch):
    write_template(own, "body.html.j2", '{% include "reportgen/body.html.j2" %}')
    monkeypatch.setattr(sandbox, "MOST_STEPS", sandbox.MOST_STEPS // 50)
    with override_by(own):
        page.render_page(bundle, drawings)


def test_a_text_that_nobody_would_read_to_its_end_is_cut() -> None:
    endless = "xyz " * 500_000
    for filtered in (
        templating.isolate_text,
        templating.token,
        templating.tokens,
        templating.lines,
        templating.sentence,
    ):
        assert len(filtered(endless)) < templating.LONGEST + 50
        assert "…" in filtered(endless)
    long = ("xyz " * templating.LONGEST)[: templating.LONGEST]
    assert templating.prepare_text(long) == long


@pytest.mark.parametrize("text", ["a" * 300, "a " * 900, "天" * 900, "สวัสดี " * 100, "🐠" * 400])
def test_what_a_line_can_break_is_shown_whole(text):
    assert prepare_text(text) == make_legible(text)


def test_a_word_too_long_to_print_is_shown_by_its_ends_and_how_much_is_between():
    word = "b" + "a" * 9_998 + "c"
    cut = f"b{'a' * 199}…[+9,740]…{'a' * 59}c"
    assert prepare_text(f"x {word} y") == f"x {cut} y"
    assert prepare_text(cut) == cut
    assert str(token(" " * 2 + word)).endswith("c</bdi>")
    assert len(prepare_text("\u200b" * 2_000)) < 400, "what is spelled out is cut as well"
    assert max(map(len, str(tokens(f"{word} | {word}")).split())) < 400
