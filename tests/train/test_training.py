"""What is taught is the trace and nothing else; shortcuts are exact; a killed run ends in the same adapter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from otoloop.outs import file_sha256, read_json
from otoloop.params import TrainParams
from otoloop.release import layout
from otoloop.train import loop
from otoloop.train.batches import MOST_DRAWS, plan, replay_share, shares
from otoloop.train.features import FeatureStore

FEW = TrainParams(steps=6, batch=4, checkpoint_every=2, rank=4, threads=1)


@pytest.fixture(scope="module")
def base(base_folder):
    from otoloop.model.bases import load_base

    return load_base(str(base_folder))


@pytest.fixture(scope="module")
def examples(base, prepared):
    from otoloop.train.examples import make_examples

    lessons = layout.read_rows(prepared / "release/items/train.parquet")
    return lessons, make_examples(base.tokenizer, lessons, FeatureStore(prepared / "work/features"))


def test_only_trace_response_and_end_mark_are_taught(base, examples):
    for lesson, example in zip(*examples, strict=True):
        _, positions, wanted = loop.supervised([example])
        assert base.tokenizer.decode(wanted) == lesson["trace"] + "<|im_end|>"
        assert positions == list(range(example.start - 1, len(example) - 1))
        before = base.tokenizer.decode(example.tokens.ids[: example.start])
        assert before.endswith("<|im_start|>assistant\n") and lesson["question"] in before


def test_training_loss_is_the_loss_of_the_stock_model(base, examples, prepared):
    """Against Qwen2-Audio's own forward on one unpadded example at a time."""
    store = FeatureStore(prepared / "work/features")
    picked = examples[1][:3]
    pad = base.tokenizer.pad_token_id
    ours = float(loop.loss_of(base.parts, pad, picked, store))
    total = count = 0.0
    for e in picked:
        from otoloop.model.embed import embeddings

        hidden, mask = embeddings(base.parts, [e.tokens], [store[e.clip]], side="right", pad=pad)
        labels = torch.tensor([e.tokens.ids])
        labels[0, : e.start] = -100
        with torch.no_grad():
            logits = base.model(inputs_embeds=hidden, attention_mask=mask).logits[0, :-1]
        total += float(torch.nn.functional.cross_entropy(logits, labels[0, 1:], reduction="sum", ignore_index=-100))
        count += e.supervised
    assert ours == pytest.approx(total / count, rel=1e-4)


def test_shortcuts_change_neither_loss_nor_gradients(base_folder, examples, prepared):
    from otoloop.model.adapters import add_adapter
    from otoloop.model.bases import load_base
    from otoloop.train.kernels import speed_up

    store = FeatureStore(prepared / "work/features")
    found = []
    for fast in (False, True):
        base = load_base(str(base_folder))
        model = add_adapter(base.model, rank=4, alpha=8, seed=1)
        for name, p in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(p, std=0.02, generator=torch.Generator().manual_seed(len(name)))
        if fast:
            speed_up(model)
        loss = loop.loss_of(loop.parts(model), base.tokenizer.pad_token_id, examples[1][:4], store)
        loss.backward()
        found.append((loss, {n: p.grad for n, p in model.named_parameters() if p.requires_grad}))
    (slow_loss, slow), (fast_loss, fast_grads) = found
    assert torch.allclose(slow_loss, fast_loss, rtol=1e-5)
    assert all(torch.allclose(slow[n], fast_grads[n], rtol=1e-3, atol=1e-6) for n in slow)


def test_only_the_language_model_learns(base_folder):
    from otoloop.model.adapters import add_adapter
    from otoloop.model.bases import load_base

    model = add_adapter(load_base(str(base_folder)).model, rank=4, alpha=8, seed=1)
    names = [n for n, p in model.named_parameters() if p.requires_grad]
    assert names and all("language_model" in n and "lora_" in n for n in names)


def train_in_child(workspace: Path, crash_at: str = "") -> int:
    code = (
        "import sys; from pathlib import Path; from otoloop.params import TrainParams; from otoloop.train import stage;"
        "stage.main(TrainParams.model_validate_json(sys.argv[1]), Path(sys.argv[2]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, FEW.model_dump_json(), str(workspace)], capture_output=True,
        env={**os.environ, "OTOLOOP_CRASH_AT": crash_at},
    )  # fmt: skip
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
    return done.returncode


@pytest.mark.slow
def test_a_run_killed_twice_ends_in_the_same_adapter(prepared, tmp_path):
    import shutil

    whole, broken = (Path(shutil.copytree(prepared, tmp_path / name)) for name in ("whole", "broken"))
    assert train_in_child(whole) == 0
    assert train_in_child(broken, "checkpoint 2") == -signal.SIGKILL
    assert train_in_child(broken, "checkpoint 4") == -signal.SIGKILL
    assert not (broken / "models/adapter").exists()
    assert train_in_child(broken) == 0
    for name in ("models/adapter/adapter_model.safetensors", "models/adapter/adapter_config.json", "plots/loss.csv",
                 "metrics/train.json"):  # fmt: skip
        assert file_sha256(whole / name) == file_sha256(broken / name), name


def test_the_stage_writes_adapter_metrics_and_losses(workspace):
    from otoloop.train import stage

    stage.main(FEW, workspace)
    assert sorted(p.name for p in (workspace / "models/adapter").iterdir()) == [
        "adapter_config.json", "adapter_model.safetensors",
    ]  # fmt: skip
    config = read_json(workspace / "models/adapter/adapter_config.json")
    assert "/" not in config["base_model_name_or_path"]
    metrics = read_json(workspace / "metrics/train.json")
    assert metrics["steps"] == 6 and metrics["examples"] == 12
    assert metrics["valid_loss_after"] < metrics["valid_loss_before"]
    assert len((workspace / "plots/loss.csv").read_text().splitlines()) == 7


def test_other_params_never_meet_the_same_checkpoints(workspace):
    from otoloop.train import stage

    stage.main(FEW, workspace)
    stage.main(FEW.model_copy(update={"seed": 8}), workspace)
    folders = [p for p in (workspace / ".otoloop/checkpoints").iterdir() if any(p.iterdir())]
    assert len(folders) == 2


def test_the_plan_depends_on_the_seed_only_and_pads_little():
    lengths = np.random.default_rng(0).integers(100, 300, 200).tolist()
    faults = ["normal"] * 180 + ["rub"] * 20
    make = lambda seed: plan(lengths, faults, batch=8, steps=50, seed=seed, balance=0.0)  # noqa: E731
    assert make(1) == make(1) != make(2)
    seen = Counter(i for step in make(1) for i in step)
    assert set(seen.values()) == {2} and len(seen) == 200
    padded = sum(max(lengths[i] for i in step) * 8 for step in make(1))
    assert padded / sum(lengths[i] for step in make(1) for i in step) < 1.1


@pytest.mark.parametrize(("balance", "rare"), [(0.0, 0.1), (1.0, 0.5)])
def test_balance_lets_rare_faults_be_drawn_more_often(balance, rare):
    faults = ["normal"] * 180 + ["rub"] * 20
    order = plan([100] * 200, faults, batch=8, steps=500, seed=1, balance=balance)
    drawn = [faults[i] for step in order for i in step]
    assert drawn.count("rub") / len(drawn) == pytest.approx(rare, abs=0.03)
    assert shares(faults, balance).mean() == pytest.approx(1.0)


@pytest.mark.parametrize(("new", "most"), [(20, MOST_DRAWS), (60, MOST_DRAWS), (400, 3.5)])
def test_few_examples_are_not_learnt_by_heart(new, most):
    """What few examples leave of the draws is replayed; enough of them get all but the wanted share."""
    order = plan([100] * (new + 140), ["a"] * (new + 140), batch=12, steps=120, seed=1, balance=0.5,
                 replayed=140, replay=0.2)  # fmt: skip
    own = sum(i < new for step in order for i in step)
    assert own / new == pytest.approx(min(MOST_DRAWS, 0.8 * 1440 / new), rel=0.06) and own / new <= most * 1.06
    assert replay_share(new, 1440, 0.2) >= 0.2


def test_a_plan_of_very_few_examples_has_smaller_batches():
    assert [len(s) for s in plan([5, 6], ["a", "b"], batch=8, steps=3, seed=0, balance=0.5)] == [2, 2, 2]
