"""What people approved goes live: every minute, at once after an approval, or decided here with a single-use code."""

from typing import Literal

from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed, Failed, State

from otoloop.promote.decisions import decide_by_code
from otoloop.promote.promotion import promote_all
from otoloop.settings import Settings


@task(cache_policy=NO_CACHE)
def decide(code: str, decision: str, reason: str, request: str) -> str:
    """The decision of whoever made the code; not repeated, since a code counts once."""
    event = decide_by_code(Settings().workspace, code, decision, reason, request)
    return f"{event.actor} decided on {event.request}: {event.type}."


@task(retries=2, retry_delay_seconds=[5, 30], cache_policy=NO_CACHE)
def carry_out() -> list[dict]:
    """Everything that is approved and not live; done before, it is not done again."""
    return [outcome.to_json() for outcome in promote_all(Settings().workspace)]


@flow(log_prints=True)
def promote(
    code: str = "", decision: Literal["approve", "reject"] = "approve", reason: str = "", request: str = ""
) -> State:
    """Carry out what is approved; with a code of `otoloop promotions code REQUEST`, decide that request first."""
    if code:
        print(decide(code, decision, reason, request))
    done = carry_out()
    if done:
        create_table_artifact(done, key="promotions", description="What was approved, and whether it is live")
    told = [
        f"{o['version']} is live on {o['channel']}." if o["live"] else f"{o['request']}: {o['problem']}" for o in done
    ]
    print("\n".join(told) or "Nothing is approved and waiting.")
    return Completed(message=" ".join(told)) if all(o["live"] for o in done) else Failed(message=" ".join(told))
