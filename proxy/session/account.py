"""Who is logged in, and what a COM_CHANGE_USER makes anew: it is relayed packet by packet, as a login is."""

from proxy.session.auth import AuthRelay
from proxy.session.login_phase import Agreed
from proxy.session.prepared import PreparedStatements
from proxy.session.reporter import Reporter
from proxy.session.selection import Selection
from proxy.session.settings import SessionSettings, Wires
from proxy.session.variables import Variables
from proxy.wire.answers import ERR, parse_err
from proxy.wire.errors import ProtocolError
from proxy.wire.login import parse_change_user


class Account:
    """The account of one session.

    Args:
        wires: where to write.
        settings: the session's settings.
        agreed: what its login has settled.
        variables: its variables.
        statements: its prepared statements.
        reporter: records the conflicts of this account.
        selection: selects by the rules for it.

    Attributes:
        login: what it has logged in with.
        relay: relays the authentication of another one; None: there is none under way.
    """

    __slots__ = (
        "_agreed",
        "_reporter",
        "_selection",
        "_settings",
        "_statements",
        "_variables",
        "_wanted",
        "_wires",
        "login",
        "relay",
    )

    def __init__(
        self,
        wires: Wires,
        settings: SessionSettings,
        agreed: Agreed,
        variables: Variables,
        statements: PreparedStatements,
        reporter: Reporter,
        selection: Selection,
    ) -> None:
        self._wires = wires
        self._settings = settings
        self._agreed = agreed
        self._variables = variables
        self._statements = statements
        self._reporter = reporter
        self._selection = selection
        self.login = self._wanted = agreed.login
        self.relay: AuthRelay | None = None

    def begin_change(self, payload: bytes) -> bytes:
        """Begin a COM_CHANGE_USER; return what goes to the backend in its place."""
        try:
            self._wanted = parse_change_user(payload, self.login)
        except ProtocolError:  # the server says what is wrong with it; should it take it, nobody is known to be who
            self._wanted = self.login._replace(user="", plugin="", database=None)
        greeting = self._agreed.greeting
        self.relay = AuthRelay(
            self._agreed.terms,
            self._wanted.plugin or greeting.plugin,
            greeting.nonce,
            self._wires.to_client,
            self._wires.to_backend,
        )
        return self.relay.from_client(0, payload)

    def end_change(self, payload: bytes, status: int) -> None:
        """End it.

        Args:
            payload: the server's OK or ERR.
            status: the status flags of an OK.
        """
        self.relay = None
        if payload[0] == ERR:
            self._settings.counters.error(parse_err(payload).number)
            self._variables.forget()
            self._variables.use(None)
        else:
            self._begin(status)

    def _begin(self, status: int) -> None:
        """Begin anew: statements, schema and variables are those of a new session."""
        users = self._settings.users
        users.give(self.login.user)
        self.login = login = self._wanted
        users.take(login.user)
        self._reporter.changed_user(login.user)
        self._selection.changed_user()
        self._statements.forget()
        self._variables.begin(login.database, login.charset, status)
