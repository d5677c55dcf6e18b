"""Sentences with their trees: those that the grammar writes, those of files, and what is refused."""

import json
from pathlib import Path

import pytest

from reportgen.battery.reader import read_battery
from reportgen.errors import BatteryError
from reportgen.probes.structural_probe.conllu import read_treebank
from reportgen.probes.structural_probe.grammar import LONGEST, write_sentences
from reportgen.probes.structural_probe.treebanks import BUILT_IN, split_treebank
from reportgen.probes.structural_probe.trees import ROOT, Sentence, find_fault

SIZES = (2000, 400)


@pytest.fixture(scope="module")
def written() -> tuple[Sentence, ...]:
    return write_sentences(sum(SIZES), 0)


def test_the_grammar_writes_trees_and_no_text_twice(written: tuple[Sentence, ...]) -> None:
    assert len({one.text for one in written}) == sum(SIZES)
    assert all(find_fault(one.heads) is None for one in written)
    assert all(one.text.endswith(".") and one.text[0].isupper() and " ." not in one.text for one in written)
    assert max(len(one.words) for one in written) <= LONGEST
    assert write_sentences(50, 0) == written[:50]
    assert write_sentences(50, 1) != written[:50]


def test_its_trees_are_no_chains(written: tuple[Sentence, ...]) -> None:
    edges = sum(len(one.edges) for one in written)
    assert 0.4 < sum(len(set(one.edges) & set(one.chain)) for one in written) / edges < 0.5


def head_of(sentence: Sentence, word: str) -> str:
    head = sentence.heads[sentence.words.index(word)]
    return "root" if head == ROOT else sentence.words[head]


def test_its_constructions_hang_together_as_universal_dependencies_has_it(written: tuple[Sentence, ...]) -> None:
    """Function words on content words; the first of what is joined is the head."""
    kinds = set()
    for one in written:
        for word, head in zip(one.words, one.heads, strict=True):
            if word in ("in", "near", "of", "from", "with", "by", "to", "the", "was", "were", "and"):
                assert head > one.words.index(word), f"{word} in {one.text}"
                kinds.add(word)
    assert {"of", "by", "the", "was", "were", "and"} <= kinds
    embedded = [
        one for one in written
        if any(head != ROOT and head - word > 4 and one.words[word + 1] in ("that", "the") for word, head in
               enumerate(one.heads[:-1]))
    ]  # fmt: skip
    assert len(embedded) > 100, "a subject and its verb, a clause between them"


def test_its_articles_fit_what_follows(written: tuple[Sentence, ...]) -> None:
    after = {(one.words[at], one.words[at + 1][0]) for one in written for at in range(len(one.words) - 1)}
    assert not any((article, letter) in after for article in ("a", "A") for letter in "aeiou")
    assert ("an", "o") in after


def test_no_test_sentence_is_trained_on() -> None:
    split = split_treebank(BUILT_IN, None, 0, None, SIZES)
    assert (len(split.trained), len(split.tested)) == SIZES
    assert not {one.text for one in split.trained} & {one.text for one in split.tested}
    assert split == split_treebank(BUILT_IN, None, 0, None, SIZES)
    assert split != split_treebank(BUILT_IN, None, 1, None, SIZES)
    lengths = [len(one.words) for one in split.trained]
    assert lengths == sorted(lengths)


def test_sentences_that_are_shown_are_tested() -> None:
    names = [one.text for one in split_treebank(BUILT_IN, None, 0, None, SIZES).trained[500:502]]
    split = split_treebank(BUILT_IN, None, 0, names, SIZES)
    assert [one.text for one in split.named] == names
    assert set(split.named) <= set(split.tested)
    assert (len(split.trained), len(split.tested)) == SIZES


CAT = """# sent_id = s-1
# text = The cat didn't sleep, it ran.
1\tThe\tthe\tDET\t_\t_\t2\tdet\t_\t_
2\tcat\tcat\tNOUN\t_\t_\t5\tnsubj\t_\t_
3-4\tdidn't\t_\t_\t_\t_\t_\t_\t_\t_
3\tdid\tdo\tAUX\t_\t_\t5\taux\t_\t_
4\tn't\tnot\tPART\t_\t_\t5\tadvmod\t_\t_
5\tsleep\tsleep\tVERB\t_\t_\t0\troot\t_\tSpaceAfter=No
6\t,\t,\tPUNCT\t_\t_\t8\tpunct\t_\t_
7\tit\tit\tPRON\t_\t_\t8\tnsubj\t_\t_
7.1\tgone\tgo\tVERB\t_\t_\t_\t_\t_\t_
8\tran\trun\tVERB\t_\t_\t5\tparataxis\t_\tSpaceAfter=No
9\t.\t.\tPUNCT\t_\t_\t5\tpunct\t_\t_
"""
DU = """1-2\tdu\t_\t_\t_\t_\t_\t_\t_\t_
1\tde\tde\tADP\t_\t_\t3\tcase\t_\t_
2\tle\tle\tDET\t_\t_\t3\tdet\t_\t_
3\tvin\tvin\tNOUN\t_\t_\t0\troot\t_\t_
"""


def save(folder: Path, text: str, name: str = "cat.conllu") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_is_read_with_its_ranges_and_empty_nodes(tmp_path: Path) -> None:
    text = f"{CAT}\n{DU}\n{DU.partition(chr(10))[2]}"
    treebank = read_treebank(save(tmp_path, text))
    windows = read_treebank(save(tmp_path, text.replace("\n", "\r\n").replace("vin", "vi\u2028n"), "windows.conllu"))
    assert windows.sentences[0] == treebank.sentences[0]
    assert windows.sentences[1].words == ("de", "le", "vi\u2028n")
    cat, du = treebank.sentences
    assert cat.id == "s-1"
    assert cat.text == "The cat didn't sleep, it ran."
    assert [cat.text[:end].split()[-1] for end in cat.ends] == ["The", "cat", "did", "didn't", "sleep", "sleep,", "it",
                                                               "ran", "ran."]  # fmt: skip
    assert cat.heads == (1, 4, 4, 4, ROOT, 7, 7, 4, 4)
    assert cat.counted == [0, 1, 2, 3, 4, 6, 7]
    assert (4, 7) in cat.edges
    assert (5, 7) not in cat.edges, "of a punctuation mark"
    assert cat.chain[-2:] == [(4, 6), (6, 7)]
    assert treebank.left_out == 1, "nothing in the text is de or le"
    assert du.text == "de le vin"
    assert du.id == "cat-3"


@pytest.mark.parametrize(
    ("line", "changed", "told", "at"),
    [
        (2, "1\tThe\tthe\tDET\t_\t_\t0\tdet\t_\t_", "word 5, 'sleep', is a second root, next to word 1", 8),
        (7, "5\tsleep\tsleep\tVERB\t_\t_\t2\troot\t_\t_", "word 1, 'The', depends on itself, over its heads", 3),
        (3, "2\tcat\tcat\tNOUN\t_\t_\t20\tnsubj\t_\t_", "word 2, 'cat', depends on word 20, and the sentence has 9", 4),
        (3, "2\tcat\tcat\tNOUN\t_\t_\t_\tnsubj\t_\t_", "the head of 'cat' is '_', not a number", 4),
        (3, "3\tcat\tcat\tNOUN\t_\t_\t5\tnsubj\t_\t_", "the word 'cat' has the number '3', not 2", 4),
        (3, "2 cat cat NOUN _ _ 5 nsubj _ _", "has 1 columns, not 10", 4),
        (3, "2\t\tcat\tNOUN\t_\t_\t5\tnsubj\t_\t_", "word 2 is empty", 4),
    ],
)
def test_what_is_no_tree_is_refused_with_its_line(tmp_path: Path, line: int, changed: str, told: str, at: int) -> None:
    lines = CAT.splitlines()
    lines[line] = changed
    file = save(tmp_path, "\n".join(lines))
    with pytest.raises(BatteryError) as refused:
        read_treebank(file)
    (mistake,) = refused.value.mistakes
    assert (mistake.message, mistake.file, mistake.line) == (told, file, at)
    assert mistake.remedy


def refuse(folder: Path, **options: object) -> str:
    battery = {"models": {"m": "demo:gemma-3-270m"}, "probes": {"s": {"probe": "structural_probe", **options}}}
    file = folder / "b.yaml"
    with pytest.raises(BatteryError) as refused:
        read_battery(json.dumps(battery, indent=1), file)
    return str(refused.value)


def test_mistakes_are_told_with_the_battery(tmp_path: Path) -> None:
    save(tmp_path, f"{CAT}\n" * 30)
    told = refuse(tmp_path, treebank="cat.conllu")
    assert "cat.conllu:1: has 1 sentence to train on and to test on, and 60 are needed" in told
    assert "there is no file 'dog.conllu'" in refuse(tmp_path, treebank="dog.conllu")
    assert "the built-in treebank holds its own test sentences" in refuse(tmp_path, test="cat.conllu")
    told = refuse(tmp_path, show=["A sentence that nobody wrote."])
    assert "no sentence of built-in has the id or the text 'A sentence that nobody wrote.'" in told
    assert "b.yaml:" in told
    save(tmp_path, CAT.replace("\t0\troot", "\t1\troot"))
    assert "cat.conllu:3: word 1, 'The', depends on itself" in refuse(tmp_path, treebank="cat.conllu")


def test_one_file_is_split_and_two_are_not(tmp_path: Path) -> None:
    def write(sentences: tuple[Sentence, ...], name: str) -> str:
        return str(save(tmp_path, "\n".join(map(write_conllu, sentences)), name))

    whole = write_sentences(120, 0)
    one, other = write(whole[:80], "one.conllu"), write(whole[60:], "other.conllu")
    split = split_treebank(one, None, 0, None, (1000, 200))
    assert (len(split.trained), len(split.tested)) == (60, 20)
    both = split_treebank(one, other, 0, None, (1000, 200))
    assert {item.text for item in both.tested} == {item.text for item in whole[60:]}
    assert {item.text for item in both.trained} == {item.text for item in whole[:60]}, "the shared ones are held out"


def write_conllu(sentence: Sentence) -> str:
    """A sentence as a file has it."""
    rows = [f"# sent_id = {sentence.id}"]
    for at, word in enumerate(sentence.words):
        tag = "PUNCT" if sentence.punctuation[at] else "X"
        misc = "_" if sentence.spaces[at] else "SpaceAfter=No"
        rows.append("\t".join([str(at + 1), word, "_", tag, "_", "_", str(sentence.heads[at] + 1), "_", "_", misc]))
    return "\n".join(rows) + "\n"
