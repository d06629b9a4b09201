"""A conversation: a login's flags, how the bytes are cut, and steps of commands."""

from dataclasses import dataclass

from tests import raw
from tests.diff.commands import Command, Prepare, Query, Raw

FLAGS = {
    name: getattr(raw, name)
    for name in (
        "FOUND_ROWS",
        "LOCAL_FILES",
        "MULTI_STATEMENTS",
        "SESSION_TRACK",
        "DEPRECATE_EOF",
        "OPTIONAL_METADATA",
        "QUERY_ATTRIBUTES",
    )
}
MARIADB_FLAGS = {name: getattr(raw, name) for name in dir(raw) if name.startswith("MARIADB_")}


@dataclass(frozen=True, slots=True)
class Profile:
    """What a client says in its login; collation: its id."""

    capabilities: int
    mariadb_capabilities: int = 0
    collation: int = 45

    def __str__(self) -> str:
        names = [name for name, flag in FLAGS.items() if self.capabilities & flag]
        names += [name for name, flag in MARIADB_FLAGS.items() if self.mariadb_capabilities & flag]
        return f"{' '.join(names) or 'no flags'}, collation {self.collation}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Commands that are sent in one go.

    pipelined: the command that shows the end of the replies goes with them; else it waits until they are there.
    """

    commands: tuple[Command, ...]
    pipelined: bool = False

    def __str__(self) -> str:
        how = " in one go" if len(self.commands) > 1 else ""
        return f"send{how}{' with another behind' if self.pipelined else ''}: " + " | ".join(map(str, self.commands))


@dataclass(frozen=True, slots=True)
class Upload:
    """A statement with LOAD DATA LOCAL for the file `sent`, and the file's content, a packet each."""

    query: Query
    chunks: tuple[bytes, ...]

    def __str__(self) -> str:
        return (
            f"upload for {self.query}: {[chunk[:40] for chunk in self.chunks]} of {[len(c) for c in self.chunks]} bytes"
        )


@dataclass(frozen=True, slots=True)
class ChangeUser:
    """COM_CHANGE_USER to the tester's own account.

    right: with its password. plugin: the one that the client announces. database: to a schema that is there.
    """

    right: bool = True
    plugin: bytes = b"mysql_native_password"
    database: bytes = b""

    def __str__(self) -> str:
        password = "right" if self.right else "wrong"
        return f"change user: {password} password, plugin {self.plugin!r}, database {self.database!r}"


@dataclass(frozen=True, slots=True)
class Last:
    """What ends the session: a command after which the server closes it, or some bytes after which the client does.

    The client closes its own direction only, and while no command runs: a server gives up one whose client is gone.
    """

    command: Command | None = None
    tail: bytes = b""

    def __str__(self) -> str:
        return f"send {self.command} and wait" if self.command else f"send the bytes {self.tail!r} and close"


Step = Batch | Upload | ChangeUser | Last


@dataclass(frozen=True, slots=True, repr=False)
class Conversation:
    """One conversation.

    client_cuts, backend_cuts: sizes in bytes, taken in turn, of the pieces in which the client's and the server's bytes
    arrive; () for as they come.
    """

    profile: Profile
    steps: tuple[Step, ...]
    client_cuts: tuple[int, ...] = ()
    backend_cuts: tuple[int, ...] = ()

    @property
    def commands(self) -> list[Command]:
        found: list[Command] = []
        for step in self.steps:
            if isinstance(step, Batch):
                found += step.commands
            elif isinstance(step, Upload):
                found.append(step.query)
        return found

    @property
    def texts(self) -> list[bytes]:
        return [command.text for command in self.commands if isinstance(command, Query | Prepare)]

    @property
    def codes(self) -> set[int]:
        return {command.code for command in self.commands if isinstance(command, Raw) and command.code is not None}

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        lines = [f"log in with {self.profile}"]
        if self.client_cuts:
            lines.append(f"the client's bytes come in pieces of {self.client_cuts}")
        if self.backend_cuts:
            lines.append(f"the server's bytes come in pieces of {self.backend_cuts}")
        return "\n".join([*lines, *(f"{number}. {step}" for number, step in enumerate(self.steps, 1))])
