"""Which users are logged in, and how often."""


class Users:
    """Counts the sessions of each user."""

    __slots__ = ("_sessions",)

    def __init__(self) -> None:
        self._sessions: dict[str, int] = {}

    def take(self, user: str, limit: int = 0) -> bool:
        """Count a session, unless that user has `limit` of them; 0: any number. Returns whether it was counted."""
        sessions = self._sessions.get(user, 0)
        if limit and sessions >= limit:
            return False
        self._sessions[user] = sessions + 1
        return True

    def give(self, user: str) -> None:
        """Count a session no longer."""
        if self._sessions[user] > 1:
            self._sessions[user] -= 1
        else:
            del self._sessions[user]
