"""Why a statement is left as it is."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a statement is passed on unchanged; the values are labels of `keyclash_rewrite_skipped_total`."""

    # What the statement is.
    NOT_INSERT = "not_insert"
    IGNORE = "ignore"
    REPLACE = "replace"
    ON_DUPLICATE = "on_duplicate"
    RETURNING = "returning"
    ROW_ALIAS = "row_alias"
    SELF_SELECT = "self_select"
    MULTI_STATEMENT = "multi_statement"
    LOAD_DATA = "load_data"
    # What its text does not let the proxy prove.
    CHARSET = "charset"
    ANSI_QUOTES = "ansi_quotes"
    BACKSLASH = "backslash"
    VERSIONED_COMMENT = "versioned_comment"
    HINT = "hint"
    UNTERMINATED = "unterminated"
    MALFORMED = "malformed"
    EXPRESSION = "expression"
    ASSIGNMENT = "assignment"
    TOO_LARGE = "too_large"
    # What the rule asks for, or needs and cannot have.
    OBSERVE = "observe"
    NO_COLUMNS = "no_columns"
    COLUMNS_UNKNOWN = "columns_unknown"
    OTHER_KEYS = "other_keys"
    DELAYED = "delayed"
    AUTO_INCREMENT = "auto_increment"
    KEY_UNKNOWN = "key_unknown"
    FUNCTIONAL_KEY = "functional_key"
    DEFINITION = "definition"
    RETURN_ID = "return_id"
    RETURNED_ROWS = "returned_rows"
    ENGINE = "engine"
    SESSION_STATE = "session_state"
    # What the session does not allow just now.
    TRIPPED = "tripped"
    SESSION_CHANGED = "session_changed"
    LONG_DATA = "long_data"
    PARAMETERS = "parameters"
    PREPARED = "prepared"


_WORDS = {
    Reason.NOT_INSERT: "the statement is not an INSERT",
    Reason.IGNORE: "INSERT IGNORE already says what becomes of a duplicate",
    Reason.REPLACE: "REPLACE already says what becomes of a duplicate",
    Reason.ON_DUPLICATE: "the statement has its own ON DUPLICATE KEY UPDATE",
    Reason.RETURNING: "only MariaDB knows INSERT ... RETURNING; there, rows of it were on their way already",
    Reason.ROW_ALIAS: "the statement already names its new row with AS",
    Reason.SELF_SELECT: "the INSERT ... SELECT reads a table under the name of the one it inserts into",
    Reason.MULTI_STATEMENT: "the text holds several statements, and one of them may change how others read",
    Reason.PREPARED: "the statement was prepared before a rule was for it",
    Reason.LOAD_DATA: "LOAD DATA takes only replace, or with LOCAL ignore, with when: always and for any key",
    Reason.CHARSET: "how the text reads depends on the character set of the connection",
    Reason.ANSI_QUOTES: "the text holds double quotes, and whether ANSI_QUOTES makes names of them is not known",
    Reason.BACKSLASH: "the text holds backslashes, and whether they escape (NO_BACKSLASH_ESCAPES) is not known",
    Reason.VERSIONED_COMMENT: "the text holds a /*! comment, which only some servers execute",
    Reason.HINT: "the text holds an optimizer hint with quotes in it",
    Reason.UNTERMINATED: "a string, a quoted name, a comment or a parenthesis is not closed",
    Reason.MALFORMED: "the text does not read as one well-formed INSERT; the server tells what is wrong",
    Reason.EXPRESSION: "a value after SET is more than literals, names, calls and operators",
    Reason.ASSIGNMENT: "a value assigns a user variable with :=, which must not happen twice",
    Reason.TOO_LARGE: "the statement is larger than the limit for statements",
    Reason.OBSERVE: "the rule only observes",
    Reason.NO_COLUMNS: "the INSERT has no column list",
    Reason.OTHER_KEYS: "REPLACE might delete rows met on unique keys that the rule does not name",
    Reason.COLUMNS_UNKNOWN: "the rule names a key, and the columns of that key are not known",
    Reason.DELAYED: "INSERT DELAYED reports no duplicate",
    Reason.AUTO_INCREMENT: "the server fills the key: its only duplicate is that of an AUTO_INCREMENT at its end",
    Reason.TRIPPED: "the rule's statements have failed too often in a row, and rest for a while",
    Reason.KEY_UNKNOWN: "the table has no unique key of the rule's",
    Reason.FUNCTIONAL_KEY: "the key is made of expressions or periods, and nothing proven compares them",
    Reason.DEFINITION: "the statement, or the rule, does not fit the table's columns as they are known",
    Reason.RETURN_ID: "return_id does not name the table's AUTO_INCREMENT column, or that column is no integer",
    Reason.RETURNED_ROWS: "the rows of INSERT ... RETURNING would come in another order than that of their ids",
    Reason.ENGINE: "the table's engine keeps the first rows of an INSERT that failed, and a second one would meet them",
    Reason.SESSION_STATE: "a value reads ROW_COUNT(), LAST_INSERT_ID() or the like, which a failed INSERT changes",
    Reason.SESSION_CHANGED: "schema, character set or SQL mode have changed since the statement was prepared",
    Reason.LONG_DATA: "more was sent by SEND_LONG_DATA than is kept",
    Reason.PARAMETERS: "the types of the parameters are not known",
}


def explain_reason(reason: Reason) -> str:
    """Say a reason in words for people, without a full stop."""
    return _WORDS[reason]


class UnprovenError(Exception):
    """Raised inside the recogniser where the text stops being provable.

    Args:
        reason: what to count; it ends up in `Skip.reason`.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason
