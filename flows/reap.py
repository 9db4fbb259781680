"""Runs whose process and worker died together stay RUNNING for ever and block the next one: mark them as crashed.

Prefect's own advice, an automation on missing heartbeats, also kills runs that wait for a person; this one does not.
"""

from datetime import UTC, datetime, timedelta

from prefect import flow, get_client, runtime
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import FlowRun
from prefect.states import Crashed

SIGNS = ["prefect.flow-run.heartbeat", "prefect.flow-run.Running"]
MINUTES = 10
"""More than three of the heartbeats that a run sends every 180 s."""


def last_sign(client, run: FlowRun) -> datetime:
    """When a run was last heard of."""
    wanted = {"any_resource": {"id": [f"prefect.flow-run.{run.id}"]}, "event": {"name": SIGNS}}
    found = client._client.post("/events/filter", json={"filter": wanted, "limit": 1}).json()["events"]
    return max([datetime.fromisoformat(event["occurred"]) for event in found] + [run.start_time or run.created])


@flow(log_prints=True)
def reap(minutes: float = MINUTES) -> None:
    """Mark RUNNING and CANCELLING runs that nobody heard of for `minutes`; paused and suspended ones are left alone."""
    me, limit = runtime.flow_run.id, timedelta(minutes=minutes)
    wanted, rows = FlowRunFilter(state={"type": {"any_": ["RUNNING", "CANCELLING"]}}), []
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=wanted):
            silence = datetime.now(UTC) - last_sign(client, run)
            if silence > limit and str(run.id) != me:
                message = f"Nothing heard of it for {silence.seconds // 60} minutes."
                client.set_flow_run_state(run.id, Crashed(message=message), force=True)
                rows.append({"run": run.name, "flow": str(run.flow_id), "silent": str(silence).split(".")[0]})
    print(f"{len(rows)} runs marked as crashed.")
    if rows:
        create_table_artifact(rows, key="reaped", description="Runs whose process is gone")
