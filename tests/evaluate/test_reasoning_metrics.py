import pytest

from otoloop.evaluate.reasoning_metrics import claim_accuracy, metrics, variants
from otoloop.evaluate.results import Result
from otoloop.params import ScoreParams

PARAMS = ScoreParams(resamples=200)


def result(n, **change):
    row = dict(
        id=f"i{n}", item_sha256="x", clip=f"c{n}", suite="site", cluster=f"r{n // 2}", kind="audio_only", style="cot",
        slice={"fault": "rub"}, gold="rub", said="rub", correct=True, official=True, format_valid=True, reading="read",
        consistent=True, claims=2, claims_right=2, think_chars=100,
    )  # fmt: skip
    return Result(**{**row, **change})


def test_claims_are_counted_per_kind_and_clustered():
    rows = [result(n, claims_right=1 if n % 4 == 0 else 2) for n in range(60)]
    rows += [result(n, kind="with_evidence", claims=0, claims_right=0) for n in range(60, 70)]
    found = claim_accuracy(rows, PARAMS)
    assert list(found) == ["audio_only"]
    assert found["audio_only"]["accuracy"] == pytest.approx(105 / 120) and found["audio_only"]["n"] == 120
    low, high = found["audio_only"]["ci95"]
    assert 0.8 < low < 0.875 < high < 0.95
    assert claim_accuracy(rows[60:], PARAMS) is None


def test_right_for_the_wrong_reason():
    rows = [result(0), result(1, claims_right=1), result(2, consistent=False), result(3, correct=False, claims_right=0)]
    rows.append(result(4, style="direct", consistent=None, claims=0, claims_right=0))
    found = metrics(rows, PARAMS)
    assert found["right_for_wrong_reason"]["value"] == pytest.approx(2 / 3)
    assert found["consistency"]["value"] == pytest.approx(3 / 4)
    assert found["accuracy_by_style"]["direct"] == {"value": 1.0, "ci95": pytest.approx([0, 1], abs=0.02), "n": 1}


def test_a_model_that_does_not_listen_gains_nothing_from_the_sound():
    real = [result(n) for n in range(40)]
    deaf = {"m": real, "m@silent": real, "m@mistake": [result(n, said="hum", correct=False) for n in range(40)]}
    found = variants(deaf, "m", PARAMS)
    assert found["silent"]["contribution"]["value"] == 0 and found["silent"]["changed"]["value"] == 0
    assert found["mistake"]["changed"]["value"] == 1 and found["mistake"]["n"] == 40
    assert "swapped" not in found


def test_nothing_in_nothing_out():
    found = metrics([], PARAMS)
    assert found["format_valid"] is None and found["accuracy_by_style"] == {} and found["mean_think_chars"] is None
    assert variants({"m": [result(1)], "m@silent": []}, "m", PARAMS)["silent"]["contribution"] is None
