"""A cycle: from approved items to a verdict. Which stages, and in which order, stands in dvc.yaml."""

from prefect import flow, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed, State

from otoloop import retrain as cycle
from otoloop.due import on_schedule
from otoloop.pipeline import stage_names
from otoloop.promote import requests
from otoloop.release.create import create
from otoloop.settings import Settings
from otoloop.vcs import Repo


@task(task_run_name="freeze", retries=2, retry_delay_seconds=[10, 60], cache_policy=NO_CACHE)
def freeze() -> None:
    """A release of the approved items that wait; none, the last one stands."""
    made = create(Settings().workspace, say=print)
    print(f"Release {made['release']}: {made['counts']}" if made else "Nothing new is approved since the last release.")


@task(task_run_name="{stage}", retries=2, retry_delay_seconds=[5, 60], cache_policy=NO_CACHE)
def reproduce(stage: str) -> None:
    """One stage through `dvc repro --single-item --pull`; done before with the same inputs, it is skipped."""
    cycle.reproduce(Settings().workspace, stage, print)


@task(task_run_name="ask", retries=2, retry_delay_seconds=[5, 60], cache_policy=NO_CACHE)
def ask() -> str:
    """Register the adapter and request it where the verdict allows; a run that was cut off is made up for by the next."""
    asked = requests.after_cycle(Settings().workspace)
    return f"Request {asked.id} for {asked.event.channel}." if asked else "Nothing to request."


@flow(log_prints=True)
def retrain(first: str | None = None, last: str | None = None, new_items: int = 0, why: str = "") -> State:
    """Run a cycle, or its stages from `first` to `last` so that one pool prepares and another trains.

    `new_items` and `why` come with the event that says that a cycle is due; without, the calendar says so.
    """
    workspace = Settings().workspace
    reason = why or (f"{new_items} new approved items" if new_items else on_schedule(workspace))
    names = stage_names(workspace, first, last)
    if first is None:
        freeze()
    with Repo(workspace).lease(wait_s=600, purpose="a cycle"):
        begun = cycle.begin(workspace, reason=reason) if first is None else cycle.take_over(workspace)
        print(f"Cycle {begun.cycle}: {begun.start}. Stages: {', '.join(names)}.")
        if begun.start == "nothing new":
            return Completed(message=f"Nothing new since {begun.tag}. {ask()}")
        for stage in names:
            reproduce(stage)
        done = cycle.finish(workspace, names)
    if done.tag is None:
        cycle.hand_over(workspace, names)
        return Completed(message=f"Cycle {done.cycle} goes on after {names[-1]}.")
    create_markdown_artifact((workspace / "gate/report.md").read_text(), key="gate-report", description=done.tag)
    create_table_artifact(cycle.score_table(workspace), key="scores", description=done.tag)
    create_link_artifact((workspace / "gate/report.html").as_uri(), "The gate's report", key="gate-report-page")
    return Completed(message=f"{done.tag}: {done.verdict}. {done.reason} {ask()}")
