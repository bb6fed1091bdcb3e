-- Wider types, a display width, ZEROFILL on one side.
-- source
CREATE TABLE t (id INT PRIMARY KEY, a INT(6) ZEROFILL, b VARCHAR(20), c SMALLINT, d DECIMAL(8,2), e VARBINARY(9), f CHAR(9), g TINYTEXT);
INSERT INTO t VALUES (1, 42, 'x', 7, -1.50, X'00FF', 'c', ''), (2, 0, '', -1, 0, '', '', NULL), (3, NULL, NULL, NULL, NULL, NULL, NULL, REPEAT('x', 255));
-- replica
ALTER TABLE t MODIFY a BIGINT, MODIFY b LONGTEXT, MODIFY c INT, MODIFY d DECIMAL(20,2), MODIFY e BLOB, MODIFY f VARCHAR(99), MODIFY g TEXT;
-- expect
-- identical
