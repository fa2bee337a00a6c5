-- name: insert_session(user_id, token_hash, idle_s, life_s, user_agent) one
INSERT INTO user_sessions (user_id, session_token, expires_at, ends_at, user_agent)
VALUES ($1, $2, now() + make_interval(secs => least($3::float8, $4::float8)),
        now() + make_interval(secs => $4), $5)
RETURNING id, expires_at, ends_at;

-- name: get_viewer(token_hash, session_id) maybe
-- Who holds this cookie, or this bearer token; no row when the session was signed out or has
-- ended, or the person is disabled.
SELECT session_id, expires_at, ends_at, id, email, display_name, avatar_url, language,
       is_language_chosen
  FROM live_viewer($1, $2);

-- name: list_session_documents(owner_id, current_id) json
-- For the person, newest first: where they are signed in.
SELECT json_build_object('sessions', coalesce(json_agg(
           json_build_object(
               'id', id,
               'isCurrent', id = $2::uuid,
               'userAgent', coalesce(user_agent, ''),
               'createdAt', created_at,
               'lastSeenAt', last_seen_at,
               'expiresAt', expires_at)
           ORDER BY created_at DESC, id), '[]'))
  FROM user_sessions
 WHERE user_id = $1
   AND expires_at > now();

-- name: is_fresh(id, user_id, age) value
-- Whether this session's sign-in was that short a while ago.
SELECT created_at > now() - $3::interval
  FROM user_sessions
 WHERE id = $1
   AND user_id = $2;

-- name: delete_session(id, user_id) exec
DELETE FROM user_sessions
 WHERE id = $1
   AND user_id = $2;

-- name: delete_session_by_token(token_hash) exec
DELETE FROM user_sessions
 WHERE session_token = $1;

-- name: delete_sessions(user_id) many
DELETE FROM user_sessions
 WHERE user_id = $1
RETURNING id;

-- name: delete_surplus_sessions(user_id, n) exec
-- Of more than n, those that were seen longest ago.
DELETE FROM user_sessions
 WHERE id IN (SELECT id
                FROM user_sessions
               WHERE user_id = $1
               ORDER BY last_seen_at DESC, id
              OFFSET $2);

-- name: list_ended_sessions(ids, owner_ids) many
-- For the hub: which of the sessions with open sockets may no longer see anything, and whether that
-- is because the account was closed or deleted.
SELECT asked.id,
       NOT EXISTS (SELECT FROM users u
                    WHERE u.id = asked.owner_id
                      AND u.is_active) AS is_account_closed
  FROM unnest($1::uuid[], $2::uuid[]) AS asked (id, owner_id)
 WHERE NOT EXISTS (SELECT FROM user_sessions s
                     JOIN users u ON u.id = s.user_id
                    WHERE s.id = asked.id
                      AND s.expires_at > now()
                      AND u.is_active);

-- name: delete_ended_sessions() exec
DELETE FROM user_sessions
 WHERE expires_at <= now();
