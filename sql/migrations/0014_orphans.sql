-- Comparing storage with the rows that name its objects, one folder of it at a time.
-- migrate:up

-- Equality uses these indexes as it did the others; a folder is a range of them, whatever the
-- database's collation.
CREATE INDEX generations_by_thumbnail_key ON generations (thumbnail_key text_pattern_ops)
    WHERE thumbnail_key IS NOT NULL;
DROP INDEX generations_by_master_key;
CREATE INDEX generations_by_master_key ON generations (master_key text_pattern_ops)
    WHERE master_key IS NOT NULL;
DROP INDEX generations_by_result_image_key;
CREATE INDEX generations_by_result_image_key ON generations (result_image_key text_pattern_ops)
    WHERE result_image_key IS NOT NULL;
CREATE INDEX uploads_by_object_key ON uploads (object_key text_pattern_ops);
CREATE INDEX uploads_by_thumbnail_key ON uploads (thumbnail_key text_pattern_ops);

-- migrate:down
