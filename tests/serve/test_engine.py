"""The engine: many questions a pass, each with its own adapter; a full queue says so; nobody waits for ever."""

import threading
import time

import numpy as np
import pytest
import torch

from otoloop.errors import OtoloopError
from otoloop.evaluate import probe
from otoloop.model.adapters import load_adapter
from otoloop.model.bases import random_base
from otoloop.model.features import encode
from otoloop.model.generate import generate
from otoloop.serve.engine import Engine, Limits
from otoloop.serve.refusals import Refusal
from otoloop.serve.shelf import Shelf, require_servable

PROMPT = probe.prompts()[0]


def sound(seconds=0.5, seed=0):
    return (np.random.default_rng(seed).normal(size=int(16000 * seconds)) * 0.1).astype(np.float32)


@pytest.fixture
def engine(adapters, probes):
    made = Engine(random_base(0), Limits(batch=4, wait_s=0.05, queue=6))
    for n in (0, 1):
        made.do(lambda n=n: made.shelf.add(f"v{n}", adapters[n], probes[n]))
    yield made
    made.close()


def alone(folder, wave, limit, prompt=PROMPT):
    """What the adapter alone on a base of its own answers."""
    base = random_base(0)
    model = load_adapter(base.model, folder)
    (heard,) = encode(base, [wave])
    return generate(model, base.tokenizer, [prompt], [heard], max_new_tokens=limit)[0]


def test_rows_of_one_batch_are_answered_by_their_own_adapters(engine, adapters):
    waves = [sound(0.5, 1), sound(1.3, 2), sound(0.5, 1), sound(0.9, 3)]
    asked = [engine.ask(PROMPT, w, f"v{n % 2}", 6 + n) for n, w in enumerate(waves)]
    found = [q.answer.result(60) for q in asked]
    assert {f.together for f in found} == {4}
    for n, (wave, one) in enumerate(zip(waves, found, strict=True)):
        expected = alone(adapters[n % 2], wave, 6 + n)
        assert one.text == expected.text
        assert one.confidence == pytest.approx(expected.confidence, abs=1e-3)
        assert (one.ended, one.tokens) == ("length", 6 + n)
    assert found[0].text != alone(adapters[1], waves[0], 6).text


def test_text_arrives_in_pieces_that_add_up(engine):
    pieces = []
    question = engine.ask(PROMPT, sound(), "v0", 40, pieces.append)
    written = question.answer.result(60)
    assert "".join(pieces) == written.text and len(pieces) > 5


def test_a_full_queue_says_so_and_empties(engine):
    gate = threading.Event()
    threading.Thread(target=engine.do, args=(gate.wait,)).start()
    while engine._errands:
        time.sleep(0.001)
    asked = [engine.ask(PROMPT, sound(), "v0", 2) for _ in range(6)]
    with pytest.raises(Refusal) as refused:
        engine.ask(PROMPT, sound(), "v0", 2)
    assert (refused.value.status, refused.value.code) == (503, "overloaded")
    gate.set()
    assert all(q.answer.result(60).tokens == 2 for q in asked)
    engine.require_room()


def test_a_question_that_nobody_waits_for_is_dropped(engine):
    started = threading.Event()
    question = engine.ask(PROMPT, sound(), "v0", 1500, lambda _: started.set())
    assert started.wait(60)
    question.forgotten = True
    assert engine.ask(PROMPT, sound(), "v0", 2).answer.result(60).tokens == 2
    assert len(question.ids) < 1000
    with pytest.raises(Refusal, match="Nobody waits"):
        question.answer.result(0)


def test_a_listener_that_fails_harms_nobody_else(engine):
    def gone(_):
        raise RuntimeError("the event loop is closed")

    lost, other = engine.ask(PROMPT, sound(), "v0", 20, gone), engine.ask(PROMPT, sound(), "v1", 20)
    assert other.answer.result(60).together == 2
    with pytest.raises(Refusal, match="Nobody waits"):
        lost.answer.result(60)


def test_a_failure_reaches_those_who_wait_and_no_others(engine):
    lost = engine.ask(PROMPT, sound(), "v9", 2)
    with pytest.raises(KeyError, match="v9"):
        lost.answer.result(60)
    assert engine.ask(PROMPT, sound(), "v1", 2).answer.result(60).tokens == 2
    with pytest.raises(ZeroDivisionError):
        engine.do(lambda: 1 / 0)


def test_too_long_a_prompt_is_refused(engine):
    with pytest.raises(Refusal, match="2048"):
        engine.ask(PROMPT.replace("?", " again" * 900), sound(), "v0", 100)


def test_closing_tells_those_who_wait(adapters, probes):
    made = Engine(random_base(0), Limits(batch=1, wait_s=0))
    made.shelf.add("v0", adapters[0], probes[0])
    asked = [made.ask(PROMPT, sound(), "v0", 30) for _ in range(5)]
    made.close()
    ends = [q.answer.exception(60) for q in asked]
    assert isinstance(ends[-1], Refusal) and ends[-1].status == 503
    with pytest.raises(Refusal):
        made.ask(PROMPT, sound(), "v0", 2)


def test_the_shelf_refuses_the_wrong_adapter_and_is_as_before(adapters, probes):
    shelf = Shelf(random_base(0))
    plain = probe.logits(shelf.base, shelf.model)
    with pytest.raises(OtoloopError, match="not the one that was registered"):
        shelf.add("v0", adapters[0], probes[1])
    assert not shelf.names and torch.equal(plain, probe.logits(shelf.base, shelf.model))
    shelf.add("v0", adapters[0], probes[0])
    with pytest.raises(OtoloopError, match="loaded already"):
        shelf.add("v0", adapters[1], probes[1])
    with pytest.raises(OtoloopError, match="not the one that was registered"):
        shelf.add("v1", adapters[1], probes[0])
    assert shelf.names == {"v0"}
    shelf.add("v1", adapters[1], probes[1])
    shelf.remove("v0")
    with shelf.using(["v1"]):
        one = probe.logits(shelf.base, shelf.model, probe.prompts()[:1])
    with shelf.using(["__base__"]):
        assert torch.equal(plain[:1], probe.logits(shelf.base, shelf.model, probe.prompts()[:1]))
    assert not torch.equal(plain[:1], one)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: (f / "adapter_model.bin").write_bytes(b"x"), "adapter_model.bin"),
        (lambda f: (f / "adapter_model.safetensors").unlink(), "lacks"),
        (lambda f: (f / "adapter_config.json").write_text("{"), "not JSON"),
        (lambda f: _edit(f, '"LORA"', '"LOHA"'), "peft_type"),
        (lambda f: _edit(f, '"modules_to_save": null', '"modules_to_save": ["lm_head"]'), "modules_to_save"),
        (lambda f: _edit(f, '"auto_mapping": null', '"auto_mapping": {"x": "y"}'), "auto_mapping"),
        (lambda f: _edit(f, '"r": 4', '"r": 4000'), "r in a way"),
        (lambda f: _edit(f, ".*language_model", ".*audio_tower"), "target_modules"),
    ],
)
def test_only_plain_adapters_are_served(adapters, tmp_path, change, words):
    import shutil

    folder = shutil.copytree(adapters[0], tmp_path / "a")
    require_servable(folder)
    change(folder)
    with pytest.raises(OtoloopError, match=words):
        require_servable(folder)


def _edit(folder, old, new):
    path = folder / "adapter_config.json"
    text = path.read_text()
    assert old in text, text
    path.write_text(text.replace(old, new))
