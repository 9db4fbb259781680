"""Two languages: nothing shown is untranslated, the reader's wish is met, refusals of other parts are translated too."""

import re
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otoloop.audio.refusals import REMEDIES
from otoloop.codes import QUARANTINE_CODES, REVIEW_STATES, TRACE_CODES, VERDICTS
from otoloop.gate.parts import TEST_WORDS
from otoloop.web import desk, facts, labels, marks
from otoloop.web.pages import promotions, review
from otoloop.web.words import Words, words

PAGES = files("otoloop") / "web"


def said_in_templates():
    """English words of every call in the templates."""
    for template in (PAGES / "templates").iterdir():
        text = template.read_text(encoding="utf-8")
        yield from re.findall(r'\b_\(\s*"([^"]*)"', text)
        yield from re.findall(r"\b_\(\s*'([^']*)'", text)
        for one, many in re.findall(r'_\.count\([^,]+,\s*"([^"]*)",\s*"([^"]*)"\)', text):
            yield from (one, many)


def said_in_code():
    """English words that templates get from Python."""
    tables = (labels.FINDINGS, labels.REASONS, labels.STATES, labels.SOURCES, labels.KINDS, labels.LANGUAGES, review.WHY, review.DONE,
              promotions.DONE, marks._NAMES, TEST_WORDS)  # fmt: skip
    for table in tables:
        yield from table.values()
    yield from (word for pair in labels.ROLES.values() for word in pair)
    yield from (name for table in (facts._HEARD, facts._TOLD, facts._QUALITY) for _, name, _ in table)
    yield from (entry[1] for entry in desk.MENU)
    picture = (PAGES / "overview.py").read_text(encoding="utf-8")
    yield from re.findall(r'(?:Line|Box)\(\s*"([^"]*)"', picture)
    yield from re.findall(r'\[\("([^"]*)", _rows|title, keys in \(\("([^"]*)"', picture)


def test_everything_the_pages_say_has_japanese_words():
    texts = words("ja").texts
    wanted = {*said_in_templates(), *said_in_code()}
    assert len(wanted) > 300
    assert sorted(wanted - set(texts)) == []


def test_translations_keep_what_stands_in_braces():
    for english, other in words("ja").texts.items():
        names = set(re.findall(r"\{(\w+)\}", english))
        assert set(re.findall(r"\{(\w+)\}", other)) <= names, english


def test_every_code_has_words_and_every_remedy_a_translation():
    for code in (*QUARANTINE_CODES, *TRACE_CODES, *REVIEW_STATES, *VERDICTS):
        assert labels.plain(code) in words("ja").texts
    for remedy in REMEDIES.values():
        assert words("ja").told(remedy) != remedy


@pytest.mark.parametrize(
    ("english", "japanese"),
    [
        ("The recording has 618.5 s; at most 600 s are taken.", "録音は 618.5 秒です。上限は 600 秒です。"),
        ("Right answers were lost against the champion: −20.0 points (−25.0 to −15.0).",
         "現行に対し、正答が減りました（−20.0 ポイント、−25.0 〜 −15.0）。"),
        ("Something that nobody translated.", "Something that nobody translated."),
    ],
)  # fmt: skip
def test_sentences_of_other_parts_are_translated_with_their_values(english, japanese):
    assert words("ja").told(english) == japanese and words("en").told(english) == english


@given(st.text(max_size=80))
def test_any_sentence_comes_back_as_text(sentence):
    assert isinstance(words("ja").told(sentence), str)
    assert Words("ja", {})(sentence) == sentence


@pytest.mark.parametrize(
    ("header", "lang"),
    [("ja,en;q=0.8", "ja"), ("en-GB,ja;q=0.5", "en"), ("de,ja;q=0.9,en;q=0.7", "ja"), ("de", "en"), ("", "en"),
     ("ja;q=0", "en"), ("*;q=x", "en")],
)  # fmt: skip
def test_the_browser_is_asked_first(stranger, header, lang):
    assert f'<html lang="{lang}">' in stranger.get("/log-in", headers={"accept-language": header}).text


def test_a_choice_is_kept(client):
    assert '<html lang="ja">' in client.get("/?lang=ja").text
    page = client.get("/items").text
    assert '<html lang="ja">' in page and "レビュー" in page and 'href="/items?lang=en"' in page
    assert '<html lang="en">' in client.get("/items?lang=en").text and '<html lang="en">' in client.get("/").text
    assert '<html lang="en">' in client.get("/?lang=xx").text


def test_faults_have_their_names_in_both_languages(client):
    english, japanese = client.get("/clips?lang=en").text, client.get("/clips?lang=ja").text
    assert "outer race defect" in english and "軸受外輪損傷" in japanese


def test_no_page_shows_a_word_without_japanese(client, come_in, finished, book):
    from otoloop.catalog import items

    missing = words("ja").missing
    missing.clear()
    with book.reading() as session:
        view = items.items(session)[0]
    pages = ["/", "/items", "/deliveries", "/clips", "/cycles", "/cycles/1", "/releases", "/promotions", "/answers",
             "/feedback", f"/review/{view.item.id}", f"/clips/{view.item.clip}", "/nowhere", "/ask", "/numbers"]  # fmt: skip
    for page in pages:
        client.get(f"{page}?lang=ja")
    come_in("root").get("/accounts?lang=ja")
    assert missing == set()


def test_what_the_gate_says_of_a_loss_is_japanese():
    """The sentence on which a refused cycle turns."""
    loss = "Worse than the champion: −16.3 points (−25.7 to −7.3), p = 0.0028 for a loss."
    asked = "Asked was “Better on the target” on site, fault: inverter_whine."
    told = words("ja").told(f"{loss} {asked} (2 checks failed.)")
    assert "悪化の p = 0.0028" in told and "2 件" in told
    assert not any(word in told for word in ("Worse", "points", "Asked", "Better", "checks", "loss"))
    assert words("ja").told("516 new approved items") == "新たに承認された項目 516 件"
