-- name: insert_upload(id, owner_id, object_key, thumbnail_key, file_size, width, height) exec
INSERT INTO uploads (id, user_id, object_key, thumbnail_key, file_size, width, height)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: get_upload(owner_id, id) maybe
SELECT id, object_key, thumbnail_key, file_size, width, height
  FROM uploads
 WHERE user_id = $1
   AND id = $2;
