-- The same text in another charset and engine.
-- source
CREATE TABLE t (v VARCHAR(20) CHARACTER SET latin1, n INT);
INSERT INTO t VALUES ('Straße', 1), ('Straße', 1), ('ÿ', 2);
-- replica
ALTER TABLE t MODIFY v VARCHAR(20) CHARACTER SET utf8mb4, ENGINE = MyISAM;
-- expect
-- identical
