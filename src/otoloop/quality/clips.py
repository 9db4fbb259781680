"""The suite for a batch of arriving clips: exactly the rows that break a blocking rule go to quarantine.

The limits are those of ``params.intake``; `golden_rows` stand on both sides of each of them and are judged first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from otoloop.audio.refusals import REMEDIES
from otoloop.errors import OtoloopError
from otoloop.params import IntakeParams
from otoloop.quality.engine import Checker
from otoloop.quality.release_columns import rows_of
from otoloop.quality.rules import Outcome, Rule, between, not_missing, one_of

if TYPE_CHECKING:
    import pandas as pd

MEASURES = {
    "duration_s": "too_short", "rate_hz": "rate_out_of_range", "channels": "channels_out_of_range",
    "rms_dbfs": "decode_failed", "peak_dbfs": "decode_failed", "clipped_share": "decode_failed",
    "dc_offset": "decode_failed", "dropout_s": "decode_failed", "bandwidth_share": "decode_failed",
    "snr_db": "decode_failed",
}  # fmt: skip
"""Columns a batch must have besides its key, and the code of a row where one could not be measured."""
OPTIONAL = ("speech_allowed", "time_ahead_s", "note_problem", "label")
ORDER = (
    "decode_failed", "rate_out_of_range", "channels_out_of_range", "too_short", "too_long", "not_finite", "silent",
    "clipped", "dc_offset", "dropouts", "upsampled", "low_snr", "speech_policy",
)  # fmt: skip
"""Which reason is told first when a row breaks several rules."""


@dataclass(frozen=True, slots=True)
class BatchVerdict:
    """``refused``: key -> reason codes, most important first; ``said``: (key, code) -> (sentence, remedy)."""

    refused: Mapping[Any, list[str]]
    said: Mapping[tuple[Any, str], tuple[str, str]]
    outcomes: Sequence[Outcome] = ()
    warnings: Mapping[Any, list[str]] = field(default_factory=dict)


def clips_suite(params: IntakeParams, key: str = "key") -> list[Rule]:
    """The rules for a frame with one row a clip and the columns `MEASURES` (and, where known, `OPTIONAL`)."""
    whole = Rule(
        name="the batch is not empty", expect="ExpectTableRowCountToBeBetween", arguments={"min_value": 1},
        code="decode_failed", message="The batch has {value} rows.", remedy="Nothing was decoded; run intake again.",
    )  # fmt: skip
    unique = Rule(
        name="each row stands once", expect="ExpectColumnValuesToBeUnique", column=key, code="decode_failed",
        message="{value} stands twice in the batch.", remedy="Run intake again.",
    )  # fmt: skip
    present = [not_missing(column, code, column) for column, code in MEASURES.items()]
    return [whole, unique, *present, *_shape_rules(params), *_sound_rules(params), *_context_rules()]


def _shape_rules(p: IntakeParams) -> list[Rule]:
    """Length, rate and channels."""
    return [
        between("duration_s", p.min_seconds, None, name="long enough", code="too_short",
                message=f"The recording has {{value}} s; at least {p.min_seconds:g} s are needed.",
                remedy=REMEDIES["too_short"]),
        between("duration_s", None, p.max_seconds, name="not too long", code="too_long",
                message=f"The recording has {{value}} s; at most {p.max_seconds:g} s are taken.",
                remedy=REMEDIES["too_long"]),
        between("rate_hz", p.min_rate_hz, p.max_rate_hz, name="sample rate in range", code="rate_out_of_range",
                message=f"The sample rate is {{value}} Hz; {p.min_rate_hz} to {p.max_rate_hz} Hz are taken.",
                remedy=REMEDIES["rate_out_of_range"]),
        between("channels", 1, p.max_channels, name="channels in range", code="channels_out_of_range",
                message=f"The recording has {{value}} channels; 1 to {p.max_channels} are taken.",
                remedy=REMEDIES["channels_out_of_range"]),
    ]  # fmt: skip


def _sound_rules(p: IntakeParams) -> list[Rule]:
    """What makes sound worth keeping."""
    return [
        between("rms_dbfs", p.silent_below_dbfs, None, name="not silent", code="silent",
                message=f"The level is {{value}} dBFS; below {p.silent_below_dbfs:g} dBFS counts as silence.",
                remedy=REMEDIES["silent"]),
        between("clipped_share", None, p.max_clipped_share, name="not clipped", code="clipped",
                message=f"A share of {{value}} of the samples is clipped; at most {p.max_clipped_share:g} may be.",
                remedy=REMEDIES["clipped"]),
        between("dc_offset", -p.max_dc_offset, p.max_dc_offset, name="no DC offset", code="dc_offset",
                message=f"The mean is {{value}} of full scale; at most {p.max_dc_offset:g} may be.",
                remedy=REMEDIES["dc_offset"]),
        between("dropout_s", None, p.max_dropout_s, name="no dropouts", code="dropouts",
                message=f"The sound is missing for {{value}} s; at most {p.max_dropout_s:g} s may be.",
                remedy=REMEDIES["dropouts"]),
        between("bandwidth_share", p.min_bandwidth_share, None, name="real bandwidth", code="upsampled",
                message=f"Only {{value}} of the band carries sound; at least {p.min_bandwidth_share:g} must.",
                remedy=REMEDIES["upsampled"]),
        between("snr_db", p.min_snr_db, None, name="sound above the noise", code="low_snr",
                message=f"The machine is {{value}} dB above the noise; at least {p.min_snr_db:g} dB are needed.",
                remedy=REMEDIES["low_snr"]),
        between("peak_dbfs", None, 0.5, name="within full scale", code="clipped", severity="warn",
                message="The peak is {value} dBFS, above full scale.", remedy="Check the recorder's gain."),
    ]  # fmt: skip


def _context_rules() -> list[Rule]:
    """Speech policy, clock, note and label of a clip."""
    from otoloop.reasoning.vocab import faults

    return [
        one_of("speech_allowed", [True], name="speech may be kept", code="speech_policy",
               message="People are heard and the site's policy is to drop such recordings.",
               remedy=REMEDIES["speech_policy"]),
        between("time_ahead_s", None, 86_400.0, name="not from the future", code="header_mismatch", severity="warn",
                message="The recording is dated {value} s in the future.", remedy="Set the recorder's clock."),
        one_of("note_problem", [""], name="the note reads well", code="note_invalid", severity="warn",
               message="The note cannot be used: {value}.", remedy="Send the note again."),
        one_of("label", sorted(faults()), name="the fault is a known word", code="note_invalid", severity="warn",
               message="The fault {value} is not in the vocabulary.",
               remedy="Use an id of the fault vocabulary."),
    ]  # fmt: skip


def measures_frame(rows: Iterable[tuple[Any, Mapping[str, Any]]], key: str = "key") -> pd.DataFrame:
    """A frame of (key, measures) rows; what was not measured becomes null, absent optional columns neutral."""
    import pandas as pd

    defaults = {"speech_allowed": True, "time_ahead_s": 0.0, "note_problem": "", "label": None}
    table = [{key: k, **defaults, **{c: _finite(m.get(c)) for c in MEASURES}, **_known(m)} for k, m in rows]
    frame = pd.DataFrame(table, columns=[key, *MEASURES, *OPTIONAL])
    return frame.astype({column: "float64" for column in (*MEASURES, "time_ahead_s")})


def _known(measures: Mapping[str, Any]) -> dict[str, Any]:
    return {c: measures[c] for c in OPTIONAL if measures.get(c) is not None}


def _finite(value: Any) -> float | None:
    """The number, None when there is none; infinite levels (of digital silence) become plus or minus 300 dB."""
    if not isinstance(value, int | float) or math.isnan(value):
        return None
    return max(-300.0, min(300.0, float(value))) if math.isinf(value) else float(value)


class ClipsChecker:
    """The clips suite made ready: golden rows are judged once before the first batch."""

    def __init__(self, params: IntakeParams) -> None:
        _refuse_contradictions(params)
        self.params = params
        self._checker = Checker(clips_suite(params), "key")
        self._golden = False

    def judge(self, rows: Iterable[tuple[Any, Mapping[str, Any]]]) -> BatchVerdict:
        """Judge a batch of (key, measures).

        Raises:
            OtoloopError: a check crashed, or a golden row was not judged as expected; no row may go on then.
        """
        if not self._golden:
            self._judge_golden()
        return _verdict(self._checker.run(measures_frame(rows)))

    def _judge_golden(self) -> None:
        from otoloop.quality.golden import golden_rows

        expected = {name: code for name, code, _ in golden_rows(self.params)}
        outcomes = self._checker.run(measures_frame((name, row) for name, _, row in golden_rows(self.params)))
        refused = _verdict(outcomes).refused
        for name, code in expected.items():
            found = refused.get(name, [None])[0]
            if found != code:
                remedy = "Check params.yaml, section intake: two limits contradict each other."
                raise OtoloopError(f"The golden row {name!r} was judged {found}, not {code}.", remedy)
        self._golden = True


@lru_cache(maxsize=2)
def clips_checker(params: IntakeParams) -> ClipsChecker:
    """The checker for these limits, made once a process: a watching intake judges many batches with it."""
    return ClipsChecker(params)


def _refuse_contradictions(p: IntakeParams) -> None:
    """A lower limit above its upper one would refuse everything."""
    for low, high in (("min_seconds", "max_seconds"), ("min_rate_hz", "max_rate_hz")):
        if getattr(p, low) > getattr(p, high):
            message = f"intake.{low} = {getattr(p, low):g} is above intake.{high} = {getattr(p, high):g}."
            raise OtoloopError(message, "Correct params.yaml: nothing could be admitted.")


def judge_batch(frame: pd.DataFrame, params: IntakeParams) -> dict[Any, list[str]]:
    """Key -> reason codes of exactly the rows of ``frame`` (columns key and `MEASURES`) that must not go on."""
    rows = [(row["key"], row) for row in rows_of(frame)]
    return dict(ClipsChecker(params).judge(rows).refused)


def _verdict(outcomes: Sequence[Outcome]) -> BatchVerdict:
    """Collect what each row broke; a failed blocking table rule stops the batch."""
    refused: dict[Any, list[str]] = {}
    warnings: dict[Any, list[str]] = {}
    said: dict[tuple[Any, str], tuple[str, str]] = {}
    for outcome in outcomes:
        rule = outcome.rule
        if rule.column is None and not outcome.success:
            raise OtoloopError(outcome.sentence(), rule.remedy)
        target = refused if rule.severity == "block" else warnings
        for failure in outcome.failures:
            codes = target.setdefault(failure.key, [])
            codes += [rule.code] if rule.code not in codes else []
            said.setdefault((failure.key, rule.code), (outcome.sentence(failure), rule.remedy))
    for codes in refused.values():
        codes.sort(key=ORDER.index)
    return BatchVerdict(refused, said, outcomes, warnings)
