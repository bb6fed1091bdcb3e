"""Which keys of a table may be added after its rows."""

import pytest

from repwatch.sql.late_keys import without_keys

HEAD = "CREATE TABLE `t` (\n  `id` int NOT NULL AUTO_INCREMENT,\n  `v` varchar(9) DEFAULT ',\\n  KEY `',\n  "
TAIL = "\n) ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4\n/*!50100 PARTITION BY HASH (`id`)\nPARTITIONS 2 */"
KEYS = (
    "UNIQUE KEY `u``x` (`v`) COMMENT 'a, b'",
    "KEY `k` (`v`(3) DESC) /*!80000 INVISIBLE */",
    "CONSTRAINT `f` FOREIGN KEY (`v`) REFERENCES `s`.`p` (`v`) ON DELETE CASCADE",
)


def test_secondary_and_foreign_keys_are_moved_whole() -> None:
    statement = HEAD + ",\n  ".join(["PRIMARY KEY (`id`)", *KEYS, "CONSTRAINT `c` CHECK ((`v` > 1))"]) + TAIL
    create, alter = without_keys(statement, "s", "t`")
    assert create == HEAD + "PRIMARY KEY (`id`),\n  CONSTRAINT `c` CHECK ((`v` > 1))" + TAIL
    assert alter == "ALTER TABLE `s`.`t```\n" + ",\n".join(f"  ADD {key}" for key in KEYS)


@pytest.mark.parametrize(
    "parts",
    [
        ("PRIMARY KEY (`id`)",),
        ("UNIQUE KEY `u` (`id`)", "KEY `k` (`v`)"),  # the clustered one
        ("PRIMARY KEY (`v`)", "KEY `id` (`id`)"),  # the counter's
        ("PRIMARY KEY (`id`)", "KEY `k` (`v`)", "FULLTEXT KEY `f` (`v`)"),
        ("PRIMARY KEY (`id`)", "KEY `k` (`v`)", "PERIOD FOR `p` (`a`, `b`)"),
    ],
)
def test_where_a_key_is_needed_from_the_beginning_all_stays(parts: tuple[str, ...]) -> None:
    statement = HEAD + ",\n  ".join(parts) + TAIL
    assert without_keys(statement, "s", "t") == (statement, "")


def test_what_is_not_understood_stays() -> None:
    assert without_keys("CREATE TABLE t (id INT)", "s", "t") == ("CREATE TABLE t (id INT)", "")
