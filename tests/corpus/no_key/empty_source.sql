-- Nothing was there.
-- source
CREATE TABLE t (a INT, b DATE);
-- replica
INSERT INTO t VALUES (1, '2024-01-01'), (1, '2024-01-01');
-- expect
-- row {"a": "1", "b": "2024-01-01"}: 0 2
