-- A stored generated column as the key; MariaDB has none.
-- flavours: mysql
-- source
CREATE TABLE t (v INT, k VARCHAR(20) AS (CONCAT('k', v)) STORED, w INT, PRIMARY KEY (k));
INSERT INTO t (v, w) SELECT i, 1 FROM numbers.n WHERE i <= 20;
-- replica
UPDATE t SET w = 2 WHERE v = 7;
-- expect
-- changed "k7": w
