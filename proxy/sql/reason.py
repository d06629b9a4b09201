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
    SELECT = "select"
    TABLE = "table"
    VALUES_ROW = "values_row"
    ROW_ALIAS = "row_alias"
    MULTI_STATEMENT = "multi_statement"
    PREPARED = "prepared"
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
    DELAYED = "delayed"
    PLACEHOLDERS = "placeholders"
    AUTO_INCREMENT = "auto_increment"
    # What the session does not allow just now.
    TRIPPED = "tripped"
    SESSION_CHANGED = "session_changed"
    LONG_DATA = "long_data"
    PARAMETERS = "parameters"


_WORDS = {
    Reason.NOT_INSERT: "the statement is not an INSERT",
    Reason.IGNORE: "INSERT IGNORE already says what becomes of a duplicate",
    Reason.REPLACE: "REPLACE already says what becomes of a duplicate",
    Reason.ON_DUPLICATE: "the statement has its own ON DUPLICATE KEY UPDATE",
    Reason.RETURNING: "INSERT ... RETURNING answers with rows",
    Reason.SELECT: "INSERT ... SELECT is not rewritten",
    Reason.TABLE: "INSERT ... TABLE is not rewritten",
    Reason.VALUES_ROW: "VALUES ROW(...) is not rewritten",
    Reason.ROW_ALIAS: "the statement already names its new row with AS",
    Reason.MULTI_STATEMENT: "the text holds more than one statement",
    Reason.PREPARED: "the statement is prepared",
    Reason.LOAD_DATA: "LOAD DATA is not rewritten",
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
    Reason.COLUMNS_UNKNOWN: "the rule names a key, and the columns of that key are not known",
    Reason.DELAYED: "INSERT DELAYED reports no duplicate",
    Reason.PLACEHOLDERS: "the text holds placeholders",
    Reason.AUTO_INCREMENT: "the AUTO_INCREMENT column has come to its end; the row with the last id is not a duplicate",
    Reason.TRIPPED: "the rule's statements have failed too often in a row, and rest for a while",
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
