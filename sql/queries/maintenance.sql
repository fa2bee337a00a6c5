-- name: delete_dead_jobs() exec
-- Jobs are wake-ups: one that failed, or whose worker died, is worth nothing any more.
DELETE FROM procrastinate_jobs j
 WHERE j.status IN ('failed', 'cancelled', 'aborted')
    OR (j.status = 'doing'
        AND NOT EXISTS (SELECT FROM procrastinate_workers w
                         WHERE w.id = j.worker_id
                           AND w.last_heartbeat > now() - interval '2 minutes'));
