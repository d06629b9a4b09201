import socket
import stat
from pathlib import Path

import pytest

from proxy.net.unix_socket import bind


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keyclash.sock"


def leave_behind(path: Path) -> None:
    """Leave a socket file as a process does that was killed."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o777])
def test_the_file_has_the_permissions_asked_for(path: Path, mode: int) -> None:
    found = bind(path, mode)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert stat.S_ISSOCK(path.stat().st_mode)
    with found.sock, socket.socket(socket.AF_UNIX) as early:
        assert early.connect_ex(str(path)), "it must not listen before its permissions are set"


def test_the_file_is_removed(path: Path) -> None:
    found = bind(path, 0o600)
    found.sock.close()
    found.remove()
    found.remove()
    assert not path.exists()


def test_a_file_that_a_dead_process_left_behind_is_replaced(path: Path) -> None:
    leave_behind(path)
    found = bind(path, 0o600)
    found.sock.listen()
    with found.sock, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_socket_in_use_stays(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as living, socket.socket(socket.AF_UNIX) as client:
        living.bind(str(path))
        living.listen()
        with pytest.raises(OSError, match="Address already in use"):
            bind(path, 0o600)
        client.connect(str(path))


def test_a_socket_in_use_whose_queue_is_full_stays(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as living, socket.socket(socket.AF_UNIX) as client:
        living.bind(str(path))
        living.listen(0)
        client.connect(str(path))
        with pytest.raises(OSError, match="Address already in use"):
            bind(path, 0o600)


def test_a_file_that_is_no_socket_stays(path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(OSError, match="Address already in use"):
        bind(path, 0o600)
    assert path.read_text() == "precious"


def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    leave_behind(tmp_path / "other")
    path.symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="Address already in use"):
        bind(path, 0o600)
    assert (tmp_path / "other").exists()


def test_a_folder_that_is_not_there(path: Path) -> None:
    with pytest.raises(OSError, match="No such file or directory"):
        bind(path / "below", 0o600)


def test_a_successors_file_is_not_removed(path: Path) -> None:
    first = bind(path, 0o600)
    first.sock.close()
    path.rename(path.with_suffix(".old"))
    second = bind(path, 0o600)
    first.remove()
    assert path.exists()
    second.remove()
    second.sock.close()
    assert not path.exists()
