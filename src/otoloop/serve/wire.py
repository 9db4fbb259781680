"""The shapes of the OpenAI chat API, with an ``otoloop`` object beside its keys."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from typing import Any

from otoloop.serve.answering import Answer
from otoloop.serve.lineup import ALIAS, Version

PREFIX = "chatcmpl-"
DONE = b"data: [DONE]\n\n"


def completion(answer: Answer) -> dict[str, Any]:
    """The answer of a request that does not stream."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.asked.trace}
    if answer.details.get("declined"):
        message["refusal"] = answer.asked.response
    choice = {"index": 0, "message": message, "finish_reason": answer.ended, "logprobs": None}
    return {
        "id": PREFIX + answer.asked.answer_id, "object": "chat.completion", "created": int(time.time()),
        "model": answer.asked.version, "choices": [choice], "usage": usage(answer), "otoloop": about(answer),
    }  # fmt: skip


def usage(answer: Answer) -> dict[str, int]:
    """Tokens read and written."""
    total = answer.prompt_tokens + answer.tokens
    return {"prompt_tokens": answer.prompt_tokens, "completion_tokens": answer.tokens, "total_tokens": total}


def about(answer: Answer) -> dict[str, Any]:
    """What the API has no words for: trace, response, confidence, every claim against the sound."""
    return dict(_finite({**answer.details, **answer.asked.to_json()}))


def event(data: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(data, ensure_ascii=False, allow_nan=False).encode() + b"\n\n"


def chunk(stream_id: str, model: str, delta: dict[str, Any], ended: str | None = None, **more: Any) -> bytes:
    """One piece of a stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": ended, "logprobs": None}
    return event(
        {"id": stream_id, "object": "chat.completion.chunk", "created": int(time.time()), "model": model,
         "choices": [choice], **more}
    )  # fmt: skip


def last_chunk(stream_id: str, answer: Answer) -> bytes:
    """The tokens of a whole stream: a piece without choices."""
    return event(
        {"id": stream_id, "object": "chat.completion.chunk", "created": int(time.time()),
         "model": answer.asked.version, "choices": [], "usage": usage(answer)}
    )  # fmt: skip


def models(versions: Sequence[Version], created: int) -> dict[str, Any]:
    """The list of models: the alias, then the versions that can be asked for by name."""
    rows = [_model(ALIAS, versions[0], created)] if versions else []
    rows += [_model(v.name, v, created) for v in versions]
    return {"object": "list", "data": rows}


def _model(name: str, version: Version, created: int) -> dict[str, Any]:
    return {
        "id": name, "object": "model", "created": created, "owned_by": "otoloop", "root": version.name,
        "parent": version.base, "otoloop": {"version": version.version, "sha256": version.sha256,
        "release": version.release, "cycle": version.cycle},
    }  # fmt: skip


def _finite(value: Any) -> Any:
    """JSON knows no NaN."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
