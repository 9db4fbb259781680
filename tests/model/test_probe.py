"""A server can tell an adapter from its base, from another one, and from one whose keys matched nothing."""

import contextlib

import pytest
import torch
from safetensors.torch import load_file, save_file

from otoloop.errors import OtoloopError
from otoloop.model import probe
from otoloop.model.adapters import add_adapter, load_adapter
from otoloop.model.bases import random_base


@pytest.fixture(scope="module")
def base():
    return random_base(0)


def adapter(base, folder, seed, size=0.2):
    model = add_adapter(base.model, rank=4, alpha=8, seed=seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(0, size, generator=torch.Generator().manual_seed(seed))
    model.save_pretrained(folder)
    model.unload()
    return folder


@pytest.fixture(scope="module")
def one(base, tmp_path_factory):
    return adapter(base, tmp_path_factory.mktemp("one"), 1)


def checked(base, folder, found, name="otoloop@v1"):
    model = load_adapter(base.model, folder)
    try:
        probe.check(base, model, found, name, contextlib.nullcontext, model.disable_adapter)
    finally:
        model.unload()


def test_the_recorded_adapter_passes_and_leaves_the_base_as_it_was(base, one):
    before = probe.logits(base, base.model, probe.prompts())
    found = probe.record(base, one)
    assert len(found["prompts"]) == len(found["logits"]) == 3
    checked(base, one, found)
    assert torch.equal(before, probe.logits(base, base.model, probe.prompts()))
    assert found == probe.record(base, one)


def test_another_adapter_is_found_out(base, one, tmp_path):
    other = adapter(base, tmp_path, 2)
    with pytest.raises(OtoloopError, match="does not answer as it did"):
        checked(base, other, probe.record(base, one))


def test_weights_that_were_not_applied_are_found_out(base, one):
    found = probe.record(base, one)
    with pytest.raises(OtoloopError, match="as the base does"):
        probe.check(base, base.model, found, "otoloop@v1", contextlib.nullcontext)


def test_an_adapter_without_effect_cannot_be_recorded(base, tmp_path):
    with pytest.raises(OtoloopError, match="as its base does"):
        probe.record(base, adapter(base, tmp_path / "faint", 3, size=1e-6))
    folder = adapter(base, tmp_path / "zero", 4)
    weights = {k: v * (0 if "lora_B" in k else 1) for k, v in load_file(folder / "adapter_model.safetensors").items()}
    save_file(weights, folder / "adapter_model.safetensors")
    with pytest.raises(OtoloopError, match="changes nothing"):
        probe.record(base, folder)


def test_a_manifest_without_probe_is_refused(base, one):
    with pytest.raises(OtoloopError, match="carries no probe"):
        checked(base, one, {})
