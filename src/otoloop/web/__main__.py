"""`python -m otoloop.web --port N`: serve the pages of the workspace we stand in, to this machine only.

Other machines come through a reverse proxy with TLS that OTOLOOP_WEB_HOSTS names.
"""

from __future__ import annotations

import argparse
import sys

from otoloop.errors import OtoloopError


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(prog="python -m otoloop.web", description="The pages, on 127.0.0.1 only.")
    parser.add_argument("--port", type=int, default=8080)
    port = parser.parse_args().port
    import uvicorn

    from otoloop.settings import Settings
    from otoloop.web.app import create_app
    from otoloop.web.links import first_link

    try:
        workspace = Settings().workspace
        app = create_app(workspace)
        url = first_link(workspace, f"http://127.0.0.1:{port}")
    except OtoloopError as err:
        sys.exit(f"otoloop: {err}")
    if url:
        print(f"Nobody has an account yet. Make the first (valid once, 15 minutes): {url}", flush=True)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", server_header=False)


if __name__ == "__main__":
    main()
