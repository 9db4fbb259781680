"""`otoloop serve`: the gateway in the foreground."""

from __future__ import annotations

import sys

import typer

from otoloop.commands.output import Json, channels, one_of


def register(app: typer.Typer) -> None:
    """Add `serve` to the command line."""
    app.command()(serve)


def serve(
    channel: str | None = typer.Option(
        None, callback=one_of(channels), help="pilot, prod or shadow; serve.channel of params.yaml by default."
    ),
    port: int = typer.Option(8000, min=1, max=65535, help="Where it listens."),
    host: str = typer.Option("127.0.0.1", help="0.0.0.0 lets other machines in; needs OTOLOOP_API_KEY."),
    as_json: bool = Json,
) -> None:
    """Answer questions with the version that is live, by the OpenAI chat API; `otoloop up` does the same in the background.

    Example: otoloop serve --channel pilot --port 8001
    """
    from otoloop.commands.output import emit
    from otoloop.serve.running import serve as run
    from otoloop.settings import Settings
    from otoloop.workspace.ports import require

    workspace = Settings().workspace
    require(port, "the gateway")
    url = f"http://{host}:{port}"
    emit({"url": url}, f"{url}/v1/chat/completions  (Ctrl-C ends it)", as_json)
    sys.stdout.flush()  # whoever reads it through a pipe waits for it
    run(workspace, port=port, host=host, channel=channel)
