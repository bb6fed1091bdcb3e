-- Five columns, in another order than in the table.
-- source
CREATE TABLE t (e CHAR(2), d DATE, c BIGINT UNSIGNED, b VARCHAR(9), a INT, v INT, PRIMARY KEY (a, b, c, d, e));
INSERT INTO t SELECT 'ee', '2024-01-01', i, 'b', 1, i FROM numbers.n WHERE i <= 2500;
-- replica
UPDATE t SET v = 0 WHERE c = 1234;
-- expect
-- changed [1, "b", 1234, "2024-01-01", "ee"]: v
