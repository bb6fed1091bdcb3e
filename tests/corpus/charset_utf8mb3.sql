-- UTF-8 in three bytes and in four.
-- source
CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20) CHARACTER SET utf8mb3, x TEXT CHARACTER SET utf8mb3, a VARCHAR(9) CHARACTER SET ascii);
INSERT INTO t VALUES (1, 'Straße €', 'Ω', 'a'), (2, '', NULL, '');
-- replica
ALTER TABLE t MODIFY v VARCHAR(20) CHARACTER SET utf8mb4, MODIFY x TEXT CHARACTER SET utf8mb4, MODIFY a VARCHAR(9) CHARACTER SET utf8mb4;
-- expect
-- identical
