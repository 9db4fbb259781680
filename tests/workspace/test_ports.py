from __future__ import annotations

import socket

import pytest

from otoloop.errors import OtoloopError
from otoloop.workspace.ports import choose, is_free, require


def test_the_preferred_port_is_taken_when_it_is_free_at_every_offset() -> None:
    port = choose(None, offsets=(0, 1))
    assert choose(port, offsets=(0, 1)) == port
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port + 1))
        taken.listen()
        assert choose(port, offsets=(0, 1)) != port
        assert not is_free(port + 1)
        with pytest.raises(OtoloopError, match=f"Port {port + 1} for the page is taken"):
            require(port + 1, "the page")


@pytest.mark.parametrize("port", [0, -1, 70000])
def test_a_number_that_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(OtoloopError, match="cannot be that of the page"):
        require(port, "the page")
