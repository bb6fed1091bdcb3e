-- One value larger than max_allowed_packet, and its neighbours of length.
-- source
CREATE TABLE t (id INT PRIMARY KEY, b LONGBLOB);
INSERT INTO t VALUES (1, REPEAT('b', 1500000)), (2, REPEAT('b', 1500000)), (3, REPEAT('b', 1024)), (4, REPEAT('b', 1025));
-- replica
UPDATE t SET b = REPEAT('b', 1500001) WHERE id = 2;
UPDATE t SET b = REPEAT('b', 1025) WHERE id = 3;
UPDATE t SET b = REPEAT('b', 1024) WHERE id = 4;
-- expect
-- changed 2..4: b
