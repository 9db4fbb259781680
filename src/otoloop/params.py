"""params.yaml as one frozen typed tree; every stage and command gets its own section of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from otoloop.errors import OtoloopError
from otoloop.params_words import explain
from otoloop.yamlfile import read_yaml

PREFIX = r"^[a-z0-9]+(-[a-z0-9]+)*$"
LONGEST_PREFIX = 54
"""Bucket names have 3 to 63 characters; the longest ending is "-incoming"."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _switches_are_no_numbers(cls, value: Any, about: ValidationInfo) -> Any:
        """YAML reads yes, no, on and off as switches, which pydantic would take for 1 and 0."""
        kind = cls.model_fields[str(about.field_name)].annotation
        if isinstance(value, bool) and bool not in (kind, *get_args(kind)):
            raise ValueError("it is a switch")
        return value


class IntakeParams(_Section):
    """Limits a delivered file must keep (bytes, seconds, channels, Hz) and what makes audio worth keeping."""

    max_mb: float = Field(512, gt=0, le=4096)
    max_seconds: float = Field(600, gt=0, le=3600)
    min_seconds: float = Field(0.5, gt=0)
    max_channels: int = Field(8, ge=1, le=64)
    min_rate_hz: int = Field(4000, ge=1000)
    max_rate_hz: int = Field(192000, le=384000)
    silent_below_dbfs: float = Field(-70, le=0)
    max_clipped_share: float = Field(0.01, ge=0, le=1)
    max_dc_offset: float = Field(0.1, gt=0, le=1)
    max_dropout_s: float = Field(0.25, gt=0)
    min_bandwidth_share: float = Field(0.3, ge=0, le=1)
    min_snr_db: float = -15.0
    settle_s: float = Field(0, ge=0)
    decode_memory_mb: int = Field(1024, ge=64)
    decode_cpu_s: int = Field(60, ge=1)
    speech_policy: Literal["drop", "scramble", "keep"] = "keep"


class DraftParams(_Section):
    """How items and traces are made from admitted clips."""

    drafter: Literal["composer"] = "composer"
    items_per_clip: int = Field(2, ge=1, le=8)
    direct_share: float = Field(0.3, ge=0, le=1)
    evidence_share: float = Field(0.5, ge=0, le=1)
    multiple_choice_share: float = Field(0.6, ge=0, le=1)
    seed: int = 7


class ReleaseParams(_Section):
    """Splits by recording session: later sessions test, never one session in two splits."""

    test_share: float = Field(0.3, gt=0, lt=1)
    valid_share: float = Field(0.1, ge=0, lt=1)
    shard_mb: float = Field(256, gt=0)
    max_label_share: float = Field(0.9, gt=0, le=1)
    general_items: int = Field(200, ge=0)
    replay_items: int = Field(140, ge=0)


class EncodeParams(_Section):
    """Audio features: the frozen tower on valid frames only."""

    batch: int = Field(8, ge=1)


class TrainParams(_Section):
    """LoRA on the language model; only trace and response are supervised.

    ``balance``: 0 draws every item equally often, 1 every fault, so that rare and new ones count for more.
    ``replay``: share of what is drawn that comes from inputs/replay, against forgetting.
    """

    steps: int = Field(120, ge=1)
    batch: int = Field(12, ge=1)
    lr: float = Field(2e-3, gt=0)
    rank: int = Field(16, ge=1)
    alpha: int = Field(32, ge=1)
    warmup: float = Field(0.05, ge=0, lt=1)
    balance: float = Field(0.5, ge=0, le=1)
    replay: float = Field(0.2, ge=0, lt=1)
    checkpoint_every: int = Field(50, ge=1)
    seed: int = 7
    threads: int = Field(2, ge=1)


class AnswerParams(_Section):
    """Greedy generation on cached features.

    ``variants``: what the candidate is asked again, on ``variant_items`` items of the test, to see whether sound and
    thought carry its answers.
    """

    max_new_tokens: int = Field(200, ge=8)
    batch: int = Field(32, ge=1)
    variants: tuple[Literal["silent", "swapped", "direct"], ...] = ("silent",)
    variant_items: int = Field(100, ge=1)


class ScoreParams(_Section):
    """Scoring of answers; intervals by cluster bootstrap."""

    resamples: int = Field(2000, ge=100)
    seed: int = 7


class GateParams(_Section):
    """Thresholds of the gate; probabilities and shares, not percent."""

    alpha: float = Field(0.05, gt=0, lt=0.5)
    power: float = Field(0.8, gt=0.5, lt=1)
    margin: float = Field(0.03, gt=0, lt=1)
    missed_margin: float = Field(0.02, gt=0, lt=1)
    min_clusters: int = Field(120, ge=2)
    min_format_valid: float = Field(0.99, ge=0, le=1)
    resamples: int = Field(4000, ge=100)
    seed: int = 7


class RetrainParams(_Section):
    """When a cycle is due before its time: so many new items, or answers of a week called wrong at this rate or more.

    The rate counts by the lower end of its interval, and from five complaints on.
    """

    min_new_items: int = Field(300, ge=1)
    complaint_rate: float = Field(0.2, gt=0, le=1)


class PromoteParams(_Section):
    """Rules of approval: how long a request, a key and a single-use code count, and who reviewed too much to approve."""

    expire_hours: float = Field(168, gt=0)
    key_days: float = Field(365, gt=0)
    code_minutes: float = Field(30, gt=0)
    max_review_share: float = Field(0.5, ge=0, le=1)


class ReviewParams(_Section):
    """Shares of the queue that are reviewed twice or picked at random; ``answer_share``: of answers, picked at random."""

    double_share: float = Field(0.1, ge=0, le=1)
    random_share: float = Field(0.1, ge=0, le=1)
    answer_share: float = Field(0.1, ge=0, le=1)


class ServeParams(_Section):
    """The gateway: which channel it follows, what a request may bring, how requests share a pass of the model.

    ``allow_hosts``: hosts that sound may be fetched from by https, and networks (``10.2.0.0/16``) in which they may lie
    although those are private. ``keep``: sounds of known machines go on to the intake. ``threads``: of one pass; more
    help a large base only.
    """

    channel: str = Field("prod", pattern=r"^[a-z][a-z0-9_-]{0,19}$")
    max_body_mb: float = Field(16, gt=0, le=256)
    max_seconds: float = Field(30, gt=0.1, le=30)
    max_new_tokens: int = Field(300, ge=8, le=2000)
    batch: int = Field(8, ge=1, le=256)
    wait_ms: float = Field(20, ge=0, le=1000)
    queue: int = Field(64, ge=1, le=10_000)
    threads: int = Field(1, ge=1)
    allow_hosts: tuple[str, ...] = ()
    keep: bool = True


class Params(_Section):
    """The whole tree; sections carry the names of the stages and commands that read them."""

    base: str = "otoloop-mini"
    prefix: str = Field(
        "otoloop",
        pattern=PREFIX,
        max_length=LONGEST_PREFIX,
        description="up to 54 lower-case letters, digits and single dashes",
    )
    intake: IntakeParams = IntakeParams()
    draft: DraftParams = DraftParams()
    review: ReviewParams = ReviewParams()
    release: ReleaseParams = ReleaseParams()
    retrain: RetrainParams = RetrainParams()
    encode: EncodeParams = EncodeParams()
    train: TrainParams = TrainParams()
    answer: AnswerParams = AnswerParams()
    score: ScoreParams = ScoreParams()
    gate: GateParams = GateParams()
    promote: PromoteParams = PromoteParams()
    serve: ServeParams = ServeParams()


def load_params(path: Path) -> Params:
    """Read and check a params.yaml.

    Raises:
        OtoloopError: the file is missing or unreadable, or a key is unknown or out of bounds; names key, value and what is allowed.
    """
    try:
        data = read_yaml(path)
    except FileNotFoundError:
        raise OtoloopError(f"No params.yaml at {path}.", "Run `otoloop init DIR` or change into a workspace.") from None
    try:
        return Params.model_validate({} if data is None else data)
    except ValidationError as err:
        message = f"{path}: {explain(err, Params)}"
        raise OtoloopError(message, "Correct it, or remove the key for its default.") from None
