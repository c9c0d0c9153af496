-- Source my-shop, publication p1 of 2026-01-01 06:30 UTC.
-- Pagelake replaces this file at each publication.

CREATE SCHEMA IF NOT EXISTS `my_shop_files`;

CREATE SCHEMA IF NOT EXISTS `my_shop`;

CREATE OR REPLACE EXTERNAL TABLE `my_shop_files`.`group`
WITH CONNECTION DEFAULT
OPTIONS (format = 'PARQUET', file_set_spec_type = 'NEW_LINE_DELIMITED_MANIFEST', enable_list_inference = TRUE,
  uris = ['gs://bucket/lake/readers/group/_symlink_format_manifest/manifest']);

-- order: its newest version, which may be one that is not published.
CREATE OR REPLACE EXTERNAL TABLE `my_shop_files`.`order`
WITH CONNECTION DEFAULT
OPTIONS (format = 'DELTA_LAKE', uris = ['gs://bucket/lake/silver/order']);

CREATE OR REPLACE EXTERNAL TABLE `my_shop_files`.`listens`
WITH CONNECTION DEFAULT
OPTIONS (format = 'PARQUET', file_set_spec_type = 'NEW_LINE_DELIMITED_MANIFEST', enable_list_inference = TRUE,
  uris = ['gs://bucket/lake/readers/listens/_symlink_format_manifest/manifest']);

CREATE OR REPLACE VIEW `my_shop`.`group` AS
SELECT `id`, `select`, CASE WHEN `email` IS NOT NULL THEN '***' END AS `email`, `price`, `size`, `at`, `tags`, `_deleted_at`
FROM `my_shop_files`.`group`
WHERE `_deleted_at` IS NULL;

CREATE OR REPLACE VIEW `my_shop`.`order` AS
SELECT `id`, `_deleted_at`
FROM `my_shop_files`.`order`
WHERE `_deleted_at` IS NULL;

CREATE OR REPLACE VIEW `my_shop`.`listens` AS
SELECT `user_id`, `track_id`
FROM `my_shop_files`.`listens`;
