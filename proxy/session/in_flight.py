"""What is under way between the client and the backend: seen by who reads the one, and by who reads the other."""

from collections import deque
from collections.abc import Callable

from proxy.conflicts.counters import Counters
from proxy.session.client_stream import ClientStream
from proxy.session.command import Command
from proxy.session.fast_lane import FastLane
from proxy.session.reply_gate import ReplyGate
from proxy.wire.replies import ReplyTracker


class InFlight:
    """The commands of one session whose replies are due.

    Args:
        tracker: follows the reply to the first of them.
        client: the client's bytes.
        gate: what the client gets of the replies.
        lane: the fast lane, which is clear when nothing is under way.
        counters: where their latency is counted.
        clock: seconds, monotonic.

    Attributes:
        commands: they, in their order.
        continued: the client's next packet continues a payload of 16 MiB - 1.
        infile: the client sends the file of a LOAD DATA LOCAL.
    """

    __slots__ = ("_client", "_clock", "_counters", "_gate", "_lane", "_tracker", "commands", "continued", "infile")

    def __init__(
        self,
        tracker: ReplyTracker,
        client: ClientStream,
        gate: ReplyGate,
        lane: FastLane,
        counters: Counters,
        clock: Callable[[], float],
    ) -> None:
        self._tracker = tracker
        self._client = client
        self._gate = gate
        self._lane = lane
        self._counters = counters
        self._clock = clock
        self.commands: deque[Command] = deque()
        self.continued = False
        self.infile = False

    def expect(self, command: Command) -> None:
        """Take note of a command that will be replied to."""
        self.commands.append(command)
        if len(self.commands) == 1:
            self._tracker.begin(command.code)

    def finish(self) -> None:
        """Close the reply to the oldest command, and expect the next one's."""
        command = self.commands.popleft()
        self._gate.release()
        self._gate.shift = None
        if command.prepared is not None:
            command.prepared.long_data.clear()
        self._counters.command_durations.observe(self._clock() - command.started)
        if self.commands:
            self._tracker.begin(self.commands[0].code)
        else:
            self._lane.clear = self._client.empty and not self.continued
            self._lane.status = self._tracker.status
