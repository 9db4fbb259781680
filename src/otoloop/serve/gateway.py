"""The gateway: the OpenAI chat API over the live version of a channel, with feedback, health and metrics."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.middleware.trustedhost import TrustedHostMiddleware

from otoloop import catalog
from otoloop.errors import OtoloopError
from otoloop.params import Params, load_params
from otoloop.serve import chat, feedback, wire
from otoloop.serve.answering import Answer, Desk, Prepared
from otoloop.serve.decline import about_feelings
from otoloop.serve.ears import Ears
from otoloop.serve.guards import BodyCap, Counted, add_refusals, key_check, require_json
from otoloop.serve.lineup import Lineup
from otoloop.serve.metrics import Metrics
from otoloop.serve.refusals import INTERNAL, body
from otoloop.serve.sources import Sources
from otoloop.serve.watching import Watcher
from otoloop.settings import Settings

if TYPE_CHECKING:
    from otoloop.serve.engine import Engine

log = logging.getLogger("otoloop.serve")
HOSTS = ("127.0.0.1", "localhost", "[::1]")


class Gateway:
    """The parts of a running gateway."""

    def __init__(self, workspace: Path, params: Params, channel: str) -> None:
        """Open catalogue and decoders; the base is loaded when the channel has a version."""
        self.params = params.serve
        self.settings = Settings()
        self.book = catalog.open_workspace(workspace, self.settings.database_url)
        self.lineup = Lineup(channel, lambda: _open_engine(params))
        self.watcher = Watcher(workspace, self.lineup)
        self.metrics = Metrics(self.lineup, self.watcher)
        self.ears = Ears(params.intake, params.serve)
        sources = Sources(workspace, params.serve, params.prefix)
        self.desk = Desk(workspace, params.serve, self.book, self.lineup, sources, self.ears)
        self.since = int(time.time())

    def close(self) -> None:
        """End threads and children."""
        self.watcher.stop()
        self.lineup.close()
        self.ears.close()
        self.book.close()

    def counted(self, prepared: Prepared | None, answer: Answer) -> Answer:
        """The same answer, counted."""
        self.metrics.answered(answer, time.monotonic() - prepared.begun if prepared else 0.0)
        return answer


def create_app(
    workspace: Path, *, channel: str | None = None, hosts: Sequence[str] = HOSTS, follow: bool = True
) -> FastAPI:
    """The gateway of a workspace.

    Args:
        workspace: where params.yaml lies.
        channel: which versions to serve; ``serve.channel`` of params.yaml by default.
        hosts: names under which it is reached, against pages that point a name of their own at this machine.
        follow: whether to follow the channel's pointer; tests put versions into ``app.state.gateway.lineup``.

    Raises:
        OtoloopError: there is no workspace, or its catalogue does not open.
    """
    params = load_params(workspace / "params.yaml")
    gateway = Gateway(workspace, params, channel or params.serve.channel)

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        if follow:
            gateway.watcher.start()
        yield
        await run_in_threadpool(gateway.close)

    app = FastAPI(title="otoloop gateway", lifespan=running, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.gateway = gateway
    _add_routes(app, gateway)
    _add_states(app, gateway)
    add_refusals(app, lambda code: gateway.metrics.refusals.labels(code).inc())
    app.add_middleware(BodyCap, max_bytes=int(params.serve.max_body_mb * 2**20))
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    app.add_middleware(Counted, tell=gateway.metrics.requested)
    return app


def _add_routes(app: FastAPI, gateway: Gateway) -> None:
    guarded = [Depends(key_check(gateway.settings.api_key))]

    @app.post("/v1/chat/completions", dependencies=guarded)
    async def completions(request: Request) -> Response:
        require_json(request)
        ask = chat.read(await request.body())
        gateway.lineup.meant(ask.model)
        if about_feelings(ask.question):
            answer = gateway.counted(None, await run_in_threadpool(gateway.desk.decline, ask))
            return _streamed(_declined(answer), answer.asked.version) if ask.stream else _whole(answer)
        gateway.lineup.require_room()
        prepared = await run_in_threadpool(gateway.desk.prepare, ask)
        return await (_stream if ask.stream else _answer)(gateway, prepared)

    @app.post("/v1/feedback", dependencies=guarded)
    async def give_feedback(request: Request) -> Response:
        require_json(request)
        given = feedback.read(await request.body())
        told = await run_in_threadpool(feedback.store, gateway.book, given)
        gateway.metrics.feedback.labels(given.rating).inc()
        return JSONResponse(told)

    @app.get("/v1/models", dependencies=guarded)
    async def models() -> Response:
        return JSONResponse(wire.models(gateway.lineup.models(), gateway.since))


def _add_states(app: FastAPI, gateway: Gateway) -> None:
    @app.get("/health")
    async def health() -> Response:
        return JSONResponse({"status": "ok"})

    @app.get("/ready")
    async def ready() -> Response:
        live, problem = gateway.lineup.live, gateway.watcher.problem
        told = {
            "ready": live is not None, "channel": gateway.lineup.channel, "version": live and live.name,
            "problem": problem or (None if live else f"no version is live in channel {gateway.lineup.channel}"),
        }  # fmt: skip
        return JSONResponse(told, 200 if live else 503)

    @app.get("/metrics")
    async def metrics() -> Response:
        text = await run_in_threadpool(gateway.metrics.text)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


async def _answer(gateway: Gateway, prepared: Prepared) -> Response:
    """One JSON document at the end."""
    version, question = gateway.desk.begin(prepared)
    written = await asyncio.wrap_future(question.answer)
    answer = gateway.counted(prepared, await run_in_threadpool(gateway.desk.finish, prepared, version, written))
    return _whole(answer, BackgroundTask(gateway.desk.keep, prepared))


def _whole(answer: Answer, after: BackgroundTask | None = None) -> Response:
    headers = {"X-Model-Version": answer.asked.version}
    return JSONResponse(wire.completion(answer), headers=headers, background=after)


async def _stream(gateway: Gateway, prepared: Prepared) -> Response:
    """The text as it is written, then one piece with what was found of it."""
    loop, pieces = asyncio.get_running_loop(), asyncio.Queue[str | None]()

    def pass_on(piece: str | None) -> None:
        loop.call_soon_threadsafe(pieces.put_nowait, piece)

    version, question = gateway.desk.begin(prepared, pass_on)
    question.answer.add_done_callback(lambda _: pass_on(None))
    stream_id = wire.PREFIX + prepared.answer_id

    async def events() -> AsyncIterator[bytes]:
        try:
            yield wire.chunk(stream_id, version.name, {"role": "assistant", "content": ""})
            while (piece := await pieces.get()) is not None:
                yield wire.chunk(stream_id, version.name, {"content": piece})
            answer = await run_in_threadpool(gateway.desk.finish, prepared, version, question.answer.result())
            for event in _ending(gateway.counted(prepared, answer), prepared.ask.usage):
                yield event
            await run_in_threadpool(gateway.desk.keep, prepared)
        except Exception as err:  # the status is sent already: the stream itself must tell
            log.warning("a stream ended early: %s", err)
            yield wire.event(body(err if isinstance(err, OtoloopError) else INTERNAL))
        finally:
            question.forgotten = True

    return _streamed(events(), version.name)


def _ending(answer: Answer, usage: bool) -> Iterator[bytes]:
    """The last pieces of a stream."""
    stream_id, version = wire.PREFIX + answer.asked.answer_id, answer.asked.version
    yield wire.chunk(stream_id, version, {}, answer.ended, otoloop=wire.about(answer))
    if usage:
        yield wire.last_chunk(stream_id, answer)
    yield wire.DONE


async def _declined(answer: Answer) -> AsyncIterator[bytes]:
    stream_id = wire.PREFIX + answer.asked.answer_id
    delta = {"role": "assistant", "content": answer.asked.trace, "refusal": answer.asked.response}
    yield wire.chunk(stream_id, answer.asked.version, delta)
    for event in _ending(answer, usage=False):
        yield event


def _streamed(events: AsyncIterator[bytes], version: str) -> Response:
    headers = {"X-Model-Version": version, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


def _open_engine(params: Params) -> Engine:
    """The base in memory; torch is imported when the first version comes."""
    import torch

    from otoloop.serve.engine import Engine, Limits
    from otoloop.train import base as bases

    torch.set_num_threads(params.serve.threads)
    base = bases.load(bases.describe(params.base))
    serve = params.serve
    return Engine(base, Limits(serve.batch, serve.wait_ms / 1000, serve.queue))
