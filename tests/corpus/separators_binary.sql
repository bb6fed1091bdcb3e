-- The bytes FF and FE inside binary values.
-- source
CREATE TABLE t (id INT PRIMARY KEY, a VARBINARY(9), b VARBINARY(9));
INSERT INTO t VALUES (1, X'FF', ''), (2, X'61FF', X'62'), (3, X'FE', X'FF'), (4, X'FFFF', X'FE'), (5, X'32FF61', X'62');
-- replica
UPDATE t SET a = '', b = X'FF' WHERE id = 1;
UPDATE t SET a = X'61', b = X'FF62' WHERE id = 2;
UPDATE t SET a = X'FF', b = X'FE' WHERE id = 3;
UPDATE t SET a = X'FF', b = X'FFFE' WHERE id = 4;
UPDATE t SET a = X'32', b = X'61FF62' WHERE id = 5;
-- expect
-- changed 1..5: a b
