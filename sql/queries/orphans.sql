-- name: get_installation() value
-- For a worker: what this database is called in its storage.
SELECT id
  FROM installation;

-- name: list_orphans(object_keys) many
-- For a worker: those of these objects that no row names. A row in the trash names its objects like
-- any other, and what is already to leave storage is no news.
SELECT key AS object_key
  FROM unnest($1::text[]) AS key
 WHERE NOT EXISTS (SELECT FROM generations WHERE master_key = key)
   AND NOT EXISTS (SELECT FROM generations WHERE result_image_key = key)
   AND NOT EXISTS (SELECT FROM generations WHERE thumbnail_key = key)
   AND NOT EXISTS (SELECT FROM uploads WHERE object_key = key)
   AND NOT EXISTS (SELECT FROM uploads WHERE thumbnail_key = key)
   AND NOT EXISTS (SELECT FROM purges WHERE object_key = key);

-- name: list_object_owners(object_keys) many
-- For the operator: whose each of these objects is, and what it is to them; no owner where no row
-- names it. What is to leave storage is counted as that, whoever's it was.
SELECT key AS object_key,
       owner.user_id,
       CASE WHEN EXISTS (SELECT FROM purges WHERE object_key = key) THEN 'leaving'
            ELSE owner.kind END AS kind
  FROM unnest($1::text[]) AS key
  LEFT JOIN LATERAL (
        SELECT user_id, CASE WHEN deleted_at IS NULL THEN 'master' ELSE 'deleted' END AS kind
          FROM generations
         WHERE master_key = key
         UNION ALL
        SELECT user_id, CASE WHEN deleted_at IS NULL THEN 'picture' ELSE 'deleted' END
          FROM generations
         WHERE result_image_key = key
         UNION ALL
        SELECT user_id, CASE WHEN deleted_at IS NULL THEN 'thumbnail' ELSE 'deleted' END
          FROM generations
         WHERE thumbnail_key = key
         UNION ALL
        SELECT user_id, 'upload'
          FROM uploads
         WHERE object_key = key
         UNION ALL
        SELECT user_id, 'upload'
          FROM uploads
         WHERE thumbnail_key = key
         LIMIT 1) owner ON true;

-- name: list_named_objects(first, beyond, settled_s) many
-- For a worker: every object between two keys that must be there for somebody, and has been for a
-- while. The operators are those of the indexes. Uploads of a closed account leave before their rows
-- do.
SELECT master_key AS object_key
  FROM generations
 WHERE master_key ~>=~ $1
   AND master_key ~<~ $2
   AND state = 'completed'
   AND deleted_at IS NULL
   AND completed_at < now() - make_interval(secs => $3)
 UNION ALL
SELECT result_image_key
  FROM generations
 WHERE result_image_key ~>=~ $1
   AND result_image_key ~<~ $2
   AND state = 'completed'
   AND deleted_at IS NULL
   AND completed_at < now() - make_interval(secs => $3)
 UNION ALL
SELECT thumbnail_key
  FROM generations
 WHERE thumbnail_key ~>=~ $1
   AND thumbnail_key ~<~ $2
   AND state = 'completed'
   AND deleted_at IS NULL
   AND completed_at < now() - make_interval(secs => $3)
 UNION ALL
SELECT object_key
  FROM uploads
 WHERE object_key ~>=~ $1
   AND object_key ~<~ $2
   AND created_at < now() - make_interval(secs => $3)
   AND NOT EXISTS (SELECT FROM users WHERE id = uploads.user_id AND deleted_at IS NOT NULL)
 UNION ALL
SELECT thumbnail_key
  FROM uploads
 WHERE thumbnail_key ~>=~ $1
   AND thumbnail_key ~<~ $2
   AND created_at < now() - make_interval(secs => $3)
   AND NOT EXISTS (SELECT FROM users WHERE id = uploads.user_id AND deleted_at IS NOT NULL);
