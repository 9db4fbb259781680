"""Every hour: complaints and a random tenth of the answers go to the reviewers; once a day, how it goes."""

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from otoloop import catalog
from otoloop.catalog import machines
from otoloop.catalog.tables import now
from otoloop.due import announce
from otoloop.params import load_params
from otoloop.settings import Settings
from otoloop.watch import numbers, picking

DUTY = "daily numbers"


def book() -> catalog.Catalog:
    """The workspace's catalogue."""
    return catalog.open_workspace(Settings().workspace, Settings().database_url)


@task(retries=2, retry_delay_seconds=[5, 30], cache_policy=NO_CACHE)
def pick() -> picking.Report:
    """Pick among the answers that are new; picked before, they are not picked again."""
    return picking.run(book(), load_params(Settings().workspace / "params.yaml"))


@task(retries=2, retry_delay_seconds=[5, 30], cache_policy=NO_CACHE)
def report_the_days() -> bool:
    """The numbers as artifacts, at the first run of a day, when the day before is complete; whether that was now."""
    with book().reading() as session:
        last, found = machines.mark(session, DUTY), numbers.daily(session, 7)
    if last is not None and last.date() == now().date():
        return False
    about = f"The days from {found.since} on; a new line for each version and site"
    create_table_artifact(numbers.table(found), key="numbers", description=about)
    create_table_artifact(numbers.review_table(found), key="review-numbers", description="Waiting, and time spent")
    with book().session() as session:
        machines.set_mark(session, DUTY, now())
    return True


@flow(log_prints=True)
def watch() -> dict:
    """Pick, report, and tell when a cycle is due."""
    report = pick()
    print(", ".join(f"{row['number']} {row['what']}" for row in picking.summary(report)))
    print("The numbers of the days are reported." if report_the_days() else "The numbers were reported today.")
    print(f"{announce(Settings().workspace)} approved items wait for a cycle.")
    return report.to_json()
