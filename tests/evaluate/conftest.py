import json

import pytest

FAULTS = ("normal running", "gear tooth wear", "cavitation", "rotor rub")


def thought(answer, letter, caption="Most energy lies in the low band."):
    return (
        f"<THINK><PLANNING>Listen.</PLANNING><CAPTION>{caption}</CAPTION><REASONING>It fits {answer}.</REASONING>"
        f"<SUMMARY>So it is {answer}.</SUMMARY></THINK><RESPONSE>{answer} ({letter})</RESPONSE>"
    )


def write_lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
    return path


@pytest.fixture
def rows():
    """Items about forty recordings of two clips each, with measured evidence on every other one."""
    measured = {"band": {"value": "low", "uncertainty": 0.0, "reliable": True},
                "speed_rpm": {"value": 1480.0, "uncertainty": 2.0, "reliable": True}}  # fmt: skip
    return [
        {
            "id": f"i{n:03d}", "clip": f"c{n}", "question": "What is this noise?", "choices": list(FAULTS),
            "answer": FAULTS[n // 2 % 4], "answer_letter": "abcd"[n // 2 % 4],
            "kind": "with_evidence" if n % 2 else "audio_only", "style": "cot",
            "slice": {"site": "plant", "machine": f"pump-{n % 3}", "session": str(n // 2)},
            "measured": measured,
        }
        for n in range(80)
    ]  # fmt: skip


@pytest.fixture
def answer_of():
    return thought


@pytest.fixture
def lines():
    return write_lines
