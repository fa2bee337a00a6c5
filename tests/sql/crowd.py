"""Many people's generations, the same each time, for plans and benches to be measured on.

Of any `total` one ordinary person, Badr, owns a hundred; Amal owns a tenth, ten thousand at most.
What is being made at this moment does not depend on how much was made before, nor does a day's use.
"""

from typing import Any

import psycopg

Conn = psycopg.Connection[Any]

OWN = 10_000
ORDINARY = 100
UNFINISHED = 60
_LARGE = ("generations", "attempts", "uploads", "api_usage", "user_sessions")

# A row's number and what it is drawn for give a number from 0 to 1; words come by Zipf's law.
_DRAWING = """
CREATE FUNCTION pg_temp.drawn(n bigint, salt int) RETURNS float8 LANGUAGE sql IMMUTABLE
RETURN abs(hashint8extended(n, salt) % 1000003) / 1000003.0::float8;

CREATE FUNCTION pg_temp.word(words text[], n bigint, salt int) RETURNS text LANGUAGE sql IMMUTABLE
RETURN words[1 + floor(array_length(words, 1) * power(pg_temp.drawn(n, salt), 2))::int];

CREATE FUNCTION pg_temp.named(kind text, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
RETURN md5(kind || n::text)::uuid;
"""

_PEOPLE = """
INSERT INTO users (id, google_id, email, display_name, language, created_at)
SELECT pg_temp.named('user', n), 'g' || n, 'person' || n || '@madar.test', 'Person ' || n,
       CASE WHEN n % 3 = 0 THEN 'ar' ELSE 'en' END, now() - interval '366 days'
  FROM generate_series(0, {people} + 1) n;

INSERT INTO user_sessions (id, user_id, session_token, expires_at, created_at, ends_at,
                           last_seen_at, user_agent)
SELECT pg_temp.named('session', n), pg_temp.named('user', n / 2),
       sha256(('session ' || n)::bytea), now() + interval '7 days', now() - interval '3 days',
       now() + interval '28 days', now() - interval '1 hour' * (n % 70), 'Mozilla/5.0 (X11)'
  FROM generate_series(0, 2 * {people} + 3) n;
"""

# Rows: of whom, of when, and how far. `number` counts a person's own.
_ROWS = """
CREATE TEMP TABLE row AS
SELECT n,
       pg_temp.named('user', owner) AS user_id,
       now() - (({total} - n) * interval '365 days' / {total}) - interval '1 minute' AS created_at,
       CASE WHEN n <= {total} - {unfinished} THEN NULL ELSE ({total} - n)::int END AS live,
       n <= {total} - {unfinished} AND n > {total} * 0.85 AND number % 5 = 2 AS is_deleted,
       number
  FROM generate_series(1, {total}) n
 CROSS JOIN LATERAL (
       SELECT CASE WHEN n % {every} = 0 THEN 0
                   WHEN n % ({total} / {ordinary}) = 1 THEN 1
                   ELSE 2 + floor({people} * pg_temp.drawn(n, 1))::int END AS owner,
              CASE WHEN n % {every} = 0 THEN n / {every}
                   WHEN n % ({total} / {ordinary}) = 1 THEN n / ({total} / {ordinary})
                   ELSE floor(1000 * pg_temp.drawn(n, 2))::int END AS number) drawn;
"""

_PHRASES = """
CREATE TEMP TABLE phrase AS
SELECT nth, is_arabic, prompt, {document} AS document
  FROM generate_series(0, {phrases} - 1) nth
 CROSS JOIN LATERAL (SELECT pg_temp.drawn(nth, 5) < 0.33 AS is_arabic) language
 CROSS JOIN LATERAL (SELECT CASE
       WHEN nth % 199 = 10 THEN 'a zeppelin among the clouds'
       WHEN is_arabic THEN
           concat_ws(' ',
               pg_temp.word('{{صاروخ,قطة,كوكب,شجرة,بيت,سيارة,قلعة,جمل,نخلة,قارب,مصباح,كتاب,طائر,
                   حصان,روبوت,ساعة,فانوس,هدهد}}', nth, 10),
               pg_temp.word('{{صغير,كبير,أحمر,أزرق,ذهبي,لامع,قديم,سعيد,خشبي,زجاجي}}', nth, 11),
               pg_temp.word('{{"فوق الغيوم","في الصحراء","على الشاطئ","تحت المطر","بين النجوم",
                   "أمام المدينة القديمة"}}', nth, 12),
               'بألوان', pg_temp.word('{{زاهية,هادئة,دافئة,باردة}}', nth, 13), 'وإضاءة ناعمة')
       ELSE
           concat_ws(' ',
               pg_temp.word('{{a,the,one,my}}', nth, 14),
               pg_temp.word('{{red,shiny,tiny,glowing,golden,wooden,happy,ancient,blue,crystal,
                   fluffy,futuristic,rusty,green,sleepy}}', nth, 15),
               pg_temp.word('{{rocket,cat,planet,house,tree,car,heart,castle,robot,lantern,camel,
                   boat,clock,bird,book,teapot,mushroom,dragon,bicycle,whale,hedgehog,lighthouse,
                   cactus,octopus,violin}}', nth, 16),
               pg_temp.word('{{"floating above clouds","in the desert","on a beach","in the rain",
                   "among the stars","beside an old city","under the sea","on a mountain"}}',
                   nth, 17),
               'with', pg_temp.word('{{soft,warm,dramatic,studio,morning}}', nth, 18), 'light,',
               pg_temp.word('{{"highly detailed","simple shapes","smooth plastic","clay texture",
                   "isometric view","rounded edges"}}', nth, 19))
       END AS prompt) written;
"""

_UPLOADS = """
INSERT INTO uploads (id, user_id, object_key, thumbnail_key, file_size, width, height, created_at)
SELECT pg_temp.named('upload', n), user_id,
       'uploads/' || pg_temp.named('source', n) || '.jpg',
       'uploads/' || pg_temp.named('source', n) || '.webp',
       900000 + n % 1000, 1600, 1200, created_at - interval '2 minutes'
  FROM row
 WHERE number % 10 = 3
    OR (number % 10 = 4 AND n > {total} * 0.997);
"""

_GENERATIONS = """
INSERT INTO generations (id, user_id, prompt{column}, prompt_english, translation, style,
       aspect_ratio, input_type, source_upload_id, seed, state, step, version, error_code,
       fal_progress, fal_status, fal_job_id, lease_owner, lease_epoch, lease_until, next_action_at,
       deadline_at,
       crashes, master_key, result_image_key, thumbnail_key, file_size_bytes, image_dimensions,
       transparency, generation_time_seconds, is_liked, download_count, started_at, completed_at,
       created_at, updated_at, deleted_at, gone_at)
SELECT pg_temp.named('generation', n), user_id, prompt{column_of_phrase},
       CASE WHEN is_arabic THEN 'a translated sentence about ' || n % 977 END,
       CASE WHEN is_arabic THEN 'done' END,
       (ARRAY['voxel-3d', 'minimal-icon', 'glass-morphism', 'neon-glow', 'toy-figurine'])
           [1 + floor(5 * pg_temp.drawn(n, 3))::int],
       (ARRAY['1:1', '16:9', '9:16', '4:3'])[1 + n % 4],
       CASE WHEN number % 10 = 3 THEN 'image' ELSE 'text' END,
       CASE WHEN number % 10 = 3 THEN pg_temp.named('upload', n) END,
       n, state,
       CASE WHEN live BETWEEN 36 AND 55 OR is_completed THEN 'finalize' ELSE 'draw' END,
       CASE WHEN live IS NULL THEN 9 ELSE 3 END,
       CASE WHEN state = 'failed'
            THEN (ARRAY['timeout', 'content_policy', 'cancelled'])[1 + n % 3] END,
       CASE WHEN is_completed THEN 100 ELSE 40 END,
       CASE WHEN live IS NULL THEN 'COMPLETED' ELSE 'pending' END,
       CASE WHEN is_completed OR live BETWEEN 20 AND 27
            THEN pg_temp.named('request', n)::text END,
       CASE WHEN live BETWEEN 44 AND 55 THEN 'worker-' || live % 2 END, 4,
       CASE WHEN live BETWEEN 44 AND 51 THEN now() + interval '1 hour'
            WHEN live BETWEEN 52 AND 55 THEN now() - interval '1 minute' END,
       CASE WHEN live BETWEEN 36 AND 55 THEN now() - interval '1 minute'
            WHEN live IS NOT NULL THEN now() + interval '1 hour' END,
       created_at + interval '30 minutes',
       CASE WHEN live BETWEEN 52 AND 55 THEN 1 ELSE 0 END,
       CASE WHEN is_completed THEN 'results/' || pg_temp.named('key', n) || '.png' END,
       CASE WHEN is_completed THEN 'results/' || pg_temp.named('key', n) || '.webp' END,
       CASE WHEN is_completed THEN 'results/' || pg_temp.named('key', n) || '-400.webp' END,
       CASE WHEN is_completed THEN 700000 + n % 1000 END,
       CASE WHEN is_completed THEN '{{"width": 1024, "height": 1024}}'::jsonb END,
       CASE WHEN is_completed THEN
            '{{"corners": 0, "coverage": 0.41, "halo": 0.002, "opaque": 0.38}}'::jsonb END,
       CASE WHEN is_completed THEN 30 + n % 30 END,
       number % 8 = 0, n % 3, created_at + interval '5 seconds',
       CASE WHEN is_completed THEN created_at + interval '40 seconds' END,
       created_at, created_at + interval '40 seconds',
       CASE WHEN is_deleted THEN created_at + interval '1 hour' END,
       CASE WHEN is_deleted AND number % 10 = 2 THEN now() + interval '20 days'
            WHEN is_deleted AND number % 50 = 7 THEN now() - interval '1 hour' END
  FROM row
 CROSS JOIN LATERAL (
       SELECT CASE WHEN live IS NULL THEN
                       CASE WHEN pg_temp.drawn(n, 4) < 0.04 THEN 'failed' ELSE 'completed' END
                   WHEN live BETWEEN 20 AND 35 THEN 'processing'
                   WHEN live BETWEEN 36 AND 55 THEN 'finalizing'
                   ELSE 'queued' END AS state) begun
 CROSS JOIN LATERAL (SELECT begun.state = 'completed' AS is_completed) ended
  JOIN phrase ON phrase.nth = n % {phrases};
"""

# A picture is drawn and cut out; of what is under way the newest attempt says where it stands.
_ATTEMPTS = """
INSERT INTO attempts (id, generation_id, n, step, state, seed, endpoint, arguments, request_id,
       polls, result, error_type, created_at, sent_at, accepted_at, resolved_at, waiting_since,
       granted_at)
SELECT pg_temp.named('attempt', 2 * row.n + step.n), pg_temp.named('generation', row.n),
       1 + step.n, step.word, made.state, row.n,
       CASE WHEN is_sent THEN 'fal-ai/' || step.word END,
       CASE WHEN is_sent THEN {arguments} END,
       CASE WHEN is_sent AND made.state NOT IN ('sent', 'unknown')
            THEN pg_temp.named('request', 2 * row.n + step.n)::text END,
       3,
       CASE WHEN made.state = 'succeeded' THEN {result} END,
       CASE WHEN made.state = 'failed' THEN 'timeout' END,
       row.created_at,
       CASE WHEN is_sent THEN row.created_at + interval '2 seconds' END,
       CASE WHEN is_sent THEN row.created_at + interval '3 seconds' END,
       CASE WHEN made.state IN ('succeeded', 'failed')
            THEN row.created_at + interval '20 seconds' END,
       row.created_at,
       CASE WHEN is_sent OR live > 55 THEN row.created_at + interval '1 second' END
  FROM row
  JOIN generations g ON g.id = pg_temp.named('generation', row.n)
 CROSS JOIN (VALUES (0, 'draw'), (1, 'cutout')) step (n, word)
 CROSS JOIN LATERAL (
       SELECT CASE WHEN g.state = 'completed' OR g.state = 'finalizing' THEN 'succeeded'
                   WHEN g.state = 'failed' AND row.n % 3 = 0 THEN 'abandoned'
                   WHEN g.state = 'failed' THEN 'failed'
                   WHEN live BETWEEN 20 AND 27 THEN 'accepted'
                   WHEN live BETWEEN 28 AND 31 THEN 'sent'
                   WHEN live BETWEEN 32 AND 35 THEN 'unknown'
                   ELSE 'prepared' END AS state) made
 CROSS JOIN LATERAL (SELECT made.state <> 'prepared' AS is_sent) gone
 WHERE step.n = 0
    OR g.state IN ('completed', 'finalizing');
"""

_ARGUMENTS = """
jsonb_build_object('prompt', g.prompt, 'seed', row.n, 'num_inference_steps', 28,
                   'guidance_scale', 3.5, 'enable_safety_checker', true)
"""
_RESULT = """
jsonb_build_object('seed', row.n, 'images', jsonb_build_array(jsonb_build_object(
    'url', 'https://v3.fal.media/files/' || pg_temp.named('file', row.n) || '.png',
    'width', 1024, 'height', 1024, 'content_type', 'image/png')))
"""

# Traffic of the last days, and what waits to be tidied away.
_TRAFFIC = """
INSERT INTO api_usage (id, user_id, endpoint, method, status_code, response_time_ms, ip_address,
                       user_agent, created_at)
SELECT pg_temp.named('usage', n), user_id, '/api/generations', 'GET', 200, n % 90,
       ('10.0.' || n % 250 || '.' || number % 250)::inet, 'Mozilla/5.0 (X11)',
       now() - (({total} - n) * interval '30 days' / {total})
  FROM row
 WHERE n % 3 = 1;

INSERT INTO file_servings (generation_id, kind, link_hash, served_at)
SELECT pg_temp.named('generation', n), 'view', sha256(n::text::bytea), now() - interval '1 hour'
  FROM row WHERE n % 100 = 0;

INSERT INTO translations (prompt_hash, model, english, last_used_at)
SELECT sha256(n::text::bytea), 'openrouter/any-llm', 'a translated sentence about ' || n,
       now() - 29 * interval '1 day' * pg_temp.drawn(n, 7)
  FROM row WHERE n % 50 = 0;

INSERT INTO idempotency_keys (user_id, route, key, body_hash, response, created_at)
SELECT user_id, 'POST /api/generations', 'key-' || n, sha256(n::text::bytea), '{{"id": 1}}',
       now() - interval '20 hours'
  FROM row WHERE n % 300 = 0;

INSERT INTO deleted_generations (id, user_id, version, deleted_at)
SELECT pg_temp.named('gone', n), user_id, 12, now() - interval '5 hours'
  FROM row WHERE n % 900 = 0;

INSERT INTO rate_limits (key, tat, asked_at, is_allowed)
SELECT 'rate:reads:user:' || id, now() + interval '5 seconds', now(), true FROM users;

INSERT INTO sign_ins (state_hash, browser_hash, nonce, code_verifier, expires_at)
SELECT sha256(('state ' || n)::bytea), sha256(n::text::bytea), 'n', 'c',
       now() + interval '9 minutes'
  FROM generate_series(0, 49) n;

INSERT INTO live_tickets (token_hash, session_id, language, expires_at)
SELECT sha256(('ticket ' || n)::bytea), pg_temp.named('session', n), 'en',
       now() + interval '1 hour'
  FROM generate_series(0, 19) n;

INSERT INTO purges (object_key, due_at)
SELECT 'results/' || md5('purge' || n) || '.png', now() - interval '1 minute'
  FROM generate_series(1, 200) n;

INSERT INTO fal_purges (attempt_id, endpoint, request_id, sent_at, due_at)
SELECT pg_temp.named('purged', n), 'fal-ai/draw', md5('r' || n), now() - interval '1 hour',
       now() - interval '1 minute'
  FROM generate_series(1, 200) n;

INSERT INTO fal_turns (user_id, last_at)
SELECT DISTINCT user_id, now() FROM row WHERE live IS NOT NULL;

INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now()), (now());
INSERT INTO procrastinate_jobs (queue_name, task_name, args, queueing_lock, scheduled_at)
SELECT 'generations', 'generations.advance',
       jsonb_build_object('generation_id', pg_temp.named('generation', n)),
       pg_temp.named('generation', n)::text,
       CASE WHEN n % 2 = 0 THEN now() + interval '1 hour' END
  FROM row WHERE live IS NOT NULL;
INSERT INTO counters (name, value) VALUES ('late_successes', 3);
"""


# The newest that are finished wait for their first turn again.
_BACKLOG = (
    """
CREATE TEMP TABLE waiting AS
SELECT id
  FROM generations
 WHERE state = 'completed'
   AND deleted_at IS NULL
 ORDER BY created_at DESC
 LIMIT %s
""",
    "DELETE FROM attempts WHERE n = 2 AND generation_id IN (SELECT id FROM waiting)",
    """
UPDATE attempts
   SET state = 'prepared', granted_at = NULL, sent_at = NULL, accepted_at = NULL,
       resolved_at = NULL, result = NULL, request_id = NULL, waiting_since = created_at
 WHERE generation_id IN (SELECT id FROM waiting)
""",
    """
UPDATE generations
   SET state = 'queued', step = 'draw', fal_progress = 0, completed_at = NULL,
       next_action_at = now() + interval '1 hour'
 WHERE id IN (SELECT id FROM waiting)
""",
)


def make_backlog(conn: Conn, waiting: int) -> None:
    """So many more in the line, of which the statistics know nothing, as after an hour's outage."""
    conn.execute(_BACKLOG[0], [waiting])
    for statement in _BACKLOG[1:]:
        conn.execute(statement)


def seed(dsn: str, total: int, *, sentences: int | None = None) -> None:
    """Into a migrated, empty database; at least a thousand. Ends analysed and vacuumed.

    With so many different `sentences` (a prime number) the search documents are made once for each
    and copied, the column being an ordinary one then, and what Fal was told and answered is left
    out: these take the most.
    """
    words = {
        "total": total,
        "people": max(total // 100, 10),
        "every": max(total // OWN, 10),
        "ordinary": ORDINARY,
        "unfinished": UNFINISHED,
        "phrases": sentences or total,
        "document": "search_document(prompt)" if sentences else "NULL",
        "arguments": "'{}'::jsonb" if sentences else _ARGUMENTS,
        "result": "'{}'::jsonb" if sentences else _RESULT,
        "column": ", prompt_search" if sentences else "",
        "column_of_phrase": ", document" if sentences else "",
    }
    with psycopg.connect(dsn, autocommit=True) as conn:
        # Where a commit may be late on its way to disk, VACUUM takes no row for visible to all.
        conn.execute("SET synchronous_commit = on")
        with conn.transaction():
            # What refers to what is right by construction; looking each one up takes most of it.
            conn.execute("SET LOCAL session_replication_role = replica")
            conn.execute("SET LOCAL maintenance_work_mem = '512MB'")
            conn.execute(_DRAWING)
            if sentences:
                conn.execute(
                    "ALTER TABLE generations ALTER prompt_search DROP EXPRESSION,"
                    " ALTER prompt_search DROP NOT NULL"
                )
            indexes = _without_indexes(conn)
            for part in (_PEOPLE, _ROWS, _PHRASES, _UPLOADS, _GENERATIONS, _ATTEMPTS, _TRAFFIC):
                conn.execute(part.format(**words).encode())
            for index in indexes:
                conn.execute(index.encode())
        conn.execute("VACUUM ANALYZE")


def _without_indexes(conn: Conn) -> list[str]:
    """Row by row they take several times as long as at the end; answers how to make them again."""
    found = conn.execute(
        "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i"
        " WHERE i.indrelid = ANY (%s::regclass[])"
        "   AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)",
        [list(_LARGE)],
    ).fetchall()
    for name, _ in found:
        conn.execute(f"DROP INDEX {name}".encode())
    return [definition for _, definition in found]
