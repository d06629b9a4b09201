"""Messages between the supervisor and one of its workers, which trust each other, over a pair of sockets."""

import asyncio
import pickle  # the other end is a process of our own, on a socket that nobody else has
import socket
from typing import Any, Final

_HEADER: Final = 4
_MOST_WAITING: Final = 16 << 20
"""Bytes that may wait for a process that does not read."""


class Channel:
    """One end; made by `open_channel`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @property
    def congested(self) -> bool:
        """Whether the other end does not read what it is sent."""
        return self._writer.transport.get_write_buffer_size() > _MOST_WAITING

    def send(self, message: object) -> None:
        """Send a message; it is lost if the other end is gone."""
        if self._writer.is_closing():
            return
        data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        self._writer.write(len(data).to_bytes(_HEADER, "big") + data)

    async def receive(self) -> Any:
        """Wait for a message; raises EOFError when the other end is gone."""
        try:
            size = int.from_bytes(await self._reader.readexactly(_HEADER), "big")
            return pickle.loads(await self._reader.readexactly(size))  # noqa: S301  # see above
        except OSError as error:
            raise EOFError from error

    async def flush(self) -> None:
        """Wait until what was sent is on its way; raises OSError if the other end is gone."""
        await self._writer.drain()

    def close(self) -> None:
        """Close this end."""
        self._writer.close()


async def open_channel(sock: socket.socket) -> Channel:
    """Send and receive over a connected socket."""
    return Channel(*await asyncio.open_unix_connection(sock=sock))
