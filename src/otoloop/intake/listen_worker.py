"""A process that listens: one file after the other, for intakes of many files. See `listen.Listeners`.

It reads one JSON request a line (path, policy) and answers with one JSON line; the sound that may be kept is written
beside the file. It ends when its input does, so a killed intake leaves no process behind. It runs as
``python -m otoloop.intake.listen_worker PARAMS_JSON``.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from otoloop.audio.decode import Decoder
from otoloop.errors import OtoloopError, room_for
from otoloop.intake.listen import KEPT, Heard, hear_file
from otoloop.params import IntakeParams
from otoloop.records import Verdict


def main(params: IntakeParams) -> None:
    """Serve requests until the input ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    with Decoder(params) as decoder:
        for line in sys.stdin:
            request = json.loads(line)
            answer = _answer(decoder, Path(request["path"]), request["policy"], params)
            out.write(json.dumps(answer, allow_nan=True) + "\n")
            out.flush()


def _answer(decoder: Decoder, path: Path, policy: str, params: IntakeParams) -> dict[str, Any]:
    """What is heard, the refusal, or why neither can be told, as JSON."""
    heard = hear_file(decoder, path, policy, params)
    if isinstance(heard, Verdict):
        return {"refused": {**asdict(heard), "measures": dict(heard.measures)}}
    kept = path.with_suffix(KEPT)
    try:
        with room_for(kept.parent):
            kept.write_bytes(heard.data)
    except OtoloopError as err:  # this says nothing about the file
        return {"failed": {"message": err.message, "remedy": err.remedy}}
    return {"heard": {name: getattr(heard, name) for name in Heard.__slots__ if name != "data"}}


if __name__ == "__main__":
    main(IntakeParams.model_validate_json(sys.argv[1]))
