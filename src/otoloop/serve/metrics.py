"""What the gateway tells Prometheus; one registry a gateway, so that several may live in one process."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from otoloop.serve.answering import Answer
from otoloop.serve.lineup import Lineup
from otoloop.serve.watching import Watcher

_SECONDS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)
ROUTES = ("/v1/chat/completions", "/v1/models", "/v1/feedback", "/health", "/ready", "/metrics")


class Metrics:
    """Counts, times and states of a gateway."""

    def __init__(self, lineup: Lineup, watcher: Watcher) -> None:
        """States are read when somebody asks for them."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "otoloop_requests", "Requests by route and status.", ["route", "status"], registry=self.registry
        )
        self.refusals = Counter("otoloop_refusals", "Refused requests by code.", ["code"], registry=self.registry)
        self.answers = Counter("otoloop_answers", "Answers by version.", ["version"], registry=self.registry)
        self.invalid = Counter("otoloop_invalid_traces", "Answers that are no trace.", registry=self.registry)
        self.claims = Counter("otoloop_claims", "Claims by how they fared.", ["status"], registry=self.registry)
        self.tokens = Counter("otoloop_tokens", "Tokens written.", registry=self.registry)
        self.feedback = Counter("otoloop_feedback", "Feedback by verdict.", ["verdict"], registry=self.registry)
        self.seconds = Histogram(
            "otoloop_answer_seconds", "From request to answer.", registry=self.registry, buckets=_SECONDS
        )
        states = (
            ("otoloop_queue_length", "Questions in waiting.", lineup.waiting),
            ("otoloop_swaps", "Versions that went live.", lambda: watcher.swaps),
            ("otoloop_swap_failures", "Looks at the registry that failed.", lambda: watcher.failures),
        )
        for name, words, value in states:
            Gauge(name, words, registry=self.registry).set_function(value)
        self._live = Gauge("otoloop_live", "1 for the live version.", ["channel", "version"], registry=self.registry)
        self._lineup = lineup

    def requested(self, path: str, status: int) -> None:
        """Count a request; paths that are none of ours count as one."""
        self.requests.labels(path if path in ROUTES else "other", status).inc()

    def answered(self, answer: Answer, seconds: float) -> None:
        """Count an answer."""
        self.answers.labels(answer.asked.version).inc()
        self.seconds.observe(seconds)
        self.tokens.inc(answer.tokens)
        self.invalid.inc(not answer.details["valid"])
        for status, count in answer.details["claim_counts"].items():
            self.claims.labels(status).inc(count)

    def text(self) -> bytes:
        """Everything in Prometheus' text form."""
        self._live.clear()
        live = self._lineup.live
        if live is not None:
            self._live.labels(self._lineup.channel, live.name).set(1)
        return generate_latest(self.registry)
