-- Every kind of quote, and a backslash.
-- table: q'u"o`t\e
-- source
CREATE TABLE `q'u"o``t\e` (id INT PRIMARY KEY, v INT);
INSERT INTO `q'u"o``t\e` VALUES (1, 1), (2, 1);
-- replica
UPDATE `q'u"o``t\e` SET v = 2 WHERE id = 1;
-- expect
-- changed 1: v
