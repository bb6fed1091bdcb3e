-- The six digits of a printed FLOAT are not enough.
-- source
CREATE TABLE t (id INT PRIMARY KEY, f FLOAT, d DOUBLE);
INSERT INTO t VALUES (1, 16777216, 0.1), (2, 1, 1), (3, 0, NULL), (4, 16777216, 1), (5, 1.5, 1), (6, 1e38, 1);
-- replica
UPDATE t SET f = 16777218 WHERE id = 1;
UPDATE t SET d = 1.0000000000000002 WHERE id = 2;
UPDATE t SET f = NULL WHERE id = 3;
UPDATE t SET f = 16777220 WHERE id = 4;
UPDATE t SET f = 1.5000001 WHERE id = 5;
UPDATE t SET f = 1.00000005e38 WHERE id = 6;
-- expect
-- changed 1: f
-- changed 2: d
-- changed 3..6: f
