"""One set of equations, two array libraries, the same sound; and what holds for every clip."""

import numpy as np
import pytest
import torch

from otoloop.simulate.batched import torch_render
from otoloop.simulate.physics import FAULTS
from otoloop.simulate.scenes import RowNoise, numpy_render, sample


@pytest.fixture(scope="module")
def scenes():
    return sample(np.random.default_rng(11), len(FAULTS), faults=FAULTS, split="train", seconds=1.0)


@pytest.fixture(scope="module")
def waves(scenes):
    return numpy_render(scenes)


def same_noise(seeds):
    rows = RowNoise(seeds)
    return lambda k: torch.from_numpy(rows(k))


def test_numpy_and_torch_render_the_same_sound(scenes, waves):
    assert np.abs(torch_render(scenes, "cpu", noise_of=same_noise).numpy() - waves).max() < 1e-3


def test_waves_are_finite_float32_below_full_scale(scenes, waves):
    assert waves.dtype == np.float32 and waves.shape == (len(scenes), 16_000)
    assert np.isfinite(waves).all() and np.abs(waves).max() < 1
    loud = scenes.fault != "silence"
    peak = 20 * np.log10(np.abs(waves[loud]).max(1))
    np.testing.assert_allclose(peak, scenes.truth["level_dbfs"][loud], atol=0.01)


def test_a_row_sounds_the_same_alone_and_in_a_batch(scenes, waves):
    rows = [5, 12]
    np.testing.assert_array_equal(numpy_render(scenes.take(np.array(rows))), waves[rows])


def test_silence_is_below_the_intake_limit(scenes, waves):
    quiet = waves[scenes.fault == "silence"]
    assert (20 * np.log10(np.sqrt((quiet**2).mean(1)) + 1e-9) < -70).all()


def test_torch_seed_and_int16(scenes):
    few = scenes.take(slice(0, 4))
    a, b, other = (torch_render(few, seed=s, dtype=torch.int16) for s in (1, 1, 2))
    assert a.dtype == torch.int16 and torch.equal(a, b) and not torch.equal(a, other)


@pytest.mark.gpu
def test_a_gpu_renders_the_same_sound(scenes, waves):
    def on_gpu(seeds):
        rows = same_noise(seeds)
        return lambda k: rows(k).cuda()

    assert np.abs(torch_render(scenes, "cuda", noise_of=on_gpu).cpu().numpy() - waves).max() < 1e-3
