"""`python -m otoloop.serve --port N`: the gateway of the workspace we stand in."""

from __future__ import annotations

import argparse
import sys

from otoloop.errors import OtoloopError
from otoloop.serve.running import LOOPBACK, serve
from otoloop.settings import Settings


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(prog="python -m otoloop.serve", description="The gateway of a workspace.")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--host", default=LOOPBACK)
    parser.add_argument("--channel", default=None)
    chosen = parser.parse_args()
    try:
        serve(Settings().workspace, port=chosen.port, host=chosen.host, channel=chosen.channel)
    except OtoloopError as err:
        sys.exit(f"otoloop: {err}")


if __name__ == "__main__":
    main()
