"""What the client's commands change for those behind them: how the server reads, and what is known of tables."""

from typing import Final

from proxy.session.command import HEAD, Command
from proxy.session.contents import Contents
from proxy.session.settings import Tables
from proxy.session.variables import CHANGING, Variables, is_compound, may_use
from proxy.sql.head import DEFINING, head
from proxy.wire import commands
from proxy.wire.answers import Ok, state_changes

_REMEMBERED: Final = frozenset({"set", "use", "call", "execute"})


class Effects:
    """Follows them.

    Args:
        contents: reads the commands.
        variables: what the server's reading depends on, which is kept up to date here.
        tables: forgets what is changed; None: nobody looks definitions up.
        mariadb: the server is MariaDB, which has compound statements outside of routines.
    """

    __slots__ = ("_contents", "_mariadb", "_tables", "_variables")

    def __init__(self, contents: Contents, variables: Variables, tables: Tables | None, *, mariadb: bool) -> None:
        self._contents = contents
        self._variables = variables
        self._tables = tables
        self._mariadb = mariadb

    # ----------------------------------------------------------------------------------------------------------------
    # Of what is sent

    def sent(self, command: Command) -> str:
        """Take note of a text; return its verb as far as it was looked at."""
        start = command.start
        at = self._contents.text_at(start)
        if at < 0 or not _may_change(start, at):
            return "insert" if start[at : at + 1] in (b"i", b"I") else ""
        verb = head(start[at:]).verb
        if verb in _REMEMBERED:
            command.verb = verb
        elif verb in DEFINING:
            self._defines(command)
        elif self._mariadb and is_compound(start[at:]):
            command.verb = "execute"  # it may hold anything
            command.ddl = True
        elif verb == "other" and len(start) == HEAD:
            command.verb = "hidden"  # behind a comment longer than what is looked at
        return verb

    def executed(self, command: Command, verb: str) -> None:
        """Take note of an execution of a prepared statement with this verb."""
        if verb in DEFINING:
            command.ddl = True
            self._variables.temporary = True  # for all that is known, its text is not kept
            self._forget_tables()

    def _defines(self, command: Command) -> None:
        """Take note of a statement that changes definitions; those of temporary tables are only this session's."""
        if b"temporary" in command.start.lower():
            self._variables.temporary = True
            return
        command.ddl = True
        self._forget_tables()

    # ----------------------------------------------------------------------------------------------------------------
    # Of what is answered

    def tracked(self, payload: bytes, ok: Ok) -> None:
        """Take note of the state changes that an OK tells.

        Raises:
            ProtocolError: it is cut.
        """
        for kind, change in state_changes(payload, ok):
            self._variables.tracked(kind, change)

    def succeeded(self, command: Command, status: int) -> None:
        """Take note of a command whose reply has ended in good order, with these status flags."""
        if command.verb and len(command.start) == HEAD:
            self._variables.forget()  # the rest of the text may hold anything
            if command.verb != "set":
                self._variables.use(None)
        elif command.verb:
            self._variables.succeeded(command.verb, self._contents.text(command), status)
        elif command.code in commands.EXECUTES and self._contents.about(command)[0].verb in CHANGING:
            self._variables.forget()
        elif command.code == commands.INIT_DB:
            self._variables.use(command.start[1:].decode("utf-8", "surrogateescape"))
        elif command.code == commands.RESET_CONNECTION:
            self._variables.forget()

    def ended(self, command: Command) -> None:
        """Take note that a command's reply has ended, be it well or not."""
        if command.ddl:
            self._forget_tables()

    def ended_in_part(self, command: Command) -> None:
        """Take note that one of a text's statements has ended, of which not everything was seen."""
        if command.code != commands.QUERY or not self._may_be_several(command):
            return
        self._variables.forget()
        self._forget_tables()
        if len(command.start) == HEAD or may_use(command.start):
            self._variables.use(None)

    def _may_be_several(self, command: Command) -> bool:
        """Tell whether a reply of several results may be one to several statements, and not to one CALL."""
        return command.verb != "call" or b";" in self._contents.text(command).rstrip(b"; ")

    def _forget_tables(self) -> None:
        """Have definitions looked up anew; before a statement that changes them and after, for one may be under way."""
        if self._tables is not None:
            self._tables.forget()


def _may_change(payload: bytes, at: int) -> bool:
    """Tell whether a text may change how later ones read, by its first bytes; not where a plain one begins so."""
    return payload[at : at + 3].lower() not in (b"sel", b"ins", b"upd", b"del", b"com", b"rol")
