"""Approving on a page: evidence and examples are shown, rules of the registry hold, decisions are the approver's own."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from otoloop.promote import decisions, enrol, keys, promotion, versions
from otoloop.promote.registry import BUCKET, open_registry
from otoloop.vcs import Repo
from otoloop.vcs.run import git

from .conftest import PASSWORD
from .cycle import finish, request


@pytest.fixture
def mori(come_in):
    """An approver's browser."""
    return come_in("mori")


def fields(page):
    """The hidden fields of the form that decides."""
    form = page[page.index('id="decide"') :]
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))


def decide(browser, act, **more):
    page = browser.get("/promotions/v1").text
    return browser.post("/promotions/v1-2", data={**fields(page), "act": act, **more})


def state(site, name="v1-2"):
    return open_registry(site).ledger().requests[name].state(datetime.now(UTC))


def test_a_request_shows_its_evidence_and_examples_with_sound_and_both_traces(mori, asked, client):
    listed = mori.get("/promotions").text
    assert "v1</a>" in listed and "<b>1</b> open" in listed and "the base answers" in listed
    page = mori.get("/promotions/v1-2").text
    assert "v1 for prod" in page and asked.pack_sha256[:16] in page and "mika, rei" in page and "rei" in page
    assert page.count('class="example"') == 5 and "<audio controls" in page and '<mark class="confirmed"' in page
    assert "candidate</h3>" in page and "base</h3>" in page and 'id="decide"' in page
    assert 'id="decide"' not in client.get("/promotions/v1-2").text  # a reviewer looks, and has no form
    assert mori.get("/promotions/v9").status_code == 404


def test_an_approver_signs_with_their_key_and_password_and_it_goes_live(mori, asked, site):
    enrol.add(site, "mori")
    assert "Your password, to sign" in mori.get("/promotions/v1-2").text
    wrong = decide(mori, "approve", secret="not my password")
    assert wrong.status_code == 422 and "is wrong" in wrong.text and state(site) == "open"
    assert "Your password" in decide(mori, "approve").text  # none at all
    done = decide(mori, "approve", secret=PASSWORD, reason="heard ten of them")
    assert done.headers["location"] == "/promotions/v1-2?done=approve"
    page = mori.get(done.headers["location"]).text
    assert "It goes live within a minute" in page and "heard ten of them" in page and 'id="decide"' not in page
    event = open_registry(site).events()[-1]
    assert (event.type, event.actor, event.fields["pack_sha256"]) == ("approve", "mori", asked.pack_sha256)
    assert event.signature and state(site) == "approved"
    (outcome,) = promotion.promote_all(site)
    assert outcome.live, outcome.problem
    home = mori.get("/").text
    assert "v1 on prod" in home and "approved by mori" in home and "No version has been approved" not in home
    assert state(site) == "promoted" and "1 went live" in home


def test_a_sealed_key_asks_for_its_passphrase(mori, asked, site):
    enrol.add(site, "mori", passphrase="open sesame")
    assert "Passphrase of your key" in mori.get("/promotions/v1").text
    assert "does not open" in decide(mori, "approve", secret=PASSWORD).text
    assert decide(mori, "approve", secret="open sesame").status_code == 303 and state(site) == "approved"


@pytest.mark.slow
def test_a_key_elsewhere_decides_by_a_code_of_ones_own(mori, asked, site, monkeypatch, tmp_path):
    monkeypatch.setenv("OTOLOOP_KEYS", str(tmp_path / "elsewhere"))
    for name in ("mori", "kim"):
        enrol.add(site, name)
    mine, theirs = (decisions.new_code(site, "v1-2", keys.unlock(name)) for name in ("mori", "kim"))
    monkeypatch.setenv("OTOLOOP_KEYS", str(tmp_path / "here"))
    assert "otoloop promotions code v1-2 --as mori" in mori.get("/promotions/v1-2").text
    for bad in (theirs, "ABCD-EFGH-IJKL-MNOP", ""):
        refused = decide(mori, "approve", secret=bad)
        assert refused.status_code == 422 and "never given to you" in refused.text and state(site) == "open"
    assert decide(mori, "approve", secret=mine).status_code == 303
    assert state(site) == "approved" and open_registry(site).events()[-1].actor == "mori"


@pytest.mark.slow
def test_owner_and_main_reviewer_may_only_reject(come_in, door, asked, site):
    for name in ("mika", "rei"):
        door.accept(door.add(name, ["approver"]), PASSWORD)
        enrol.add(site, name)
        browser = come_in(name)
        assert "You may not approve this one" in browser.get("/promotions/v1").text
        refused = decide(browser, "approve", secret=PASSWORD)
        assert refused.status_code == 422 and f"{name} may not approve" in refused.text and state(site) == "open"


def test_rejecting_needs_a_reason_which_stands_on_the_home_page(mori, asked, site):
    enrol.add(site, "mori")
    assert "needs a reason" in decide(mori, "reject", secret=PASSWORD).text and state(site) == "open"
    assert decide(mori, "reject", secret=PASSWORD, reason="misses <b>rubs</b>").status_code == 303
    assert state(site) == "rejected" and "misses &lt;b&gt;rubs&lt;/b&gt;" in mori.get("/").text
    again = mori.post("/promotions/v1-2", data={**fields_of_any(mori), "act": "approve", "secret": PASSWORD})
    assert again.status_code == 422 and "was rejected by mori" in again.text


def fields_of_any(browser):
    return {"csrf": re.search(r'name="csrf" value="(\w+)"', browser.get("/").text).group(1)}


def test_a_decision_on_replaced_evidence_is_refused(mori, asked, site, book):
    enrol.add(site, "mori")
    seen = fields(mori.get("/promotions/v1-2").text)
    finish(site, book, number=2, verdict="pass")
    newer = request(site)
    late = mori.post(f"/promotions/{newer.id}", data={**seen, "act": "approve", "secret": PASSWORD})
    assert late.status_code == 422 and "The evidence you looked at" in late.text and state(site, newer.id) == "open"


def test_an_expired_request_has_no_form_and_takes_no_decision(mori, site, book, stored, repo):
    finish(site, book, verdict="pass")
    request(site, expires_in=timedelta(seconds=-1))
    enrol.add(site, "mori")
    assert "expired" in mori.get("/promotions/v1").text and 'id="decide"' not in mori.get("/promotions/v1").text
    late = mori.post("/promotions/v1-2", data={**fields_of_any(mori), "act": "approve", "secret": PASSWORD})
    assert late.status_code == 422 and "has expired" in late.text


def test_evidence_that_contradicts_git_is_told_and_not_approved(mori, asked, site):
    enrol.add(site, "mori")
    registry = open_registry(site)
    assert "git" not in mori.get("/promotions/v1").text.split('class="lead"')[1]
    told = json.dumps({**registry.pack("v1", asked.pack_sha256), "reason": "Much better."}).encode()
    fields = {**asked.event.fields, "pack_sha256": versions.keep_pack(registry, "v1", told)}
    event = registry.append("request", "mika", "v1", **fields)
    page = mori.get("/promotions/v1").text
    assert "not what git has at its commit" in page and "reason</p>" in page
    assert "コミットの内容と一致しません" in mori.get("/promotions/v1?lang=ja").text
    sent = {**fields_of_any(mori), "act": "approve", "secret": PASSWORD}
    refused = mori.post(f"/promotions/v1-{event.seq}", data=sent)
    assert refused.status_code == 422 and "一致しません。違うところ：reason" in refused.text


def test_a_clone_without_the_cycle_says_what_it_cannot_show(mori, asked, site):
    git(site, "tag", "--delete", "cycle/0001")
    page = mori.get("/promotions/v1").text
    assert "Its examples cannot be shown: There is no finished cycle 1." in page and "None." not in page
    assert "実例を表示できません。 完了したサイクル 1 はありません。" in mori.get("/promotions/v1?lang=ja").text


def test_evidence_that_was_changed_cannot_be_approved(mori, asked, site, stored):
    enrol.add(site, "mori")
    sent = fields(mori.get("/promotions/v1-2").text)
    key = next(one.key for one in stored.list(BUCKET) if asked.pack_sha256 in one.key)
    stored.put(BUCKET, key, b"{}")
    page = mori.get("/promotions/v1-2").text
    assert "The evidence cannot be shown" in page and 'id="decide"' not in page
    refused = mori.post("/promotions/v1-2", data={**sent, "act": "approve", "secret": PASSWORD})
    assert refused.status_code == 422 and state(site) == "open"


def test_guessing_the_password_of_a_key_is_slowed_down(mori, asked, site):
    enrol.add(site, "mori")
    for _ in range(5):
        assert "is wrong" in decide(mori, "approve", secret="a guess").text
    assert "Too many wrong passwords" in decide(mori, "approve", secret=PASSWORD).text and state(site) == "open"


@pytest.mark.slow
def test_what_is_live_is_taken_back_with_a_reason(mori, asked, site, book):
    enrol.add(site, "mori")
    decide(mori, "approve", secret=PASSWORD)
    promotion.promote_all(site)
    token = fields_of_any(mori)
    first = mori.post("/promotions", data={**token, "channel": "prod", "reason": "calls fans faulty"})
    assert first.status_code == 422 and "is the first version on prod" in first.text
    finish(site, book, number=2, verdict="pass")
    newer = request(site)
    decisions.approve(site, newer.id, keys.unlock("mori"))
    promotion.promote_all(site)
    assert open_registry(site).pointer("prod").version == "v2"
    assert mori.post("/promotions", data={**token, "channel": "prod", "reason": " "}).status_code == 422
    assert mori.post("/promotions", data={**token, "channel": "prod", "reason": "calls fans faulty"}).status_code == 303
    assert open_registry(site).pointer("prod").version == "v1"
    assert open_registry(site).events()[-1].actor == "mori"


def test_a_cycle_links_to_its_request_and_an_answer_to_its_approver(mori, asked, site, book):
    from otoloop.catalog import answers

    enrol.add(site, "mori")
    decide(mori, "approve", secret=PASSWORD)
    promotion.promote_all(site)
    assert 'href="/promotions/v1-2">v1</a>' in mori.get("/cycles/1").text
    sha = open_registry(site).manifest("v1").adapter_sha256
    with book.session() as session:
        answers.add_answer(session, "a1", question="?", output="x", version=f"otoloop@v1-{sha[:8]}", sha=sha)
    page = mori.get("/answers/a1/lineage").text
    assert "approved by mori" in page and 'href="/cycles/1"' in page and 'href="/promotions/v1"' in page
    assert Repo(site).commit_of("cycle/0001")[:10] in page
