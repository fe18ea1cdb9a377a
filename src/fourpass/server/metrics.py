"""Counts for Prometheus, read from the server's own when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

METRICS_TYPE = CONTENT_TYPE_PLAIN_0_0_4


def metrics_text(app: FastAPI) -> bytes:
    """Return the counts of a server in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(_Counts(app))
    return bytes(generate_latest(registry))


class _Counts:
    def __init__(self, app: FastAPI) -> None:
        self._state: Any = app.state

    def collect(self) -> Iterable[Metric]:
        state = self._state
        requests = CounterMetricFamily("fourpass_requests", "Requests answered.", labels=["method", "status"])
        for (method, status), count in sorted(state.guard().answered.items()):
            requests.add_metric([method, str(status)], count)
        over = CounterMetricFamily("fourpass_jobs", "Jobs that are over.", labels=["state"])
        for name, count in sorted(state.jobs.counts.items()):
            over.add_metric([name], count)
        yield requests
        yield over
        yield GaugeMetricFamily("fourpass_jobs_waiting", "Jobs queued or being uploaded.", state.jobs.waiting)
        yield GaugeMetricFamily("fourpass_jobs_running", "Jobs that workers are at.", state.jobs.running)
        yield CounterMetricFamily("fourpass_job_seconds", "Time that workers spent on jobs.", state.jobs.seconds)
        yield CounterMetricFamily("fourpass_output_pixels", "Pixels made.", state.jobs.pixels)
        yield GaugeMetricFamily("fourpass_workers", "Workers alive.", state.pool.alive)
        replaced = state.pool.replaced + state.previews.pool.replaced
        yield CounterMetricFamily("fourpass_workers_replaced", "Workers that died or were stopped.", replaced)
