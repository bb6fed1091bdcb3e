-- Dots and blanks.
-- table: a.b c.d
-- source
CREATE TABLE `a.b c.d` (id INT PRIMARY KEY, v INT);
INSERT INTO `a.b c.d` VALUES (1, 1), (2, 1);
-- replica
UPDATE `a.b c.d` SET v = 2 WHERE id = 1;
-- expect
-- changed 1: v
