import pytest
from hypothesis import given
from hypothesis import strategies as st

from otoloop.evaluate.scorers import choose, exact, first_letter, judge, string_match
from otoloop.reasoning.items import LETTERS
from otoloop.reasoning.vocab import fault_names, faults
from otoloop.records import Item

OPTIONS = ("normal running", "gear tooth wear", "electrical hum", "hum")
THOUGHT = (
    "<THINK><PLANNING>p</PLANNING><CAPTION>c</CAPTION><REASONING>r</REASONING>"
    "<SUMMARY>So it is {summary}.</SUMMARY></THINK><RESPONSE>{response}</RESPONSE>"
)


def item(answer="gear tooth wear", choices=OPTIONS, **more):
    return Item(id="i", clip="c", question="What is this?", answer=answer, choices=choices, **more)


@pytest.mark.parametrize(
    ("text", "index", "reading"),
    [
        ("gear tooth wear (b)", 1, "read"),
        ("(b)", 1, "read"),
        ("B", 1, "read"),
        ("B.", 1, "read"),
        ("b) gear tooth wear", 1, "read"),
        ("The answer is B.", 1, "read"),
        ("（ｂ）", 1, "read"),
        ("Gear  Tooth Wear!", 1, "read"),
        ("hum", 3, "read"),
        ("electrical hum", 2, "read"),
        ("(a) is wrong; gear tooth wear (b)", 1, "read"),
        ("not normal running but gear tooth wear (b)", 1, "read"),
        ("gear tooth wear (c)", None, "contradiction"),
        ("normal running or gear tooth wear", None, "ambiguous"),
        ("(b) or (c)", None, "ambiguous"),
        ("the answer is a bearing", None, "no_answer"),
        ("humming", None, "no_answer"),
        ("(h)", None, "no_answer"),
        ("", None, "no_answer"),
    ],
)
def test_an_option_is_read_by_name_by_letter_or_by_both(text, index, reading):
    found = choose(text, OPTIONS)
    assert (found.index, found.reading) == (index, reading)


@given(st.sampled_from(["en", "ja"]), st.randoms(use_true_random=False), st.data())
def test_every_fault_name_is_read_among_any_options(lang, rng, data):
    names = rng.sample(fault_names(lang), 5)
    gold = data.draw(st.integers(0, 4))
    for text in (names[gold], f"{names[gold]} ({LETTERS[gold]})", f"({LETTERS[gold]})"):
        assert choose(text, names).index == gold
    wrong = LETTERS[(gold + 1) % 5]
    assert choose(f"{names[gold]} ({wrong})", names).index is None


@given(st.text(max_size=60))
def test_no_text_breaks_the_scorer(text):
    for one in (item(), item(choices=None), item(answer="3.2", choices=None)):
        judged = judge(one, text)
        assert judged.parsed == (judged.reading == "read") and (judged.parsed or not judged.strict)


def test_a_well_formed_trace_with_the_right_answer():
    judged = judge(item(), THOUGHT.format(summary="gear tooth wear", response="gear tooth wear (b)"))
    assert judged.strict and judged.official and judged.format_valid and judged.consistent
    assert judged.said == "gear_wear"


def test_a_summary_that_names_another_fault_is_inconsistent():
    judged = judge(item(), THOUGHT.format(summary="electrical hum", response="gear tooth wear (b)"))
    assert judged.strict and judged.consistent is False


def test_missing_unfinished_and_plain_answers():
    missing = judge(item(), None)
    assert (missing.strict, missing.official, missing.reading) == (False, None, "missing")
    unfinished = judge(item(), "<THINK><PLANNING>gear tooth wear")
    assert (unfinished.strict, unfinished.reading, unfinished.format_valid) == (False, "no_answer", False)
    plain = judge(item(), "gear tooth wear")
    assert plain.strict and not plain.format_valid
    doubled = judge(item(), "<RESPONSE>gear tooth wear</RESPONSE><RESPONSE>hum</RESPONSE>")
    assert not doubled.strict and not doubled.parsed


@pytest.mark.parametrize("fault", list(faults().values()), ids=lambda f: f.id)
def test_open_answers_match_by_any_name_of_the_fault(fault):
    for name in (fault.en, fault.ja, *fault.synonyms):
        judged = judge(item(answer=fault.en, choices=None), f"<THINK></THINK><RESPONSE>{name}</RESPONSE>")
        assert judged.strict, name
        assert judged.said == fault.id


def test_a_gold_answer_may_be_a_synonym():
    assert judge(item(answer="gear whine", choices=None), "worn gear").strict


def test_open_numbers_match_within_five_percent():
    gold = item(answer="3.20 per turn", choices=None)
    assert judge(gold, "3.1 impacts per turn").strict
    assert not judge(gold, "2.9").strict
    assert judge(gold, "no idea").reading == "no_answer"


def test_the_gold_letter_serves_where_the_text_is_no_option():
    assert judge(item(answer="worn teeth", answer_letter="b"), "gear tooth wear").strict


def test_mmau_rule_keeps_its_published_flaws():
    assert string_match("gear tooth wear", "It is gear tooth wear", ["gear tooth wear", "belt squeal"])
    assert not string_match("gear tooth wear", "gear wear", ["gear tooth wear", "belt squeal"])
    # "the" belongs to a wrong option only, so a polite sentence is judged wrong
    assert not string_match("pump", "The answer is pump.", ["pump", "the fan"])
    # order and count of words do not matter
    assert string_match("belt squeal", "squeal squeal belt", ["belt squeal", "hum"])
    assert not string_match("pump", "", ["pump"])


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("B", True),
        ("B. gear tooth wear", True),
        ("The answer is B.", True),
        ("C", False),
        ("gear tooth wear", None),
        ("", None),
    ],
)
def test_airbench_rule_reads_the_first_or_the_last_but_one_letter(text, right):
    assert first_letter("gear tooth wear", text, OPTIONS) is right


def test_meld_rule_is_the_exact_word():
    assert exact("joy", " Joy ", ()) and not exact("joy", "joyful", ())
