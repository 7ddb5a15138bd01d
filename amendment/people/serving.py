"""Serves the labelling page on this machine until Ctrl-C or SIGTERM.

Covered: a link for each annotator, with which nobody can label under another name, and a port: both are kept over
restarts; a shutdown that still acknowledges answers that were already sent; idle connections that keep nobody else out.
Not covered: TLS; any other address than loopback has to be asked for twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ipaddress
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from amendment.errors import ConfigError
from amendment.people.gate import open_labels_say
from amendment.people.labelling import SPOT_CHECK, LabelledSample, ToLabel, open_sample
from amendment.people.lead import Standing
from amendment.people.queue import Queue, labels_missing
from amendment.people.samples import LONGEST_NAME, is_kept_name
from amendment.people.store import Labels
from amendment.statistics import Estimate
from amendment.sync import new_loop
from amendment.text import plain, spelling, tidy_name

_NO_TLS = (
    "warning: this page is reached over the network without TLS: anyone who can listen there reads texts and labels, "
    "and can take over a session. An SSH tunnel to 127.0.0.1 is safer."
)
_OTHER_PORT = (
    "warning: earlier links have port {earlier}, these have {number}. Labels that a browser has not sent yet wait for "
    "the earlier port: to collect them, start again with --port {earlier} while nothing else listens there."
)
_GRACE = 5
"""Seconds for answers on their way when the page is ended."""
_FIRST_PORT, _PORTS = 20000, 10000
"""Where a page looks for its usual port."""
_MOST_AT_ONCE = 256
"""Connections that are kept open at once."""
_SETTINGS: dict[str, Any] = {
    "ws": "none",
    "lifespan": "off",
    "log_config": None,
    "access_log": False,
    "proxy_headers": False,
    "server_header": False,
    "timeout_graceful_shutdown": _GRACE,
}
"""Of the web server."""


def serve_page(
    folder: Path,
    sample: LabelledSample = SPOT_CHECK,
    *,
    ready: Callable[[Mapping[str, str], str, tuple[str, ...]], None],
    names: Sequence[str] = (),
    host: str = "127.0.0.1",
    port: int | None = None,
    allow_network: bool = False,
) -> int:
    """Serve the page of one of a run's samples until SIGINT or SIGTERM; returns how many labels are missing then.

    `ready` gets each annotator's link, by name, the lead's, and cautions about them. There is one for each of `names`,
    for everybody who had one or has labelled before, and, where no names are given, for as many people as the run file
    plans. The port is kept with the labels, and without a `port` it is that one again, so that links stay and a
    browser's waiting labels are sent; if it is in use, any free one. Raises ConfigError where nothing is to be
    labelled, and for a name or an address that is not allowed or is taken.
    """
    import uvicorn

    from amendment.people.page_app import Guide, create_app

    asked = open_sample(folder, sample)
    address = _checked(host, allow_network=allow_network)
    with Labels(asked.labels) as labels:
        earlier, current = labels.links(), labels.current()
        links = labels.links(_annotators(names, {*earlier, *(label.annotator for label in current)}, asked.annotators))
        queue = Queue(asked.questions, current, seed=asked.seed, annotators=asked.annotators, clock=time.monotonic)
        before = labels.port()
        usual = before or _first_port(labels)
        with _listen(address, [usual, 0] if port is None else [port]) as listening:
            number = listening.getsockname()[1]
            cautions = () if _is_loopback(address) else (_NO_TLS,)
            if earlier and number != usual and (before or port is None):
                cautions = (*cautions, _OTHER_PORT.format(earlier=usual, number=number))
            if not earlier or port is not None:
                labels.keep_port(number)
            lead = labels.lead_link()
            base = f"http://{address}:{number}"
            guide = Guide(asked.constitution, str(asked.plan.get("guidelines") or ""))
            standing = partial(_standing, folder, asked, labels) if sample == SPOT_CHECK else lambda _: Standing()
            hosts = allowed_hosts(address, number)
            app = create_app(queue, labels, links=links, lead=lead, guide=guide, hosts=hosts, standing=standing)
            server = uvicorn.Server(uvicorn.Config(app, http=_http_protocol(), **_SETTINGS))
            with _ended_by_signals(server):
                own = {name: f"{base}/#token={token}" for name, token in links.items()}
                ready(own, f"{base}/lead#token={lead}", cautions)
                with contextlib.closing(new_loop()) as loop:
                    loop.run_until_complete(server.serve(sockets=[listening]))
    return queue.missing()


def _standing(folder: Path, asked: ToLabel, labels: Labels, agreement: Estimate) -> Standing:
    """Say for the lead's page whether the gate would pass today, how many items are needed, and which comparisons the
    lead has to decide."""
    gates, disputes = open_labels_say(folder, labels, max_gap=asked.gate.max_gap_to_human)
    if not asked.plan.get("adjudicate") or labels_missing(
        asked.questions, labels.current(), annotators=asked.annotators
    ):
        disputes = []
    return Standing(asked.outlook(agreement), gates, disputes)


def _annotators(names: Iterable[str], earlier: Iterable[str], planned: int) -> list[str]:
    """Return the annotators who get a link. Raises ConfigError for an invalid name, or one spelled almost like
    another."""
    annotators = sorted(name for name in earlier if not is_kept_name(name))
    spelled = {spelling(name): name for name in annotators}
    for given in names:
        name = tidy_name(given)
        if not 0 < len(name) <= LONGEST_NAME:
            raise ConfigError(f"--rater {plain(given)!r}: expected a name of 1 to {LONGEST_NAME} characters")
        if is_kept_name(name):
            raise ConfigError(f"--rater {name!r}: a name reserved for simulated people; expected another name")
        if (known_as := spelled.setdefault(spelling(name), name)) != name:
            raise ConfigError(
                f"--rater {name!r}: differs from {known_as!r} in case or spaces only, and one person would count "
                f"twice; write {known_as!r}, or another name"
            )
        annotators.append(name)
    number = 0
    while not names and len(annotators) < planned:
        number += 1
        if (name := f"annotator {number}") not in annotators:
            annotators.append(name)
    return list(dict.fromkeys(annotators))


def allowed_hosts(address: str, port: int) -> list[str]:
    """Return the `Host` headers that browsers send; for port 80 the name alone."""
    names = [address, "localhost"] if _is_loopback(address) else [address]
    return names if port == 80 else [f"{name}:{port}" for name in names]


def _checked(host: str, *, allow_network: bool) -> str:
    """Return the address to bind. Raises ConfigError for one that is not loopback and was not allowed."""
    name = "127.0.0.1" if host == "localhost" else host
    try:
        address = ipaddress.IPv4Address(name)
    except ValueError:
        raise ConfigError(f"--host: expected an IPv4 address such as 127.0.0.1, found {plain(host)}") from None
    if address.is_unspecified:
        raise ConfigError(f"--host: {name} is every address of this machine; name the one that browsers will use")
    if not address.is_loopback and not allow_network:
        raise ConfigError(
            f"--host: {name} can be reached from other machines, without TLS. Keep 127.0.0.1 and reach it by an SSH "
            "tunnel, or add --allow-network."
        )
    return name


def _is_loopback(address: str) -> bool:
    return ipaddress.IPv4Address(address).is_loopback


def _first_port(labels: Labels) -> int:
    """Return the port of a page that never had one, so that two runs seldom want the same."""
    digest = hashlib.sha256(str(labels.path.absolute()).encode("utf-8", "surrogateescape")).digest()
    return _FIRST_PORT + int.from_bytes(digest[:4]) % _PORTS


def _http_protocol() -> type[asyncio.Protocol]:
    """Return the web server's protocol with one change: at the limit a new connection replaces the one that has waited
    longest for its client, for a request or for the rest of one."""
    from uvicorn.protocols.http.h11_impl import H11Protocol

    kept: dict[_Connection, None] = {}

    class _Connection(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            kept[self] = None
            waiting = (
                link for link in kept if link.cycle is None or link.cycle.more_body or link.cycle.response_complete
            )
            if len(kept) > _MOST_AT_ONCE and (longest := next(waiting, None)):
                del kept[longest]
                longest.transport.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            kept.pop(self, None)
            super().connection_lost(exc)

    return _Connection


def _listen(address: str, ports: Sequence[int]) -> socket.socket:
    """Listen at the first of these ports that is free. Raises ConfigError where none is."""
    for number in ports:
        try:
            return socket.create_server((address, number), backlog=_MOST_AT_ONCE)
        except OSError as fault:
            refused = fault
    raise ConfigError(
        f"{address}:{ports[0]}: cannot listen here ({refused.strerror}); choose another --port"
    ) from refused


@contextlib.contextmanager
def _ended_by_signals(server: Any) -> Iterator[None]:
    """End the server, and nothing else, on SIGINT and SIGTERM. The server raises them again when it is done; they are
    caught here."""

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
