import re
import string
import subprocess
import sys

import pytest

from reportgen import language
from reportgen.language import (
    CATALOGUES,
    ENGLISH,
    digits,
    direction,
    get_language,
    list_items,
    list_languages,
    name_of,
    resolve_language,
    say,
    say_count,
    sentences,
    unit_of,
    use_language,
)
from reportgen.probes.registry import find
from reportgen.probing.probe import explanation, meanings, question
from tests import catalogues

OTHERS = [tag for tag in list_languages() if tag != ENGLISH]


@pytest.fixture(scope="module")
def source() -> list[catalogues.Message]:
    return catalogues.messages()


@pytest.fixture(scope="module")
def texts(source: list[catalogues.Message]) -> dict[str, catalogues.Texts]:
    return catalogues.by_id(source)


@pytest.fixture(scope="module", params=OTHERS)
def translated(request: pytest.FixtureRequest) -> tuple[str, dict[str, catalogues.Translation]]:
    return request.param, catalogues.read_catalogue(request.param)


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def filled_in(id: str, texts: catalogues.Texts) -> bool:
    """Whether values are put into a message: docstrings and names are taken as they are, braces and all."""
    return any(re.search(r"\{[a-z_]+\}", text) for text in texts) and ".definition." not in id


def test_there_are_catalogues_of_four_languages() -> None:
    assert list_languages() == (ENGLISH, "ar", "hu", "zh-CN", "zh-TW")


def test_an_id_has_one_english_text(source: list[catalogues.Message], texts: dict[str, catalogues.Texts]) -> None:
    other = [f"{one.id}: {one.texts} ({one.where})" for one in source if one.texts != texts[one.id]]
    assert not other, "the same id with another text:\n" + "\n".join(other)


def test_no_translation_is_stale(
    texts: dict[str, catalogues.Texts], translated: tuple[str, dict[str, catalogues.Translation]]
) -> None:
    tag, known = translated
    assert not stale(texts, known), f"{tag}: translations of what English says no more:\n" + "\n".join(
        stale(texts, known)
    )


def stale(texts: dict[str, catalogues.Texts], known: dict[str, catalogues.Translation]) -> list[str]:
    """Ids whose English text changed after it was translated."""
    return [id for id, of in texts.items() if id in known and (known[id].stale or known[id].texts != of)]


def test_every_message_is_translated(
    texts: dict[str, catalogues.Texts], translated: tuple[str, dict[str, catalogues.Translation]]
) -> None:
    tag, known = translated
    missing = [id for id in texts if id not in known or not all(known[id].translations)]
    assert not missing, f"{tag}: without a translation:\n" + "\n".join(missing)


def test_a_translation_takes_the_values_of_its_english(
    texts: dict[str, catalogues.Texts], translated: tuple[str, dict[str, catalogues.Translation]]
) -> None:
    tag, known = translated
    for id in (id for id in texts if id in known and filled_in(id, texts[id])):
        wanted = placeholders(texts[id][-1])
        for form in filter(None, known[id].translations):
            # "One layer", "two layers" need no figure where a language has a form for just that number.
            spare = {"count"} if len(texts[id]) > 1 else set()
            assert wanted - spare <= placeholders(form) <= wanted, f"{tag}: {id}: {form}"


def test_no_message_holds_markup_or_what_is_shown_as_its_code(
    texts: dict[str, catalogues.Texts], translated: tuple[str, dict[str, catalogues.Translation]]
) -> None:
    from reportgen.look.legible import make_legible

    tag, known = translated
    for id, of in texts.items():
        for text in (*of, *(known[id].translations if id in known else ())):
            assert not re.search(r"</?[a-z]+[ >]|&[a-z]+;", text), f"{tag}: {id}: {text}"
            assert make_legible(text) == text, f"{tag}: {id}: {text!r}"


def test_a_catalogue_is_as_the_update_command_writes_it(
    texts: dict[str, catalogues.Texts], translated: tuple[str, dict[str, catalogues.Translation]]
) -> None:
    tag, known = translated
    # What is new or has changed is told by the tests above.
    both = {id: known[id].texts for id in texts if id in known}
    assert (CATALOGUES / f"{tag}.po").read_text() == catalogues.merge_catalogue(tag, both, known)


def test_an_update_lists_what_changed_as_fuzzy_and_keeps_what_is_gone() -> None:
    known = {
        "a.same": catalogues.Translation(("Same",), ("Azonos",)),
        "a.changed": catalogues.Translation(("Before",), ("Előtte",)),
        "a.gone": catalogues.Translation(("Gone",), ("Elment",)),
    }
    merged = catalogues.merge_catalogue("hu", {"a.changed": ("After",), "a.new": ("New",), "a.same": ("Same",)}, known)
    assert '#, fuzzy\nmsgctxt "a.changed"\nmsgid "After"\nmsgstr "Előtte"\n' in merged
    assert '\nmsgctxt "a.new"\nmsgid "New"\nmsgstr ""\n' in merged
    assert '\n\nmsgctxt "a.same"\nmsgid "Same"\nmsgstr "Azonos"\n' in merged
    assert '#~ msgctxt "a.gone"\n#~ msgid "Gone"\n#~ msgstr "Elment"\n' in merged
    assert stale({"a.changed": ("After",), "a.same": ("Same",)}, known) == ["a.changed"]


def test_what_is_said_within_a_language_is_said_in_it_and_english_outside() -> None:
    with use_language("hu"):
        assert get_language() == "hu"
        with use_language("ar"):
            assert say("page.contents", "Contents") == "المحتويات"
        assert say("page.contents", "Contents") == "Tartalom"
    assert say("page.contents", "Contents") == "Contents"
    assert get_language() == ENGLISH


def test_what_has_no_translation_or_a_stale_one_is_said_in_english() -> None:
    with use_language("zh-TW"):
        assert say("no.such_message", "{a} and {b}", a=1, b="{c}") == "1 and {c}"
        assert say("page.contents", "Contents of another kind") == "Contents of another kind"


@pytest.mark.parametrize(
    ("tag", "told"),
    [
        ("en", ["1 layer", "2 layers", "1,000 layers"]),
        ("hu", ["1 réteg", "2 réteg", "1 000 réteg"]),
        ("zh-TW", ["1 層", "2 層", "1,000 層"]),
        ("zh-CN", ["1 层", "2 层", "1,000 层"]),
    ],
)
def test_a_number_has_the_form_its_language_asks_for(tag: str, told: list[str]) -> None:
    with use_language(tag):
        assert [say_count("opening.layers", "{count} layer", "{count} layers", n) for n in (1, 2, 1000)] == told


def test_arabic_has_six_forms() -> None:
    with use_language("ar"):
        told = [say_count("opening.heads", "{count} head", "{count} heads", n) for n in (0, 1, 2, 3, 11, 100)]
    assert told == ["بلا رؤوس (0)", "رأس واحد", "رأسان", "3 رؤوس", "11 رأسًا", "100 رأس"]


def test_a_probe_tells_its_words_by_name() -> None:
    probe = find("logit_lens")
    assert question(probe) == "What does each layer expect next?"
    with use_language("zh-TW"):
        assert question(probe) == "每一層預期接下來是什麼？"
        assert explanation(probe).shows.startswith("如果模型")
        assert meanings(probe)["entropy"].startswith("（prompt x step x layer）")
        assert (name_of("settling_layer"), unit_of("nat"), unit_of("")) == ("定案層", "奈特", "")
        assert name_of("of_another_probe") == "of another probe"


@pytest.mark.parametrize(
    ("tag", "told"),
    [("en", "1,234.5"), ("hu", "1 234,5"), ("zh-TW", "1,234.5"), ("ar", "1,234.5")],
)
def test_numbers_have_the_separators_of_the_language_and_latin_digits(tag: str, told: str) -> None:
    with use_language(tag):
        assert digits("1,234.5") == told
        assert digits("31%") == "31%"


@pytest.mark.parametrize(
    ("tag", "three", "two"),
    [
        ("en", "a, b and c", "a and b"),
        ("hu", "a, b és c", "a és b"),
        ("zh-TW", "a、b和c", "a和b"),
        ("ar", "a وb وc", "a وb"),
    ],
)
def test_lists_are_joined_as_the_language_joins_them(tag: str, three: str, two: str) -> None:
    with use_language(tag):
        assert (list_items(["a", "b", "c"]), list_items(["a", "b"]), list_items(["a"]), list_items([])) == (
            three,
            two,
            "a",
            "",
        )


def test_sentences_follow_each_other_with_a_space_where_the_language_has_one() -> None:
    assert sentences(["A.", "", "B."]) == "A. B."
    with use_language("zh-TW"):
        assert sentences(["甲。", "", "乙。"]) == "甲。乙。"


@pytest.mark.parametrize(
    ("asked", "tag"),
    [
        ("en", "en"), ("EN", "en"), ("en-US", "en"), ("zh-TW", "zh-TW"), ("zh_TW", "zh-TW"), ("zh-tw", "zh-TW"),

        ("zh-Hans", "zh-CN"), ("zh_CN", "zh-CN"), ("zh-cn", "zh-CN"), ("zh-SG", "zh-CN"),
        ("zh-Hant", "zh-TW"), ("zh_Hant_TW", "zh-TW"), ("hu", "hu"), ("hu_HU", "hu"), ("ar-EG", "ar"), (" ar ", "ar"),
    ],
)  # fmt: skip
def test_a_language_is_known_by_its_usual_names(asked: str, tag: str) -> None:
    assert resolve_language(asked) == tag


@pytest.mark.parametrize(
    ("asked", "remedy"),
    [
        ("zh", "Did you mean 'zh-CN' or 'zh-TW'?"),
        ("zh-HK", "Did you mean 'zh-CN' or 'zh-TW'?"),
        ("hun", "Did you mean 'hu'?"),
        ("xx", "Known: en, ar, hu, zh-CN, zh-TW"),
        ("", "Known: en, ar, hu, zh-CN, zh-TW"),
        ("../../etc/passwd", "Known: en, ar, hu, zh-CN, zh-TW"),
    ],
)
def test_an_unknown_language_is_refused_with_the_nearest(asked: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"no language '{asked}'. {remedy}")):
        resolve_language(asked)


def test_arabic_runs_from_right_to_left() -> None:
    assert [direction(tag) for tag in list_languages()] == ["ltr", "rtl", "ltr", "ltr", "ltr"]


def test_english_reads_no_catalogue_and_needs_no_babel() -> None:
    program = (
        "import sys; sys.modules['babel'] = None\n"
        "from reportgen import language\n"
        "language.CATALOGUES = language.CATALOGUES / 'nowhere'\n"
        "from reportgen.report.content import numerals\n"
        "print(language.say_count('a', '{count} b', '{count} c', 2000), language.list_items(['d', 'e']), "
        "numerals.abbreviate_count(2_000_000), numerals.write_day('2026-11-21'))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "2,000 c d and e 2.00 M 2026-11-21\n"


def test_a_catalogue_is_read_once() -> None:
    language._catalogue.cache_clear()
    with use_language("hu"):
        for _ in range(3):
            say("page.contents", "Contents")
    assert language._catalogue.cache_info().misses == 1


def test_simplified_chinese_has_no_character_of_the_traditional_script() -> None:
    """GB 2312 holds the simplified characters alone."""
    told = "".join(text for one in catalogues.read_catalogue("zh-CN").values() for text in one.translations)
    han = {character for character in told if "\u4e00" <= character <= "\u9fff"}
    assert len(han) > 500
    assert sorted(one for one in han if not _is_simplified(one)) == []


def _is_simplified(character: str) -> bool:
    try:
        character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def test_simplified_chinese_has_the_mainlands_terms() -> None:
    known = {id: one.translations for id, one in catalogues.read_catalogue("zh-CN").items()}
    for id, meant in {
        "name.row": "行", "name.prompt": "提示词", "name.residual": "残差流", "name.probability": "概率",
        "name.embedding": "词嵌入", "word_similarity.same_vector": "同一向量", "weights.normal": "正态分布",
    }.items():  # fmt: skip
        assert known[id] == (meant,)
    told = "".join(text for texts in known.values() for text in texts)
    taiwans = "区块 矢量 预设 档 程式 资讯 讯息 变异 常态 信赖区间 座标 杂讯 「"
    for word in taiwans.split():
        assert word not in told.replace("文档", "")  # a document, not a file
