-- A charset whose second bytes are ASCII characters such as the backslash.
-- source
CREATE TABLE t (k VARCHAR(40) CHARACTER SET sjis PRIMARY KEY, v VARCHAR(9) CHARACTER SET sjis);
INSERT INTO t VALUES ('表', '表'), ('ソ', 'ソ'), ('能', '能');
-- replica
UPDATE t SET v = 'ソ' WHERE k = '表';
DELETE FROM t WHERE k = 'ソ';
-- expect
-- changed "表": v
-- missing "ソ"
