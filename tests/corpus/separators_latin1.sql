-- In latin1 the characters ÿ and þ are the bytes FF and FE.
-- source
CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(9) CHARACTER SET latin1, b VARCHAR(9) CHARACTER SET latin1, c VARCHAR(9), d VARCHAR(9));
INSERT INTO t VALUES (1, 'ÿ', '', 'ÿ', ''), (2, 'aÿ', 'b', 'aþ', 'b'), (3, 'þ', NULL, 'þ', NULL);
-- replica
UPDATE t SET a = '', b = 'ÿ', c = '', d = 'ÿ' WHERE id = 1;
UPDATE t SET a = 'a', b = 'ÿb', c = 'a', d = 'þb' WHERE id = 2;
UPDATE t SET a = NULL, b = 'þ', c = NULL, d = 'þ' WHERE id = 3;
-- expect
-- changed 1..3: a b c d
