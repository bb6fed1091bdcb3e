-- Two bytes a character.
-- source
CREATE TABLE t (k VARCHAR(40) CHARACTER SET ucs2 PRIMARY KEY, v INT, w VARCHAR(9) CHARACTER SET utf16);
INSERT INTO t SELECT CONCAT('Ω', i), 1, '😀' FROM numbers.n WHERE i <= 2000;
-- replica
UPDATE t SET v = 2 WHERE k = 'Ω77';
UPDATE t SET w = '😁' WHERE k = 'Ω99';
-- expect
-- changed "Ω77": v
-- changed "Ω99": w
