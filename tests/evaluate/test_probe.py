from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from otoloop.errors import OtoloopError
from otoloop.evaluate import probe
from otoloop.model import adapters
from otoloop.model.bases import Base, random_base


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    """Threads of several test runs would fight for the cores."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of the random base with weights that do something."""
    import torch

    model = adapters.add_adapter(random_base(0).model, rank=4, alpha=8, seed=1)
    torch.manual_seed(2)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.3)
    folder = tmp_path_factory.mktemp("adapter")
    model.save_pretrained(str(folder), save_embedding_layers=False)
    return folder


def loaded(adapter: Path) -> tuple[Base, Any, Any]:
    base = random_base(0)
    plain = probe.logits(base, base.model)
    return base, plain, adapters.load_adapter(base.model, adapter)


def test_the_recorded_adapter_is_known_again_and_the_base_is_not(adapter: Path) -> None:
    base, plain, model = loaded(adapter)
    recorded = probe.Probe.from_json(probe.record(base, plain, model).to_json())
    assert probe.effect(recorded.logits, recorded.base_logits) > probe.LEAST
    assert probe.check(base, model, recorded) == 0
    with model.disable_adapter(), pytest.raises(OtoloopError, match="not the one that was registered"):
        probe.check(base, model, recorded)
    assert probe.check(base, model.merge_and_unload(), recorded) < 0.01, "merged, it is the same"


def test_another_adapter_is_not_taken_for_it(adapter: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    base, plain, model = loaded(adapter)
    recorded = probe.record(base, plain, model)
    other = Path(shutil.copytree(adapter, tmp_path / "other"))
    file = other / "adapter_model.safetensors"
    save_file({k: -v if "lora_B" in k else v for k, v in load_file(file).items()}, file)
    base, _, model = loaded(other)
    with pytest.raises(OtoloopError, match="not the one that was registered"):
        probe.check(base, model, recorded)


def test_an_adapter_that_does_nothing_is_not_registered() -> None:
    base = random_base(0)
    plain = probe.logits(base, base.model)
    model = adapters.add_adapter(base.model, rank=4, alpha=8, seed=1)
    with pytest.raises(OtoloopError, match="changes nothing"):
        probe.record(base, plain, model)
