DROP VIEW viewings;
DROP TABLE posters;
DROP TABLE view_counts;
DROP TABLE last_views;
DROP TABLE views;
-- What the schema before had no room for.
DELETE FROM streams WHERE user_id IS NULL OR episode_id IS NULL;
DROP INDEX streams_nobody_idx;
DROP INDEX streams_left_idx;
DROP INDEX streams_watched_idx;
DROP INDEX streams_history_idx;
DROP INDEX streams_live_idx;
DROP INDEX streams_file_id_idx;
ALTER TABLE streams
    DROP CONSTRAINT streams_one_title,
    DROP COLUMN beat_at,
    DROP COLUMN watched_ms,
    DROP COLUMN state,
    DROP COLUMN file_id,
    ALTER COLUMN episode_id SET NOT NULL,
    ALTER COLUMN user_id SET NOT NULL;
