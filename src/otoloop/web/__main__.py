"""`python -m otoloop.web --port N`: serve the pages of the workspace we stand in, to this machine only."""

from __future__ import annotations

import argparse
import sys

from otoloop.errors import OtoloopError


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(prog="python -m otoloop.web", description="Review pages, on 127.0.0.1 only.")
    parser.add_argument("--port", type=int, default=8080)
    port = parser.parse_args().port
    import uvicorn

    from otoloop.settings import Settings
    from otoloop.web.app import create_app

    try:
        app = create_app(Settings().workspace)
    except OtoloopError as err:
        sys.exit(f"otoloop: {err}")
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", server_header=False)


if __name__ == "__main__":
    main()
