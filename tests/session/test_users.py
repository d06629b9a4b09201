"""Sessions per user: counted when the server has said who it is, and no earlier."""

from collections.abc import Iterator
from contextlib import contextmanager

from proxy.config import Limits
from proxy.session.users import Users
from proxy.wire import commands
from tests.session.conversation import USUAL, Delivery, Talk, conversation, logged_in
from tests.session.packets import command, error, login, ok, packets
from tests.wire.captured import MYSQL_GREETING

ONE = Limits(sessions_per_user=1)
REFUSED = "User app_rw already has more than 'max_user_connections' active connections"


@contextmanager
def greeted(users: Users, user: str = "app_rw", limits: Limits = ONE) -> Iterator[Talk]:
    """Begin a conversation whose login the server has not answered yet."""
    response = packets(login(user, "shop", flags=USUAL))
    with conversation(Delivery(), limits=limits, users=users) as talk:
        talk.session.backend_data(packets(MYSQL_GREETING, sequence=0))
        talk.client.said.clear()
        talk.client >> response
        talk.backend << response
        yield talk


def test_one_too_many_is_told_what_the_server_tells() -> None:
    users = Users()
    with logged_in(Delivery(), limits=ONE, users=users), greeted(users) as talk:
        talk.backend >> ok(sequence=2)
        talk.client << error(1203, REFUSED, "42000", sequence=2)
        talk.backend << command(commands.QUIT)
        assert talk.session.result == "limit_sessions_per_user"
        assert talk.wires.asked == ["close"]


def test_other_users_have_sessions_of_their_own() -> None:
    users = Users()
    with logged_in(Delivery(), limits=ONE, users=users), greeted(users, "another") as talk:
        talk.backend >> ok(sequence=2)
        talk.client << ok(sequence=2)


def test_nobody_counts_who_has_not_proven_who_it_is() -> None:
    users = Users()
    with greeted(users) as under_way, greeted(users) as refused, logged_in(Delivery(), limits=ONE, users=users):
        refused.backend >> error(1045, "Access denied", "28000", sequence=2)
        refused.client << error(1045, "Access denied", "28000", sequence=2)
        assert under_way.session.result is None


def test_there_is_room_again_when_one_has_ended() -> None:
    users = Users()
    with logged_in(Delivery(), limits=ONE, users=users) as talk:
        talk.session.client_lost()
        talk.session.client_lost()
    with logged_in(Delivery(), limits=ONE, users=users) as talk:
        assert talk.session.result is None


def test_a_session_that_changes_its_user_counts_as_the_new_one_s() -> None:
    users, change = Users(), command(commands.CHANGE_USER, b"carol\0\0stock\0\x2d\0caching_sha2_password\0")
    with logged_in(Delivery(), limits=ONE, users=users) as talk:
        talk.client >> change
        talk.backend << change
        talk.backend >> ok(sequence=1)
        talk.client << ok(sequence=1)
        assert not users.take("carol", 1)
        assert users.take("app_rw", 1)
        talk.session.client_lost()
        assert users.take("carol", 1)


def test_a_name_that_is_no_text_is_told_all_the_same() -> None:
    users = Users()
    users.take("\udcff", 1)
    with greeted(users) as talk:
        pass
    with conversation(Delivery(), limits=ONE, users=users) as talk:
        response = packets(login("app_rw", "shop", flags=USUAL).replace(b"app_rw", b"\xff"))
        talk.session.backend_data(packets(MYSQL_GREETING, sequence=0))
        talk.client.said.clear()
        talk.client >> response
        talk.backend << response
        talk.backend >> ok(sequence=2)
        talk.client << error(1203, REFUSED.replace("app_rw", r"\xff"), "42000", sequence=2)
        talk.backend << command(commands.QUIT)
