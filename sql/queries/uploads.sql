-- name: insert_upload(id, owner_id, object_key, thumbnail_key, file_size, width, height) json
-- Answers the wire's JSON, with storage keys in it. Its objects, which were to be removed if this
-- had never come, stay.
WITH spared AS (
    DELETE FROM purges
     WHERE object_key IN ($3, $4)
)
INSERT INTO uploads (id, user_id, object_key, thumbnail_key, file_size, width, height)
VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING json_build_object(
           'id', id,
           'url', object_key,
           'thumbnailUrl', thumbnail_key,
           'fileSize', file_size,
           'dimensions', json_build_object('width', width, 'height', height));

-- name: get_upload(owner_id, id) maybe
SELECT id, object_key, thumbnail_key, file_size, width, height
  FROM uploads
 WHERE user_id = $1
   AND id = $2;

-- name: lock_source(owner_id, id, object_key) value
-- The upload by one or the other; it stays until the transaction that makes use of it has ended.
SELECT id
  FROM uploads
 WHERE user_id = $1
   AND (id = $2 OR object_key = $3)
   FOR KEY SHARE;

-- name: get_upload_use(owner_id) one
-- What a person's uploads take up.
SELECT count(*)::int AS files, coalesce(sum(file_size), 0)::bigint AS bytes
  FROM uploads
 WHERE user_id = $1;

-- name: delete_unused_uploads(after_s, n) exec
-- For a worker: what no generation was made from by now, a batch at a time, with its objects.
WITH unused AS (
    DELETE FROM uploads
     WHERE id = ANY (ARRAY(
               SELECT u.id
                 FROM uploads u
                WHERE u.created_at < now() - make_interval(secs => $1)
                  AND NOT EXISTS (SELECT
                                    FROM generations
                                   WHERE source_upload_id = u.id)
                ORDER BY u.created_at
                LIMIT $2
                  FOR UPDATE SKIP LOCKED))
    RETURNING object_key, thumbnail_key
)
INSERT INTO purges (object_key)
SELECT unnest(ARRAY[object_key, thumbnail_key])
  FROM unused
    ON CONFLICT DO NOTHING;
