"""The end of the tour: ask the new adapter about one sealed clip of each kind that the base was never taught."""

from __future__ import annotations

from otoloop.demo.tour import Demo, need


def ask_each_new_kind(demo: Demo) -> str:
    """One question a kind; the trace is printed with each claim ticked or crossed."""
    need("otoloop.evaluate.ask", "asking the tuned model")
    return ""
