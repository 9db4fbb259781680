"""Which S3 store a workspace uses: the one the environment names, else its own embedded server."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from otoloop.errors import OtoloopError
from otoloop.outs import replacing
from otoloop.settings import Settings, state_dir
from otoloop.workspace.state import running

CLASHING = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
"""Variables of the user's shell that would send a child of ours to another store or with other credentials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Endpoint and credentials; no keys means the usual AWS chain (role, profile). ``data_dir``: embedded only."""

    endpoint: str
    access_key: str | None = None
    secret_key: str | None = None
    session_token: str | None = None
    region: str = "us-east-1"
    data_dir: Path | None = None
    config_file: Path | None = None

    @property
    def is_aws(self) -> bool:
        """Whether the endpoint is Amazon's: others get path-style addresses."""
        return (urlsplit(self.endpoint).hostname or "").endswith(".amazonaws.com")

    def environment(self) -> dict[str, str]:
        """The variables with which boto3, s3fs and DVC reach this store."""
        values = {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_SESSION_TOKEN": self.session_token,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "AWS_CONFIG_FILE": str(self.config_file) if self.config_file else None,
            "AWS_EC2_METADATA_DISABLED": "true" if self.data_dir else None,
        }
        return {name: value for name, value in values.items() if value}


def resolve(workspace: Path) -> Connection:
    """The store of a workspace.

    Raises:
        OtoloopError: the environment names none and the embedded server does not run, or the endpoint is no URL.
    """
    endpoint = Settings().s3_endpoint
    if endpoint:
        return _external(workspace, endpoint)
    part = running(workspace, "s3")
    if part is None or part.url is None:
        raise OtoloopError(
            f"The embedded S3 server of {workspace} does not run.",
            "Start it with `otoloop up --only s3`, or set OTOLOOP_S3_ENDPOINT to your own store.",
        )
    return embedded(workspace, part.url)


def embedded(workspace: Path, url: str) -> Connection:
    """The connection to the embedded server at ``url`` with the workspace's own credentials."""
    from otoloop.store.weed import credentials

    access, secret = credentials(workspace)
    folder = workspace / ".otoloop"
    return Connection(
        endpoint=url, access_key=access, secret_key=secret, data_dir=folder / "s3", config_file=_path_style(workspace)
    )


def _external(workspace: Path, endpoint: str) -> Connection:
    """A store of the user's own."""
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise OtoloopError(f"OTOLOOP_S3_ENDPOINT = {endpoint!r} is no URL.", "Give it as https://host[:port].")
    env = os.environ
    connection = Connection(
        endpoint=endpoint.rstrip("/"),
        access_key=env.get("AWS_ACCESS_KEY_ID"),
        secret_key=env.get("AWS_SECRET_ACCESS_KEY"),
        session_token=env.get("AWS_SESSION_TOKEN"),
        region=env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "us-east-1",
    )
    if connection.is_aws or "AWS_CONFIG_FILE" in env or not connection.access_key:
        return connection
    return replace(connection, config_file=_path_style(workspace))


def _path_style(workspace: Path) -> Path:
    """An AWS config file that asks for path-style addresses: stores other than AWS rarely have a name per bucket."""
    path = state_dir(workspace) / "aws.config"
    text = "[default]\ns3 =\n    addressing_style = path\n"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        with replacing(path) as draft:
            draft.write_text(text, encoding="utf-8")
    return path
