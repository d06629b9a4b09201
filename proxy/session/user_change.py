"""A COM_CHANGE_USER under way: it is relayed packet by packet, as a login is."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from proxy.session.auth import AuthRelay
from proxy.session.login_phase import Agreed
from proxy.wire.errors import ProtocolError
from proxy.wire.login import Login, parse_change_user


@dataclass(frozen=True, slots=True)
class UserChange:
    """One of them.

    Args:
        login: who is to be logged in.
        relay: relays what is said until the server's OK or ERR, the command itself included.
    """

    login: Login
    relay: AuthRelay


def begin(
    payload: bytes,
    before: Login,
    agreed: Agreed,
    to_client: Callable[[bytes], None],
    to_backend: Callable[[bytes], None],
) -> UserChange:
    """Begin one.

    Args:
        payload: the command.
        before: who is logged in by now.
        agreed: what the session's first login has settled.
        to_client: sends an answer of the relay's own to the client.
        to_backend: sends an answer of the relay's own to the backend.
    """
    try:
        login = parse_change_user(payload, before)
    except ProtocolError:  # the server says what is wrong with it; should it take it, nobody is known to be who
        login = replace(before, user="", plugin="", database=None)
    plugin = login.plugin or agreed.greeting.plugin
    return UserChange(login, AuthRelay(agreed.terms, plugin, agreed.greeting.nonce, to_client, to_backend))
