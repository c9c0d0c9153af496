-- Source my-shop, publication p1 of 2026-01-01 06:30 UTC.
-- Pagelake replaces this file at each publication.

-- In a catalog that is called delta, with delta.register-table-procedure.enabled=true. A table that is
-- registered already is an error, which is passed over by: trino --ignore-errors --file trino.sql
CREATE SCHEMA IF NOT EXISTS delta."my_shop_files";

CREATE SCHEMA IF NOT EXISTS delta."my_shop";

CALL delta.system.register_table(schema_name => 'my_shop_files', table_name => 'group', table_location => 's3://bucket/lake/silver/group');

CALL delta.system.register_table(schema_name => 'my_shop_files', table_name => 'order', table_location => 's3://bucket/lake/silver/order');

CALL delta.system.register_table(schema_name => 'my_shop_files', table_name => 'listens', table_location => 's3://bucket/lake/gold/listens');

CREATE OR REPLACE VIEW delta."my_shop"."group" AS
SELECT "id", "select", CASE WHEN "email" IS NOT NULL THEN '***' END AS "email", "price", "size", "at", "tags", "_deleted_at"
FROM delta."my_shop_files"."group" FOR VERSION AS OF 1
WHERE "_deleted_at" IS NULL;

CREATE OR REPLACE VIEW delta."my_shop"."order" AS
SELECT "id", "_deleted_at"
FROM delta."my_shop_files"."order" FOR VERSION AS OF 0
WHERE "_deleted_at" IS NULL;

CREATE OR REPLACE VIEW delta."my_shop"."listens" AS
SELECT "user_id", "track_id"
FROM delta."my_shop_files"."listens" FOR VERSION AS OF 0;
