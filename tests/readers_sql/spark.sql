-- Source my-shop, publication p1 of 2026-01-01 06:30 UTC.
-- Pagelake replaces this file at each publication.

CREATE OR REPLACE TEMPORARY VIEW `group` AS
SELECT `id`, `select`, CASE WHEN `email` IS NOT NULL THEN '***' END AS `email`, `price`, `size`, `at`, `tags`, `_deleted_at`
FROM delta.`s3a://bucket/lake/silver/group` VERSION AS OF 1
WHERE `_deleted_at` IS NULL;

CREATE OR REPLACE TEMPORARY VIEW `order` AS
SELECT `id`, `_deleted_at`
FROM delta.`s3a://bucket/lake/silver/order` VERSION AS OF 0
WHERE `_deleted_at` IS NULL;

CREATE OR REPLACE TEMPORARY VIEW `listens` AS
SELECT `user_id`, `track_id`
FROM delta.`s3a://bucket/lake/gold/listens` VERSION AS OF 0;
