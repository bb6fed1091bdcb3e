-- 64 characters, the most that there can be.
-- table: abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrstuvwxyz_0123456789
-- source
CREATE TABLE abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrstuvwxyz_0123456789 (id INT PRIMARY KEY, v INT);
INSERT INTO abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrstuvwxyz_0123456789 VALUES (1, 1);
-- replica
-- expect
-- identical
