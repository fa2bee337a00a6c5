-- What a database that came out of a backup has to look up at Fal before it sends anything.
-- migrate:up

ALTER TABLE installation
    ADD COLUMN restored_from timestamptz,
    ADD COLUMN restored_at timestamptz,
    ADD CONSTRAINT installation_restored_whole
        CHECK ((restored_from IS NULL) = (restored_at IS NULL));
COMMENT ON COLUMN installation.restored_from IS
    'When the rows were as they were restored. What was unfinished then may have been sent to Fal '
    'between this and restored_at.';
COMMENT ON COLUMN installation.restored_at IS
    'When they were restored; set by madar restore, or by hand after a restore to a point in time.';

-- migrate:down
