-- Rows that GROUP BY would hold for equal.
-- source
CREATE TABLE t (v VARCHAR(9) COLLATE utf8mb4_general_ci);
INSERT INTO t VALUES ('a'), ('A'), ('a'), ('a ');
-- replica
DELETE FROM t;
INSERT INTO t VALUES ('a'), ('A'), ('A'), ('a ');
-- expect
-- row {"v": "a"}: 2 1
-- row {"v": "A"}: 1 2
