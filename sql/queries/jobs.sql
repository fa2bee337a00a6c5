-- name: list_queues() many
-- For the operator: the queue's jobs by task. They are wake-ups only, so none of them is missed for
-- long. `waiting` has its time yet to come; `stumbled` was put back, or has failed.
SELECT j.queue_name,
       j.task_name,
       count(*) FILTER (WHERE status = 'todo'
                          AND coalesce(scheduled_at <= now(), true))::int AS queued,
       count(*) FILTER (WHERE status = 'doing')::int AS running,
       count(*) FILTER (WHERE status = 'todo' AND scheduled_at > now())::int AS waiting,
       count(*) FILTER (WHERE status IN ('failed', 'aborted', 'cancelled')
                           OR (status = 'todo' AND attempts > 0))::int AS stumbled,
       extract(epoch FROM now() - min(event.at))::float8 AS oldest_s
  FROM procrastinate_jobs j
  LEFT JOIN procrastinate_events event ON event.job_id = j.id AND event.type = 'deferred'
 WHERE status <> 'succeeded'
 GROUP BY j.queue_name, j.task_name
 ORDER BY j.queue_name, j.task_name;

-- name: list_unfinished(of_state, n) many
-- For the operator, of all people: what is being made, the oldest first. Null is every state, and
-- `stumbled` is none of them but a trait.
SELECT id, user_id, style, step, state, waits_for, is_stumbled,
       extract(epoch FROM now() - created_at)::float8 AS age_s,
       extract(epoch FROM next_action_at - now())::float8 AS due_s
  FROM unfinished_generations
 WHERE $1::text IS NULL
    OR state = $1
    OR ($1 = 'stumbled' AND is_stumbled)
 ORDER BY created_at, id
 LIMIT $2;

-- name: count_unfinished() many
-- For the operator: the same, counted; a stumbled one is also counted in its state.
SELECT state, waits_for, count(*)::int AS count,
       count(*) FILTER (WHERE is_stumbled)::int AS stumbled,
       extract(epoch FROM now() - min(created_at))::float8 AS oldest_s
  FROM unfinished_generations
 GROUP BY state, waits_for
 ORDER BY state, waits_for;

-- name: get_picture(id) maybe
-- For the operator: how far one is, whoever's it is. Nothing of what its person wrote.
SELECT g.id, g.user_id, g.style, g.state, g.step, g.error_code, g.fal_error, g.stumbles, g.crashes,
       g.lease_owner,
       coalesce(g.lease_until > now(), false) AS is_held,
       g.next_action_at, g.deadline_at, g.created_at, g.started_at, g.completed_at, g.deleted_at,
       (SELECT id
          FROM generations
         WHERE parent_id = g.id
         ORDER BY created_at DESC, id DESC
         LIMIT 1) AS asked_again_as
  FROM generations g
 WHERE g.id = $1;

-- name: list_attempts_of(generation_id) many
-- For the operator.
SELECT n, step, state, request_id, error_type, polls, created_at, waiting_since, granted_at, sent_at,
       accepted_at, announced_at, resolved_at
  FROM attempts
 WHERE generation_id = $1
 ORDER BY n;

-- name: get_job(id) maybe
-- For the operator: one of the queue's jobs.
SELECT id, queue_name, task_name, status::text AS status, attempts, scheduled_at, args,
       (SELECT at
          FROM procrastinate_events
         WHERE job_id = j.id
           AND type = 'deferred') AS queued_at
  FROM procrastinate_jobs j
 WHERE id = $1;

-- name: hurry_generation(id) exec
-- For the operator: one in nobody's hands is due now, with all of its tries. What is done then, its
-- worker decides as at any other time, so nothing is sent twice. No row: somebody has it, or it has
-- ended.
UPDATE generations
   SET next_action_at = clock_timestamp(),
       stumbles = 0,
       crashes = 0
 WHERE id = $1
   AND next_action_at IS NOT NULL
   AND deleted_at IS NULL
   AND (lease_until IS NULL OR lease_until <= now());

-- name: hurry_job(id) exec
-- For the operator: a job that waits for its time need not any more.
UPDATE procrastinate_jobs
   SET scheduled_at = NULL
 WHERE id = $1
   AND status = 'todo';
