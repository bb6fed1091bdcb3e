-- Two bytes a character on one side.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20), w VARCHAR(20) CHARACTER SET utf16);
INSERT INTO t VALUES (1, 'Ω', '😀'), (2, '', ''), (3, NULL, NULL);
-- replica
ALTER TABLE t MODIFY v VARCHAR(20) CHARACTER SET ucs2, MODIFY w VARCHAR(20) CHARACTER SET utf8mb4;
-- expect
-- identical
