"""Serves the labelling page on this machine until Ctrl-C or SIGTERM.

Covered: a port that a page keeps over restarts where it can be had, a token that only the printed address holds, an
end that lets answers on their way be acknowledged. Not covered: TLS; any other address than loopback has to be asked
for twice.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from amendment.calibration.labelling.queue import Queue
from amendment.calibration.labelling.store import Labels
from amendment.calibration.people.samples import LabelQuestion
from amendment.errors import ConfigError
from amendment.sync import new_loop
from amendment.terminal import plain

__all__ = ["hosts_of", "serve_page"]

_NO_TLS = (
    "warning: this page is reached over the network without TLS: whoever can listen there reads texts and labels, and "
    "can take over a session. An SSH tunnel to 127.0.0.1 is safer."
)
_GRACE = 5
"""Seconds for answers on their way when the page is ended."""
_FIRST_PORT, _PORTS = 20000, 10000
"""Where a page looks for its usual port."""
_MOST_AT_ONCE = 256


def serve_page(
    questions: Sequence[LabelQuestion],
    labels: Labels,
    *,
    seed: int,
    annotators: int,
    ready: Callable[[str, tuple[str, ...]], None],
    host: str = "127.0.0.1",
    port: int | None = None,
    allow_network: bool = False,
) -> int:
    """Serve until SIGINT or SIGTERM; returns how many labels are missing then.

    `ready` is told the address to open, whose fragment holds the token, and what speaks against it. Without a `port`
    it is the one that this file of labels has had before, so that what a browser has kept is found again; or any free
    one. Raises ConfigError for an address that is not allowed or cannot be had.
    """
    import uvicorn

    from amendment.calibration.labelling._app import create_app

    address = _checked(host, allow_network=allow_network)
    listening = _listen(address, port, labels)
    with listening:
        number = listening.getsockname()[1]
        token = secrets.token_urlsafe(32)
        queue = Queue(questions, labels.current(), seed=seed, annotators=annotators, clock=time.monotonic)
        app = create_app(queue, labels, token=token, hosts=hosts_of(address, number))
        server = uvicorn.Server(_settings(uvicorn.Config, app))
        with _ended_by_signals(server):
            ready(f"http://{address}:{number}/#token={token}", () if _is_loopback(address) else (_NO_TLS,))
            loop = new_loop()
            try:
                loop.run_until_complete(server.serve(sockets=[listening]))
            finally:
                loop.close()
    return queue.missing()


def hosts_of(address: str, port: int) -> list[str]:
    """What browsers say as `Host`: of port 80, which goes without saying, the name alone."""
    names = [address, "localhost"] if _is_loopback(address) else [address]
    return names if port == 80 else [f"{name}:{port}" for name in names]


def _settings(config: Callable[..., Any], app: Any) -> Any:
    return config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_MOST_AT_ONCE,
        timeout_graceful_shutdown=_GRACE,
    )


def _checked(host: str, *, allow_network: bool) -> str:
    """The address to bind. Raises ConfigError for one that is not loopback and was not allowed."""
    name = "127.0.0.1" if host == "localhost" else host
    try:
        address = ipaddress.IPv4Address(name)
    except ValueError:
        raise ConfigError(f"--host: expected an IPv4 address such as 127.0.0.1, found {plain(host)}") from None
    if address.is_unspecified:
        raise ConfigError(f"--host: {name} is every address of this machine; name the one that browsers will use")
    if not address.is_loopback and not allow_network:
        raise ConfigError(
            f"--host: {name} is reached from other machines, without TLS. Keep 127.0.0.1 and reach it by an SSH "
            "tunnel, or add --allow-network."
        )
    return name


def _is_loopback(address: str) -> bool:
    return ipaddress.IPv4Address(address).is_loopback


def _listen(address: str, port: int | None, labels: Labels) -> socket.socket:
    usual = hashlib.sha256(str(labels.path.absolute()).encode("utf-8", "surrogateescape")).digest()
    wanted = [port] if port is not None else [_FIRST_PORT + int.from_bytes(usual[:4]) % _PORTS, 0]
    for number in wanted:
        try:
            return socket.create_server((address, number), backlog=_MOST_AT_ONCE)
        except OSError as fault:
            refused = fault
    place = f"{address}:{port}" if port else address
    raise ConfigError(f"{place}: cannot be listened on ({refused.strerror}); choose another --port") from refused


@contextmanager
def _ended_by_signals(server: Any) -> Iterator[None]:
    """SIGINT and SIGTERM end the server and nothing else: it raises them anew when it is done, and they come here."""

    def end(number: int, frame: Any) -> None:
        server.should_exit = True

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
