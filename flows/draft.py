"""Every few minutes: admitted clips become questions with checked chains of thought."""

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from otoloop import catalog
from otoloop.due import announce
from otoloop.params import load_params
from otoloop.reasoning import draft as drafting
from otoloop.settings import Settings, state_dir


@task(retries=2, retry_delay_seconds=[5, 30], cache_policy=NO_CACHE)
def write_drafts() -> dict:
    """Draft for every labelled clip that has no items yet; what was written before stays."""
    workspace = Settings().workspace
    book = catalog.open_workspace(workspace, Settings().database_url)
    report = drafting.run(book, load_params(workspace / "params.yaml"), state_dir(workspace) / "memo" / "draft")
    return report.to_json()


@flow(log_prints=True)
def draft() -> dict:
    """Draft, then tell when enough approved items wait for a cycle."""
    report = write_drafts()
    print(f"{report['clips']} clips, {report['items']} items drafted, {report['queued']} queued for review.")
    if report["clips"]:
        rows = [{"what": k, "number": v} for k, v in report.items() if isinstance(v, int)]
        held = [{"what": f"held back: {code}", "number": n} for code, n in report["held_back"].items()]
        create_table_artifact(rows + held, key="drafts", description="What this run drafted")
    print(f"{announce(Settings().workspace)} approved items wait for a cycle.")
    return report
