"""Who sees triggers, by the lines of SHOW GRANTS as MySQL 9.7 and MariaDB 10.11 print them."""

import pytest

from proxy.lookup.grants import sees_triggers

USAGE = "GRANT USAGE ON *.* TO `u`@`%`"


@pytest.mark.parametrize(
    "line",
    [
        "GRANT ALL PRIVILEGES ON *.* TO `u`@`%` WITH GRANT OPTION",
        "GRANT SELECT, TRIGGER, CREATE ROLE ON *.* TO `u`@`%`",
        "GRANT ALL PRIVILEGES ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*B69027D44F6E5EDC07F1AEAD1477967B16F28227'",
        "GRANT TRIGGER ON `my_shop`.* TO `u`@`%`",
        r"GRANT REFERENCES, TRIGGER ON `my\_shop`.* TO `u`@`%`",
        "GRANT TRIGGER ON `my%`.* TO `u`@`%`",
        "GRANT TRIGGER ON `%`.* TO `role`",
        "GRANT ALL PRIVILEGES ON `my_shop`.`us``ers` TO `u`@`%`",
        "GRANT SELECT (`a`, `b`), INSERT (`a`), TRIGGER ON `my_shop`.`us``ers` TO `u`@`%`",
    ],
)
def test_lines_that_show_triggers(line: str) -> None:
    assert sees_triggers([USAGE, line], "my_shop", "us`ers")


@pytest.mark.parametrize(
    "line",
    [
        "GRANT SELECT, REFERENCES ON *.* TO `u`@`%`",
        "GRANT SELECT (`TRIGGER`), INSERT (`ALL PRIVILEGES`) ON `my_shop`.`us``ers` TO `u`@`%`",
        "GRANT TRIGGER ON `other`.* TO `u`@`%`",
        r"GRANT TRIGGER ON `my\%`.* TO `u`@`%`",
        "GRANT TRIGGER ON `my_shop`.`users` TO `u`@`%`",
        "GRANT TRIGGER ON `other`.`us``ers` TO `u`@`%`",
        "GRANT `trigger`@`%` TO `u`@`%`",
        "GRANT TRIGGER_ADMIN ON *.* TO `u`@`%`",
        "SET DEFAULT ROLE `ALL PRIVILEGES` FOR `u`@`%`",
    ],
)
def test_lines_that_do_not(line: str) -> None:
    assert not sees_triggers([USAGE, line], "my_shop", "us`ers")


def test_a_partial_revoke() -> None:
    lines = ["GRANT SELECT, TRIGGER ON *.* TO `u`@`%`", "REVOKE TRIGGER ON `my_shop`.* FROM `u`@`%`"]
    assert not sees_triggers(lines, "my_shop", "users")
    assert sees_triggers(lines, "other", "users")
