-- Another format and another next number: no data.
-- source
CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(99));
INSERT INTO t VALUES (1, 'x');
-- replica
ALTER TABLE t ROW_FORMAT = COMPACT, AUTO_INCREMENT = 77;
-- expect
-- identical
