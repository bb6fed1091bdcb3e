-- Names that have to be quoted, and some that look like something else.
-- source
CREATE TABLE t (`select` INT, `a``b` INT, `c.d` INT, `e f` INT, `g'h` INT, `i"j` INT, `größe` INT, `%s` INT, `k\l` INT, `--` INT, `/*m*/` INT, `?` INT, `N` INT, `0` INT, `@x` INT, PRIMARY KEY (`select`, `a``b`, `%s`));
INSERT INTO t VALUES (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1), (2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
-- replica
UPDATE t SET `c.d` = 2, `e f` = 2, `g'h` = 2, `i"j` = 2, `größe` = 2, `k\l` = 2, `--` = 2, `/*m*/` = 2, `?` = 2, `N` = 2, `0` = 2, `@x` = 2 WHERE `select` = 2;
-- expect
-- changed [2, 1, 1]: ["c.d", "e f", "g'h", "i\"j", "größe", "k\\l", "--", "/*m*/", "?", "N", "0", "@x"]
