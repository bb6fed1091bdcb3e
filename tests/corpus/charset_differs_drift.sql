-- The same, with something to find.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20) CHARACTER SET latin1);
INSERT INTO t VALUES (1, 'Straße'), (2, 'ä'), (3, 'x');
-- replica
ALTER TABLE t MODIFY v VARCHAR(20) CHARACTER SET utf8mb4;
UPDATE t SET v = 'Ä' WHERE id = 2;
UPDATE t SET v = '😀' WHERE id = 3;
-- expect
-- changed 2..3: v
