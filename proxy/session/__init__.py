"""The conversation of one client with its own backend, as a state machine without I/O.

A session is handed its wires and a clock, is fed bytes, and writes bytes. It has two phases::

    LoginPhase ──(the backend's OK)──► CommandPhase ──(COM_BINLOG_DUMP, an unknown command)──► relayed unseen
"""

from proxy.conflicts.labels import Result
from proxy.session.session import Session
from proxy.session.settings import SessionSettings, Wires

__all__ = ["Result", "Session", "SessionSettings", "Wires"]
