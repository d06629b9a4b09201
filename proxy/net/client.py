"""Who a client is, as far as its connection tells."""

import socket
from typing import NamedTuple

from proxy.config import Address, Endpoint, UnixAddress
from proxy.net.proxy_header import Announcement


class Client(NamedTuple):
    """One client.

    address: for people: `host:port`, or the listener's own address for a client of a Unix socket.
    host: what it shares with all clients that come from there, for limits.
    secure: whether what is said between it and the proxy needs no TLS to be private, by the client's own judgement.
    announcement: the ends of its TCP connection, for the backend's PROXY header; None if it has none, or nobody asks.
    """

    address: str
    host: str
    secure: bool
    announcement: Announcement | None


def announced_client(announcement: Announcement) -> Client:
    """Give the client that a PROXY header tells of; it has no Unix socket, whatever the way from there to here is."""
    return _over_tcp(announcement.source, announcement)


def connected_client(sock: socket.socket, listener: Endpoint, *, announced: bool) -> Client:
    """Give the client at the other end of a connection that `listener` has accepted.

    announced: the backend is told of the ends of its connection.
    """
    if isinstance(listener, UnixAddress):
        return Client(str(listener), "localhost", secure=True, announcement=None)
    try:
        peer = Address(*sock.getpeername()[:2])
        announcement = Announcement(peer, Address(*sock.getsockname()[:2])) if announced else None
    except OSError:  # it is gone already
        return Client("", "", secure=False, announcement=None)
    return _over_tcp(peer, announcement)


def _over_tcp(source: Address, announcement: Announcement | None) -> Client:
    return Client(str(source), source.host, secure=False, announcement=announcement)
