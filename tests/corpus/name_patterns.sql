-- What a pattern, or a driver, would take for itself.
-- table: %s[a]*?{0}
-- source
CREATE TABLE `%s[a]*?{0}` (id INT PRIMARY KEY, v INT);
INSERT INTO `%s[a]*?{0}` VALUES (1, 1);
-- replica
UPDATE `%s[a]*?{0}` SET v = 2;
-- expect
-- changed 1: v
