"""The general suite: taught kinds, silence and unknown sounds, on machines that no site has."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from otoloop.simulate.general import general_suite, taught

SRC = Path(__file__).parents[2] / "src"


def test_general_sounds_are_balanced_repeatable_and_rendered_as_asked_for():
    clips = list(general_suite(28, seed=5, seconds=1.0))
    assert set(Counter(c.fault for c in clips).values()) == {2}
    assert {c.fault for c in clips} == set(taught()) and {"silence", "unknown", "normal"} <= set(taught())
    assert not {"gear_wear", "valve_knock", "inverter_whine"} & set(taught())
    again = next(iter(general_suite(28, seed=5, seconds=1.0)))
    assert np.array_equal(again.wave, clips[0].wave) and again.truth == clips[0].truth
    assert len({c.id for c in clips}) == 28


def test_another_site_name_has_other_machines():
    a, b = (list(general_suite(14, seed=5, seconds=0.5, site=s)) for s in ("general", "replay"))
    assert Counter(c.fault for c in a) == Counter(c.fault for c in b)
    assert not {str(c.machine["bearing"]) for c in a} & {str(c.machine["bearing"]) for c in b}


def test_a_bare_machine_with_numpy_scipy_and_yaml_is_enough():
    code = (
        "import sys\n"
        "for name in ('pydantic', 'soundfile', 'typer', 'boto3', 'obstore', 'pandas'):\n"
        "    sys.modules[name] = None\n"
        "from otoloop.simulate import bad, deliveries, encode, general, notes, physics, scenes, site, writer\n"
        "assert 'torch' not in sys.modules\n"
        "print(len(next(iter(general.general_suite(1, 0, seconds=0.5))).wave))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(SRC)})
    assert done.stdout.strip() == "8000", done.stderr
