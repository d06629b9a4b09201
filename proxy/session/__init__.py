"""The conversation of one client with its own backend, as a state machine without I/O.

A session is handed its wires and a clock, is fed bytes, and writes bytes. It has two phases::

    LoginPhase ──(the backend's OK)──► CommandPhase ──(COM_BINLOG_DUMP, an unknown command)──► relayed unseen

Where a thing is:

* the login: `login_phase`, `auth`, `users`;
* the way of the bytes: `fast_lane`, or `client_stream` and `command_reader`, `in_flight`, then `reply_stream`,
  `reply_reader` and `reply_gate`; `compressed` around them;
* a command: `command`, what it says: `contents`; `statement`, several of them: `batch`; `prepared`, `prepared_insert`;
* what rules do to it: `selection` (which ones they are for), `runner` (what is sent),
  `resolution` (what is decided, as a `decision`), `planner`, `reporter`, `tally`;
* what is known of the session: `variables`, `effects` (on them), `status`, `account`, `trail`.
"""

from proxy.conflicts.labels import Result
from proxy.session.session import Session
from proxy.session.settings import SessionSettings, Wires

__all__ = ["Result", "Session", "SessionSettings", "Wires"]
