import numpy as np
import pytest

from otoloop.evaluate.results import Result
from otoloop.evaluate.suites import Suite
from otoloop.params import GateParams

FAULTS = ("normal", "imbalance", "air_leak", "gear_wear", "valve_knock")
NEW = ("gear_wear", "valve_knock")


def make_result(n, correct=True, **change):
    fault = FAULTS[n % 5]
    wrong = "imbalance" if fault == "normal" else "normal"
    row = dict(
        id=f"i{n:05d}", item_sha256=f"d{n}", clip=f"c{n}", suite="site", cluster=f"r{n}",
        kind="with_evidence" if n % 2 else "audio_only", style="cot",
        slice={"fault": fault, "machine": f"pump-{n % 4}"},
        gold=fault, said=fault if correct else wrong, correct=bool(correct), official=bool(correct),
        format_valid=True, reading="read", consistent=True, claims=3, claims_right=3 if correct else 2, think_chars=200,
    )  # fmt: skip
    return Result(**{**row, **change})


def make_model(known, new, seed, n=1000, **change):
    """A model's results; models share half of what makes an item hard, so they agree more than by chance."""
    hard, own = np.random.default_rng(99).random(n), np.random.default_rng(seed).random(n)
    mixed = np.where(np.random.default_rng(5).random(n) < 0.5, hard, own)
    return [make_result(i, mixed[i] < (new if FAULTS[i % 5] in NEW else known), **change) for i in range(n)]


@pytest.fixture
def result():
    return make_result


@pytest.fixture
def model():
    return make_model


@pytest.fixture
def params():
    return GateParams(margin=0.05, missed_margin=0.05)


@pytest.fixture
def suites():
    return [Suite(name="site", target={"fault": NEW})]


@pytest.fixture
def results():
    """A candidate that learnt two new faults and kept the old ones."""
    return {
        "base": make_model(0.85, 0.1, 1),
        "champion": make_model(0.9, 0.4, 2),
        "candidate": make_model(0.9, 0.7, 3),
    }
