-- name: get_idempotent_response(owner_id, route, key) maybe
SELECT body_hash, response::text AS response
  FROM idempotency_keys
 WHERE user_id = $1
   AND route = $2
   AND key = $3;

-- name: insert_idempotency_key(owner_id, route, key, body_hash) exec
-- No row: the key was used before; while that use is not committed, this waits for it. The answer
-- follows in the same transaction, so nobody else ever sees a key without one.
INSERT INTO idempotency_keys (user_id, route, key, body_hash, response)
VALUES ($1, $2, $3, $4, 'null')
    ON CONFLICT DO NOTHING;

-- name: set_idempotent_response(owner_id, route, key, response) exec
UPDATE idempotency_keys
   SET response = $4
 WHERE user_id = $1
   AND route = $2
   AND key = $3;

-- name: delete_old_idempotency_keys() exec
DELETE FROM idempotency_keys
 WHERE created_at < now() - interval '24 hours';

-- name: delete_idempotency_keys(owner_id) exec
DELETE FROM idempotency_keys
 WHERE user_id = $1;
