-- A reserved word.
-- table: order
-- source
CREATE TABLE `order` (id INT PRIMARY KEY, `group` INT);
INSERT INTO `order` VALUES (1, 1);
-- replica
UPDATE `order` SET `group` = 2;
-- expect
-- changed 1: group
