"""The event loop: asyncio's own, which waits at a pump."""

import asyncio
import select
import selectors
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from contextvars import Context
from typing import Any, Final, TypeVarTuple, Unpack

from proxy.net.choice import make_pump
from proxy.net.pump import Pump

_Ts = TypeVarTuple("_Ts")

_READ: Final = selectors.EVENT_READ
_WRITE: Final = selectors.EVENT_WRITE


class Loop(asyncio.SelectorEventLoop):
    """An event loop with a pump, which costs nothing per packet of a pumped transport.

    make: makes the pump.

    Attributes:
        pump: what drives the transports of this loop.
    """

    def __init__(self, make: Callable[[], Pump] = make_pump) -> None:
        self.pump = make()
        super().__init__(_Selector(self.pump))

    # What is asked of the loop while it waits is asked by a pumped transport: the pump is to come back for it.

    def call_soon(
        self, callback: Callable[[Unpack[_Ts]], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Call back in the next turn."""
        self.pump.due = True
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[Unpack[_Ts]], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call back at a time; `call_later` comes by here, too."""
        self.pump.due = True
        return super().call_at(when, callback, *args, context=context)


def running_pump() -> Pump:
    """Return the pump of the running event loop. Raises RuntimeError if it has none."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, Loop):
        raise RuntimeError(f"this needs a proxy.net.loop.Loop, not a {type(loop).__name__}")
    return loop.pump


class _Selector(selectors.BaseSelector):
    """What asyncio wants of a selector, done by a pump."""

    def __init__(self, pump: Pump) -> None:
        self._pump = pump
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._map = _Map(self._keys)

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = selectors.SelectorKey(fileobj, _descriptor(fileobj), events, data)
        if key.fd in self._keys:
            raise KeyError(f"{fileobj!r} (FD {key.fd}) is already registered")
        self._pump.register(key.fd, _as_polled(events))
        self._keys[key.fd] = key
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = self.get_key(fileobj)
        if events != key.events:
            self._pump.modify(key.fd, _as_polled(events))
        self._keys[key.fd] = changed = key._replace(events=events, data=data)
        return changed

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key = self.get_key(fileobj)
        del self._keys[key.fd]
        with suppress(OSError):  # it may have been closed already
            self._pump.unregister(key.fd)
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = []
        for fd, events in self._pump.wait(-1.0 if timeout is None else max(0.0, timeout)):
            key = self._keys.get(fd)
            if key is not None:
                found.append((key, _as_asked(events) & key.events))
        return found

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys[_descriptor(fileobj)]

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._map

    def close(self) -> None:
        self._keys.clear()
        self._pump.close()


class _Map(Mapping[Any, selectors.SelectorKey]):
    """Finds what is registered by a descriptor, or by what has one; the event loop asks by both."""

    def __init__(self, keys: dict[int, selectors.SelectorKey]) -> None:
        self._keys = keys

    def __getitem__(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys[_descriptor(fileobj)]

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[int]:
        return iter(self._keys)


def _descriptor(fileobj: Any) -> int:
    return fileobj if isinstance(fileobj, int) else int(fileobj.fileno())


def _as_polled(events: int) -> int:
    return (select.POLLIN if events & _READ else 0) | (select.POLLOUT if events & _WRITE else 0)


def _as_asked(events: int) -> int:
    """Say what is ready; an error or an end is for whoever waits for anything."""
    return (_WRITE if events & ~select.POLLIN else 0) | (_READ if events & ~select.POLLOUT else 0)
