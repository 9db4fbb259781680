"""Versions change under load: nobody's question is lost, each is answered by exactly the version that it began with."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from otoloop.errors import OtoloopError
from otoloop.evaluate import probe
from otoloop.model.bases import load_base
from otoloop.serve.engine import Engine, Limits
from otoloop.serve.lineup import Lineup
from otoloop.serve.refusals import Refusal

PROMPT = probe.prompts()[1]
WAVE = (np.random.default_rng(0).normal(size=8000) * 0.1).astype(np.float32)


@pytest.fixture
def lineup(base_folder):
    made = Lineup("prod", lambda: Engine(load_base(str(base_folder)), Limits(batch=8, wait_s=0.002, queue=500)))
    yield made
    made.close()


@pytest.fixture
def switch(lineup, versions, adapters, probes):
    return lambda n: lineup.switch(versions[n], adapters[n], probes[n])


def answer(lineup, model="otoloop", limit=3):
    version, question = lineup.ask(model, PROMPT, WAVE, limit)
    return version, question.answer.result(120).text


def until(happened):
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def test_nothing_is_live_at_first(lineup):
    with pytest.raises(Refusal) as refused:
        lineup.ask("otoloop", PROMPT, WAVE, 4)
    assert (refused.value.status, refused.value.code) == (503, "no_model") and lineup.models() == []


def test_the_alias_moves_and_names_stay(lineup, switch, versions):
    switch(0)
    one = answer(lineup)
    assert one[0] == versions[0] == answer(lineup, "prod")[0]
    switch(1)
    two = answer(lineup)
    assert two[0] == versions[1] and two[1] != one[1]
    assert answer(lineup, versions[0].name) == one
    assert [v.name for v in lineup.models()] == [versions[1].name, versions[0].name]
    with pytest.raises(Refusal, match="no model"):
        answer(lineup, versions[2].name)


def test_going_back_loads_nothing(lineup, switch, versions):
    switch(0)
    switch(1)
    lineup.switch(versions[0], None, None)
    assert answer(lineup)[0] == versions[0]


def test_the_third_version_sends_the_first_away_once_nobody_waits_for_it(lineup, switch, versions):
    switch(0)
    _, question = lineup.ask("otoloop", PROMPT, WAVE, 100)
    switch(1)
    switch(2)
    assert versions[0].name in lineup.engine.shelf.names or question.answer.done()
    assert question.answer.result(120).tokens == 100
    until(lambda: lineup.engine.shelf.names == {versions[1].name, versions[2].name})


def test_what_cannot_be_loaded_changes_nothing(lineup, switch, versions, adapters, probes):
    switch(0)
    before = answer(lineup)
    with pytest.raises(OtoloopError, match="not the one that was registered"):
        lineup.switch(versions[1], adapters[1], probes[2])
    with pytest.raises(OtoloopError, match="belongs to base"):
        lineup.switch(replace(versions[1], base_sha256="00"), adapters[1], probes[1])
    assert answer(lineup) == before and lineup.engine.shelf.names == {versions[0].name}


@pytest.mark.slow
def test_sixty_questions_in_flight_while_versions_change(lineup, switch, versions):
    switch(0)
    expected = {versions[0].name: answer(lineup)[1]}
    switch(1)
    expected[versions[1].name] = answer(lineup)[1]
    switch(0)
    found, stop = [], threading.Event()

    def client():
        while not stop.is_set():
            began, (version, text) = lineup.live, answer(lineup)
            found.append((began, version.name, text))

    clients = [threading.Thread(target=client) for _ in range(60)]
    for one in clients:
        one.start()
    for n in (1, 2):
        until(lambda: lineup.waiting() >= 50)
        held = len(found)
        switch(n)
        until(lambda held=held: len(found) >= held + 60)
    stop.set()
    for one in clients:
        one.join()
    assert len(found) >= 120
    assert {name for _, name, _ in found} == {v.name for v in versions}
    assert all(text == expected[name] for _, name, text in found if name in expected)
    assert answer(lineup)[0] == versions[2]


def test_rolled_back_to_nothing(lineup, switch):
    switch(0)
    lineup.retreat()
    with pytest.raises(Refusal, match="No version is live"):
        answer(lineup)
    switch(1)
    assert answer(lineup)
