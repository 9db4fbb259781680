import pytest

from otoloop.errors import OtoloopError
from otoloop.intake.machines import load_machines

GOOD = """
- site: osaka
  machine: pump-3
  kind: pump
  nominal_speed_rpm: 1480
  bearing: {n_balls: 9, d_ball_mm: 7.94, d_pitch_mm: 39.04}
  gears: [{n_teeth: 21}]
  n_blades: 5
  mains_hz: 50
- {site: osaka, machine: fan-1, kind: fan}
"""


def test_machines_are_read_without_empty_fields(tmp_path):
    path = tmp_path / "machines.yaml"
    path.write_text(GOOD, encoding="utf-8")
    first, second = load_machines(path)
    assert second == {"site": "osaka", "machine": "fan-1", "kind": "fan"}
    assert first["bearing"] == {"n_balls": 9, "d_ball_mm": 7.94, "d_pitch_mm": 39.04, "contact_deg": 0}
    assert first["gears"] == [{"n_teeth": 21}]


def test_no_file_and_an_empty_file_mean_no_machines(tmp_path):
    path = tmp_path / "machines.yaml"
    assert load_machines(path) == []
    path.write_text("# nothing yet\n[]\n", encoding="utf-8")
    assert load_machines(path) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: 1", "no list"),
        ("- {site: [}", "not valid YAML"),
        ("- {site: a, machine: b, kind: pmup}", "kind = 'pmup'"),
        ("- {site: a, machine: b}", "entry 1, kind"),
        ("- {site: a, machine: b, kind: pump, spede: 3}", "spede"),
        (
            "- {site: a, machine: b, kind: pump, bearing: {n_balls: -1, d_ball_mm: 1, d_pitch_mm: 2}}",
            "bearing.n_balls = -1",
        ),
        ("- {site: a, machine: b, kind: pump}\n- {site: a, machine: b, kind: fan}", "a/b stands twice"),
        ("- 3", "entry 1"),
    ],
)
def test_mistakes_are_named(tmp_path, text, why):
    path = tmp_path / "machines.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OtoloopError, match=why) as caught:
        load_machines(path)
    assert caught.value.remedy
