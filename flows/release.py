"""Every night: freeze what people approved, push and verify it, then commit and tag."""

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from otoloop.release.create import create
from otoloop.settings import Settings


@task(retries=2, retry_delay_seconds=[10, 60], cache_policy=NO_CACHE)
def freeze() -> dict | None:
    """Make the release; one that was cut off is finished first."""
    return create(Settings().workspace, say=print)


@flow(log_prints=True)
def release() -> dict | None:
    """Freeze the approved items that wait; none, no release."""
    made = freeze()
    if made is None:
        print("Nothing new is approved.")
        return None
    for warning in made["warnings"]:
        print(warning)
    rows = [{"split": split, **counts} for split, counts in made["counts"].items()]
    create_table_artifact(rows, key="release", description=f"{made['tag']} at {made['commit'][:10]}")
    return made
