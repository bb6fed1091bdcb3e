-- Under the two collations a range holds different rows.
-- source
CREATE TABLE t (k VARCHAR(9) COLLATE utf8mb4_general_ci PRIMARY KEY, v INT);
INSERT INTO t VALUES ('a', 1), ('B', 1), ('c', 1), ('D', 1);
-- replica
ALTER TABLE t MODIFY k VARCHAR(9) COLLATE utf8mb4_bin;
-- expect
-- identical
