-- Limits that hold across machines. Forgotten in a crash, which costs nobody anything.
-- migrate:up

CREATE UNLOGGED TABLE rate_limits (
    key text NOT NULL,
    tat timestamptz NOT NULL,
    asked_at timestamptz NOT NULL,
    is_allowed boolean NOT NULL,
    CONSTRAINT rate_limits_pkey PRIMARY KEY (key)
) WITH (fillfactor = 70);
COMMENT ON TABLE rate_limits IS
    'One row for each policy and subject that used some of its limit lately.';
COMMENT ON COLUMN rate_limits.tat IS
    'Theoretical arrival time of GCRA: by then, all that was taken is earned back.';
COMMENT ON COLUMN rate_limits.is_allowed IS
    'The answer to the last one who asked, at asked_at: one statement decides and tells.';

-- migrate:down
