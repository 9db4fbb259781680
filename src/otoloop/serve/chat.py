"""What a request asks: an OpenAI chat body, read into one question about one sound.

Beside the keys of that API it may carry ``machine`` (its entry in machines.yaml), ``sensors``, ``choices``,
``evidence`` (false: the model is told no measured facts) and ``style`` (cot or direct).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from otoloop.reasoning.items import LETTERS
from otoloop.serve.refusals import Refusal

MAX_TEXT = 2000
SPECIAL = "<|"
"""How a base's control tokens begin; a question that holds one could end its own prompt."""
SensorName = Literal["speed_rpm", "vibration_rms_mm_s", "current_a", "temperature_c"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Inline(_Part):
    """Sound inside the request."""

    data: str
    format: Literal["wav", "mp3", "flac"]


class Link(_Part):
    """Sound by address: ``data:``, ``https:`` or ``s3:``."""

    url: str = Field(min_length=1)


class TextPart(_Part):
    """Words."""

    type: Literal["text"]
    text: str


class InlinePart(_Part):
    """A content part that holds sound."""

    type: Literal["input_audio"]
    input_audio: Inline


class LinkPart(_Part):
    """A content part that names sound."""

    type: Literal["audio_url"]
    audio_url: Link


Part = Annotated[TextPart | InlinePart | LinkPart, Field(discriminator="type")]


def _as_parts(content: Any) -> Any:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


class Message(_Part):
    """One turn."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[list[Part] | None, BeforeValidator(_as_parts)] = None


class StreamOptions(_Part):
    """What a stream carries beside the words."""

    include_usage: bool = False


class Body(_Part):
    """The request; keys of the API that do not matter to us are ignored."""

    model: str = "otoloop"
    messages: list[Message] = Field(min_length=1, max_length=100)
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()
    n: Literal[1] | None = None
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    user: str = Field("", max_length=200)
    machine: str | None = Field(None, max_length=300)
    sensors: dict[SensorName, float] = {}
    choices: list[str] = Field([], max_length=len(LETTERS))
    evidence: bool = True
    style: Literal["cot", "direct"] = "cot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One question about one sound, and how it is to be answered; ``sound`` is None when the request brings none."""

    model: str
    question: str
    sound: Inline | Link | None
    choices: tuple[str, ...] = ()
    machine: str | None = None
    sensors: dict[str, float]
    evidence: bool = True
    style: Literal["cot", "direct"] = "cot"
    limit: int | None = None
    stream: bool = False
    usage: bool = False
    user: str = ""


def read(data: bytes) -> Ask:
    """Read a request body.

    System messages are not read: the base was taught one system text of its own. A follow-up without sound is about
    the last sound before it.

    Raises:
        Refusal: 400, it is not JSON, not such a request, or holds no question.
    """
    try:
        body = Body.model_validate_json(data)
    except ValidationError as err:
        raise _explained(err) from None
    said = [m for m in body.messages if m.role == "user"]
    question = _words(said[-1]) if said else ""
    texts = [question, *body.choices]
    if not question:
        raise _wrong("messages", "The last user message holds no text.", "Add a content part of type text.")
    if any(SPECIAL in text for text in texts):
        raise _wrong("messages", f"The question holds {SPECIAL!r}, which begins a control token.", "Leave it out.")
    if sum(map(len, texts)) > MAX_TEXT:
        raise _wrong("messages", f"The question has more than {MAX_TEXT} characters.", "Shorten it.")
    return Ask(
        model=body.model, question=question, sound=_sound(said), choices=tuple(body.choices), machine=body.machine,
        sensors={str(k): v for k, v in body.sensors.items()}, evidence=body.evidence, style=body.style,
        limit=body.max_completion_tokens or body.max_tokens, stream=body.stream,
        usage=body.stream_options.include_usage, user=body.user,
    )  # fmt: skip


def _words(message: Message) -> str:
    return "\n".join(p.text.strip() for p in message.content or () if isinstance(p, TextPart)).strip()


def _sound(said: list[Message]) -> Inline | Link | None:
    """The sound of the newest user message that brings one."""
    for message in reversed(said):
        sounds = [p for p in message.content or () if not isinstance(p, TextPart)]
        if len(sounds) > 1:
            raise _wrong("messages", f"A message brings {len(sounds)} sounds.", "Ask about one sound at a time.")
        if sounds:
            return sounds[0].input_audio if isinstance(sounds[0], InlinePart) else sounds[0].audio_url
    return None


def _wrong(param: str, message: str, remedy: str) -> Refusal:
    return Refusal(400, "invalid_request", message, remedy, param)


def _explained(err: ValidationError) -> Refusal:
    """The first problem of a body."""
    problem: Any = err.errors(include_url=False)[0]
    if problem["type"] == "json_invalid":
        return Refusal(
            400, "invalid_json", f"The body is not JSON: {problem['msg']}.", "Send one JSON object in UTF-8."
        )
    where = ".".join(str(part) for part in problem["loc"]) or "body"
    return _wrong(where, f"`{where}`: {problem['msg']}.", "Correct it; docs/serving.md lists what a request may carry.")
