"""Every few minutes: what arrived in S3 becomes clips, or goes to quarantine with a reason and a remedy."""

from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_link_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from otoloop.intake import pull
from otoloop.settings import Settings

SHOWN = 200


@task(retries=2, retry_delay_seconds=[5, 30], cache_policy=NO_CACHE)
def take_in(whole: bool) -> dict:
    """Pull what is new; a retry goes on where the last attempt stopped, nothing is taken in twice."""
    report = pull.run(Settings().workspace, whole=whole)
    print(report.human(most=0))
    return report.to_json()


@flow(log_prints=True)
def intake(whole: bool = False) -> dict:
    """Take in the open days; everything once a day, or now if `whole`."""
    report = take_in(whole)
    if report["discovered"] or report["refused"]:
        counts = [{"what": k, "number": v} for k, v in report.items() if isinstance(v, int)]
        create_table_artifact(counts, key="intake", description="What this run took in")
    if report["refused"]:
        rows = [{"key": r["key"], "reason": r["reason_code"], "what to do": r["remedy"]} for r in report["refused"]]
        create_table_artifact(rows[:SHOWN], key="quarantine", description=f"{len(rows)} refused; the objects stay")
    if report["report"]:
        create_link_artifact(Path(report["report"]).absolute().as_uri(), "The intake's page", key="intake-page")
    return {k: v for k, v in report.items() if k not in ("clips", "refused")}
