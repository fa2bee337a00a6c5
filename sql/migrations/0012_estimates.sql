-- Estimates of when a picture is done: how long each step holds a place at Fal, what is there, and
-- who waits for a turn, in the order in which turns are given.
-- migrate:up

ALTER TABLE generation_styles ADD COLUMN step_seconds jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN generation_styles.typical_seconds IS
    'Median of the last 20 pictures, without their waiting for turns; null below three.';
COMMENT ON COLUMN generation_styles.step_seconds IS
    'Of the same pictures, by step: the median of the seconds for which it held a place at Fal.';

-- What a picture still needs of Fal, from the beginning of a step.
CREATE FUNCTION seconds_at_fal(step_seconds jsonb, step text) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN step = 'translate' THEN coalesce((step_seconds->>'translate')::float8, 0)
            ELSE 0 END
     + CASE WHEN step IN ('translate', 'draw') THEN coalesce((step_seconds->>'draw')::float8, 0)
            ELSE 0 END
     + CASE WHEN step IN ('translate', 'draw', 'cutout')
            THEN coalesce((step_seconds->>'cutout')::float8, 0)
            ELSE 0 END;

-- Each style's pace at each step: what a picture that begins the step holds of Fal until it is done
-- (where the steps were not measured yet, all it takes), and how long it takes until then.
CREATE VIEW style_paces AS
SELECT s.id AS style,
       step.name AS step,
       (s.step_seconds->>step.name)::float8 AS step_seconds,
       CASE WHEN s.step_seconds <> '{}' THEN seconds_at_fal(s.step_seconds, step.name)
            ELSE coalesce(s.typical_seconds, (SELECT avg(typical_seconds)
                                                FROM generation_styles)) END AS held_seconds,
       s.typical_seconds - seconds_at_fal(s.step_seconds, 'draw')
                         + seconds_at_fal(s.step_seconds, step.name) AS seconds_to_go
  FROM generation_styles s
 CROSS JOIN (VALUES ('translate'), ('draw'), ('cutout')) AS step (name);

-- What holds a place at Fal; an unclear submission does so for a minute only (turns.sql).
CREATE VIEW fal_requests AS
SELECT a.id AS attempt_id,
       a.generation_id,
       g.user_id,
       a.state,
       coalesce(a.granted_at, a.sent_at) AS began_at,
       greatest(pace.step_seconds
                - extract(epoch FROM now() - coalesce(a.granted_at, a.sent_at)), 0) AS seconds_left,
       pace.seconds_to_go
  FROM attempts a
  JOIN generations g ON g.id = a.generation_id
  JOIN style_paces pace ON pace.style = g.style AND pace.step = a.step
 WHERE (a.state IN ('sent', 'unknown', 'accepted')
        OR (a.state = 'prepared' AND a.granted_at IS NOT NULL))
   AND (a.state <> 'unknown' OR a.sent_at > now() - interval '1 minute')
   AND g.next_action_at IS NOT NULL
   AND g.deleted_at IS NULL;

CREATE TABLE fal_turns (
    user_id uuid        NOT NULL,
    last_at timestamptz NOT NULL,
    CONSTRAINT fal_turns_pkey PRIMARY KEY (user_id)
);
COMMENT ON TABLE fal_turns IS 'When a person''s last turn was, so that turns go round; forgotten soon.';

-- Who waits for a turn, in the order in which turns are given. First whoever would hold the fewest
-- places; then what was begun, because a picture that is half made helps nobody; then whoever's last
-- turn was the longest ago, so that many pictures of one person never delay another's by more than
-- one of them. Each refusal of Fal's counts like a place held: what it will not take must not be
-- what always tries it.
CREATE VIEW fal_line AS
SELECT attempt_id,
       generation_id,
       user_id,
       would_hold,
       held_seconds,
       seconds_to_go,
       row_number() OVER (
           ORDER BY would_hold + refusals, is_begun DESC, last_turn_at NULLS FIRST, waiting_since, attempt_id
       ) AS place
  FROM (SELECT a.id AS attempt_id,
               a.generation_id,
               g.user_id,
               a.step = 'cutout' AS is_begun,
               least(a.polls, 10) AS refusals,
               a.waiting_since,
               fal_turns.last_at AS last_turn_at,
               coalesce(at_fal.n, 0) + row_number() OVER (
                   PARTITION BY g.user_id
                   ORDER BY a.polls, (a.step = 'cutout') DESC, g.created_at, g.id) AS would_hold,
               pace.held_seconds,
               pace.seconds_to_go
          FROM attempts a
          JOIN generations g ON g.id = a.generation_id
          JOIN style_paces pace ON pace.style = g.style AND pace.step = a.step
          LEFT JOIN fal_turns ON fal_turns.user_id = g.user_id
          LEFT JOIN (SELECT user_id, count(*) AS n
                       FROM fal_requests
                      GROUP BY user_id) at_fal ON at_fal.user_id = g.user_id
         WHERE a.state = 'prepared'
           AND a.granted_at IS NULL
           AND a.waiting_since IS NOT NULL
           AND g.next_action_at IS NOT NULL
           AND g.deleted_at IS NULL) waiting;

-- migrate:down
