"""A client that sends statements as text or prepared, and does not wait for the answer unless it is asked to."""

import struct
from dataclasses import dataclass, field

from tests.e2e.raw import BULK_EXECUTE, EXECUTE, PREPARE, QUERY, RawClient, command
from tests.matrix.forms import literal
from tests.matrix.model import Answer, Failure, Returned, Value
from tests.matrix.play import ask, execution, read_replies

Reply = Answer | Returned | Failure


@dataclass
class Client:
    """One session.

    Args:
        raw: its connection.
        prepared: whether it prepares its statements.
        ruled: whether a rule answers the duplicates that it meets.
    """

    raw: RawClient
    prepared: bool
    ruled: bool = False
    _numbers: dict[str, bytes] = field(default_factory=dict)
    _binary: bool = False

    def send(self, text: str, *values: Value) -> None:
        """Send a statement whose values stand as `?`."""
        self._binary = self.prepared and bool(values)
        if not self._binary:
            for value in values:
                text = text.replace("?", literal(value), 1)
            self.raw.send(command(QUERY, text.encode()))
            return
        self.raw.send(command(EXECUTE, self._number(text) + execution(list(values))))

    def send_bulk(self, text: str, *rows: tuple[str, ...]) -> None:
        """Send MariaDB's COM_STMT_BULK_EXECUTE of strings."""
        number = self._number(text)
        values = b"".join(b"\0" + bytes((len(value.encode()),)) + value.encode() for row in rows for value in row)
        self.raw.send(command(BULK_EXECUTE, number + b"\x80\0" + b"\xfe\0" * len(rows[0]) + values))

    def read(self) -> Reply:
        """Read the reply to what was sent."""
        return read_replies(self.raw, self.raw.packet()[1], binary=self._binary)[0]

    def run(self, text: str, *values: Value) -> Reply:
        """Send a statement and read the reply."""
        self.send(text, *values)
        return self.read()

    def _number(self, text: str) -> bytes:
        """Prepare a statement once; return its id as it is sent."""
        if text not in self._numbers:
            reply = ask(self.raw, text, PREPARE)
            assert reply[0] == 0, reply
            for count in struct.unpack_from("<HH", reply, 5):  # definitions of columns and parameters, each with EOF
                for _ in range(count + bool(count)):
                    self.raw.packet()
            self._numbers[text] = reply[1:5]
        return self._numbers[text]
