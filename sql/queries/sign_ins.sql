-- name: insert_sign_in(state_hash, browser_hash, nonce, code_verifier, return_to, ttl_s) exec
INSERT INTO sign_ins (state_hash, browser_hash, nonce, code_verifier, return_to, expires_at)
VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6));

-- name: take_sign_in(state_hash) maybe
-- Once: the row is gone with the first asking, whoever asks.
DELETE FROM sign_ins
 WHERE state_hash = $1
RETURNING browser_hash, nonce, code_verifier, return_to, expires_at > now() AS is_fresh;

-- name: delete_ended_sign_ins() exec
DELETE FROM sign_ins
 WHERE expires_at <= now();
