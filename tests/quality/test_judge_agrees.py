"""One person's `otoloop inspect` and the batch's checks never tell different stories."""

from hypothesis import given, settings
from hypothesis import strategies as st

from otoloop.audio.quality import CHECKS, judge
from otoloop.audio.refusals import REMEDIES
from otoloop.params import IntakeParams
from otoloop.quality.clips import clips_checker
from otoloop.quality.golden import golden_rows, good_row

PARAMS = IntakeParams()
odd = {
    "duration_s": st.floats(0.01, 599), "rms_dbfs": st.floats(-300, 0), "clipped_share": st.floats(0, 1),
    "dc_offset": st.floats(-1, 1), "dropout_s": st.floats(0, 5), "bandwidth_share": st.floats(0, 1), "snr_db": st.floats(-30, 100),
}  # fmt: skip
rows = st.lists(
    st.fixed_dictionaries({}, optional=odd).map(lambda row: {**good_row(PARAMS), **row}), min_size=50, max_size=99
)


@settings(max_examples=4, deadline=None)
@given(rows)
def test_a_batch_is_judged_like_each_of_its_clips(batch):
    verdict = clips_checker(PARAMS).judge(enumerate(batch))
    for key, row in enumerate(batch):
        alone = judge(row, PARAMS)
        assert verdict.refused.get(key, [None])[0] == alone.reason_code, row
        if alone.reason_code:
            assert verdict.said[key, alone.reason_code][1] == alone.remedy == REMEDIES[alone.reason_code]


def test_every_check_of_a_file_is_a_rule_of_the_batch():
    assert {code for code, _, _ in CHECKS} <= {code for _, code, _ in golden_rows(PARAMS) if code}
