"""Addresses of Ray clusters at which nothing answers; Ray itself is not needed."""

from __future__ import annotations

import socket

import pytest

from ner_distill.errors import ConfigError
from ner_distill.executing.ray_cluster import require_answer


def test_where_nothing_listens_it_is_said_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]  # bound, and nobody listens
        with pytest.raises(ConfigError, match=rf"ray:127\.0\.0\.1:{port}: no cluster answers: .*refused.*ray start"):
            require_answer(f"127.0.0.1:{port}")
        with pytest.raises(ConfigError, match="no cluster answers"):
            require_answer(f"ray://127.0.0.1:{port}")


def test_a_port_that_is_none_is_no_cluster() -> None:
    with pytest.raises(ConfigError, match="no cluster answers"):
        require_answer("127.0.0.1:99999999")


@pytest.mark.parametrize("address", ["", "auto", "local"])
def test_other_addresses_are_for_ray_to_find(address: str) -> None:
    require_answer(address)


def test_what_listens_is_asked_further() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        require_answer(f"127.0.0.1:{server.getsockname()[1]}")
