"""What can be wrong with bytes that arrive."""


class ProtocolError(Exception):
    """A peer sent bytes that the MySQL protocol does not allow; the session cannot go on.

    The text is the reason shown in the log, without any of the peer's bytes.
    """
