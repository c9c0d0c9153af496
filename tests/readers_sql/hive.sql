-- Source my-shop, publication p1 of 2026-01-01 06:30 UTC.
-- Pagelake replaces this file at each publication.

CREATE SCHEMA IF NOT EXISTS `my_shop_files`;

CREATE TABLE IF NOT EXISTS `my_shop_files`.`group`
USING DELTA LOCATION 's3a://bucket/lake/silver/group';

CREATE TABLE IF NOT EXISTS `my_shop_files`.`order`
USING DELTA LOCATION 's3a://bucket/lake/silver/order';

CREATE TABLE IF NOT EXISTS `my_shop_files`.`listens`
USING DELTA LOCATION 's3a://bucket/lake/gold/listens';

CREATE SCHEMA IF NOT EXISTS `my_shop`;

CREATE OR REPLACE VIEW `my_shop`.`group` AS
SELECT `id`, `select`, CASE WHEN `email` IS NOT NULL THEN '***' END AS `email`, `price`, `size`, `at`, `tags`, `_deleted_at`
FROM `my_shop_files`.`group` VERSION AS OF 1
WHERE `_deleted_at` IS NULL;

CREATE OR REPLACE VIEW `my_shop`.`order` AS
SELECT `id`, `_deleted_at`
FROM `my_shop_files`.`order` VERSION AS OF 0
WHERE `_deleted_at` IS NULL;

CREATE OR REPLACE VIEW `my_shop`.`listens` AS
SELECT `user_id`, `track_id`
FROM `my_shop_files`.`listens` VERSION AS OF 0;
