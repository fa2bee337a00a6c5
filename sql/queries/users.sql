-- name: upsert_user(google_id, email, display_name, avatar_url, language) one
-- Google's subject is the identity; what else Google says is refreshed, except a name that the
-- person chose here. The language is the person's own and only set the first time.
INSERT INTO users (google_id, email, display_name, avatar_url, language)
VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (google_id) DO UPDATE
   SET email = excluded.email,
       display_name = CASE WHEN users.is_name_chosen THEN users.display_name
                           ELSE excluded.display_name END,
       avatar_url = excluded.avatar_url,
       updated_at = now()
RETURNING id, email, display_name, avatar_url, language, is_language_chosen, is_active;

-- name: get_profile_document(owner_id) json
SELECT json_build_object(
           'id', id,
           'email', email,
           'displayName', display_name,
           'avatarUrl', coalesce(avatar_url, ''),
           'language', language,
           'createdAt', created_at)
  FROM users
 WHERE id = $1;

-- name: update_profile(owner_id, display_name, language) json
-- Null leaves a field as it is. No row: the person is leaving at this moment.
UPDATE users
   SET display_name = coalesce($2::text, display_name),
       is_name_chosen = is_name_chosen OR $2 IS NOT NULL,
       language = coalesce($3::text, language),
       is_language_chosen = is_language_chosen OR $3 IS NOT NULL,
       updated_at = CASE WHEN $2 IS NULL AND $3 IS NULL THEN updated_at ELSE now() END
 WHERE id = $1
   AND deleted_at IS NULL
RETURNING json_build_object(
           'id', id,
           'email', email,
           'displayName', display_name,
           'avatarUrl', coalesce(avatar_url, ''),
           'language', language,
           'createdAt', created_at);

-- name: get_stats_document(owner_id) json
-- The style used most, the latest of them when several were used as often.
SELECT json_build_object(
           'totalGenerations', coalesce(sum(by_style.n), 0),
           'totalLikes', coalesce(sum(by_style.likes), 0),
           'totalDownloads', coalesce(sum(by_style.downloads), 0),
           'favoriteStyle', coalesce(
               (array_agg(by_style.style ORDER BY by_style.n DESC, by_style.latest DESC)
                   FILTER (WHERE by_style.style IS NOT NULL))[1], ''),
           'joinedAt', u.created_at)
  FROM users u
  LEFT JOIN (SELECT user_id, style, count(*) AS n, count(*) FILTER (WHERE is_liked) AS likes,
                    sum(download_count) AS downloads, max(created_at) AS latest
               FROM generations
              WHERE user_id = $1
                AND deleted_at IS NULL
              GROUP BY user_id, style) by_style ON by_style.user_id = u.id
 WHERE u.id = $1
 GROUP BY u.id;

-- name: get_export_document(owner_id) json
-- Everything that is kept about a person and theirs. Of their requests it tells from where they
-- came, when and how many; each one by itself would be a file of its own.
SELECT json_build_object(
           'user', (SELECT json_build_object(
                               'id', id,
                               'email', email,
                               'displayName', display_name,
                               'avatarUrl', coalesce(avatar_url, ''),
                               'language', language,
                               'createdAt', created_at,
                               'updatedAt', updated_at)
                      FROM users
                     WHERE id = $1),
           'generations', (SELECT coalesce(json_agg(document ORDER BY created_at, id), '[]')
                             FROM generation_documents
                            WHERE user_id = $1),
           'trash', (SELECT coalesce(json_agg(document ORDER BY deleted_at, id), '[]')
                       FROM trash_documents
                      WHERE user_id = $1),
           'uploads', (SELECT coalesce(json_agg(json_build_object(
                                  'id', id,
                                  'url', object_key,
                                  'thumbnailUrl', thumbnail_key,
                                  'fileSize', file_size,
                                  'dimensions', json_build_object('width', width, 'height', height),
                                  'createdAt', created_at) ORDER BY created_at, id), '[]')
                         FROM uploads
                        WHERE user_id = $1),
           'sessions', (SELECT coalesce(json_agg(json_build_object(
                                   'id', id,
                                   'userAgent', coalesce(user_agent, ''),
                                   'createdAt', created_at,
                                   'lastSeenAt', last_seen_at,
                                   'expiresAt', expires_at) ORDER BY created_at, id), '[]')
                          FROM user_sessions
                           WHERE user_id = $1),
           'requests', (SELECT coalesce(json_agg(json_build_object(
                                   'ipAddress', coalesce(host(ip_address), ''),
                                   'userAgent', coalesce(user_agent, ''),
                                   'count', n,
                                   'firstAt', first_at,
                                   'lastAt', last_at) ORDER BY first_at, last_at), '[]')
                          FROM (SELECT ip_address, user_agent, count(*) AS n,
                                       min(created_at) AS first_at, max(created_at) AS last_at
                                  FROM api_usage
                                 WHERE user_id = $1
                                 GROUP BY ip_address, user_agent) seen));

-- name: lock_user(owner_id) exec
-- Whoever counts what a person has and adds to it, one after the other. No row: they left.
SELECT FROM users
 WHERE id = $1
   AND deleted_at IS NULL
   FOR NO KEY UPDATE;

-- name: list_people(letters, n) many
-- For the operator: whose e-mail or name has these letters in it, the newest account first.
SELECT u.id, u.email, u.display_name, u.is_active, u.created_at,
       (SELECT max(last_seen_at)
          FROM user_sessions
         WHERE user_id = u.id) AS last_seen_at,
       (SELECT count(*)
          FROM generations
         WHERE user_id = u.id
           AND deleted_at IS NULL)::int AS pictures
  FROM users u
 WHERE u.deleted_at IS NULL
   AND (strpos(lower(u.email), lower($1)) > 0
        OR strpos(lower(u.display_name), lower($1)) > 0)
 ORDER BY u.created_at DESC, u.id
 LIMIT $2;

-- name: list_people_called(called) many
-- For the operator: whose e-mail or id this is; an e-mail may be several people's.
SELECT id, email
  FROM users
 WHERE deleted_at IS NULL
   AND (id::text = lower($1) OR lower(email) = lower($1))
 ORDER BY created_at;

-- name: list_people_by_id(ids) many
-- For the operator.
SELECT id, email
  FROM users
 WHERE id = ANY ($1::uuid[])
   AND deleted_at IS NULL;

-- name: get_person(id) maybe
-- For the operator: one person, and how much is theirs. Bytes are those that rows know of: the
-- lossless pictures, also in the trash, and the uploads.
SELECT u.id, u.email, u.display_name, u.language, u.is_active, u.created_at,
       sessions.n AS sessions,
       sessions.last_seen_at,
       pictures.completed,
       pictures.failed,
       pictures.unfinished,
       pictures.in_trash,
       pictures.bytes AS picture_bytes,
       sources.n AS uploads,
       sources.bytes AS upload_bytes
  FROM users u,
       LATERAL (SELECT count(*)::int AS n,
                       max(last_seen_at) AS last_seen_at
                  FROM user_sessions
                 WHERE user_id = u.id
                   AND expires_at > now()) sessions,
       LATERAL (SELECT count(*) FILTER (WHERE deleted_at IS NULL AND state = 'completed')::int
                           AS completed,
                       count(*) FILTER (WHERE deleted_at IS NULL
                                          AND state IN ('failed', 'reviving'))::int AS failed,
                       count(*) FILTER (WHERE deleted_at IS NULL
                                          AND state IN ('queued', 'processing', 'finalizing'))::int
                           AS unfinished,
                       count(*) FILTER (WHERE deleted_at IS NOT NULL)::int AS in_trash,
                       coalesce(sum(file_size_bytes), 0)::bigint AS bytes
                  FROM generations
                 WHERE user_id = u.id
                   AND (deleted_at IS NULL OR gone_at IS NOT NULL)) pictures,
       LATERAL (SELECT count(*)::int AS n,
                       coalesce(sum(file_size), 0)::bigint AS bytes
                  FROM uploads
                 WHERE user_id = u.id) sources
 WHERE u.id = $1
   AND u.deleted_at IS NULL;

-- name: set_user_active(id, is_active) exec
-- For the operator. No row: it is so already, or they left.
UPDATE users
   SET is_active = $2,
       updated_at = now()
 WHERE id = $1
   AND is_active <> $2
   AND deleted_at IS NULL;

-- name: mark_user_deleted(owner_id) exec
-- Nothing of the person stays in the row; the next sign-in at Google begins a new account.
UPDATE users
   SET google_id = 'deleted:' || id,
       email = '',
       display_name = '',
       avatar_url = NULL,
       is_active = false,
       deleted_at = now(),
       updated_at = now()
 WHERE id = $1
   AND deleted_at IS NULL;

-- name: insert_account_deletion(owner_id) exec
-- Before they are deleted.
INSERT INTO account_deletions (generations, uploads)
SELECT (SELECT count(*)
          FROM generations
         WHERE user_id = $1
           AND (deleted_at IS NULL OR gone_at IS NOT NULL)),
       (SELECT count(*) FROM uploads WHERE user_id = $1);

-- name: delete_deleted_user(after_s) exec
-- For a worker, once nothing can be under way for them any more: all that still hangs on the row
-- goes. Its pictures went before, so that their objects are known, and so did what was noted of its
-- requests, of which no address may stay. One at a time: what refers to
-- it is looked for in whole tables.
DELETE FROM users
 WHERE id = (SELECT id
               FROM users u
              WHERE deleted_at < now() - make_interval(secs => $1)
                AND NOT EXISTS (SELECT
                                  FROM generations
                                 WHERE user_id = u.id
                                   AND deleted_at IS NOT NULL)
                AND NOT EXISTS (SELECT
                                  FROM api_usage
                                 WHERE user_id = u.id)
              ORDER BY deleted_at
              LIMIT 1
                FOR UPDATE SKIP LOCKED);
