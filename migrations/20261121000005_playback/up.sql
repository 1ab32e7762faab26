-- Playback: a stream is one viewing, of an episode or of a file, by an account or by nobody in particular; the views that
-- viewings earn; and the counts that statistics in Redis are made of, and made again from when Redis was emptied.

ALTER TABLE streams
    -- Nobody: a play of a public video without an account.
    ALTER COLUMN user_id DROP NOT NULL,
    ALTER COLUMN episode_id DROP NOT NULL,
    ADD COLUMN file_id uuid CONSTRAINT streams_file_id_fkey REFERENCES files ON DELETE CASCADE,
    ADD COLUMN state text NOT NULL DEFAULT 'playing' CONSTRAINT streams_state_known CHECK (state IN ('playing', 'paused', 'ended')),
    -- Watch time that was credited.
    ADD COLUMN watched_ms bigint NOT NULL DEFAULT 0 CONSTRAINT streams_watched_positive CHECK (watched_ms >= 0),
    -- The last heartbeat.
    ADD COLUMN beat_at timestamptz NOT NULL DEFAULT now(),
    ADD CONSTRAINT streams_one_title CHECK (num_nonnulls(episode_id, file_id) = 1);
-- Streams from before were no sessions.
UPDATE streams SET state = 'ended', beat_at = updated_at;
CREATE INDEX streams_file_id_idx ON streams (file_id) WHERE file_id IS NOT NULL;
-- Sessions that have fallen silent.
CREATE INDEX streams_live_idx ON streams (beat_at) WHERE state <> 'ended';
-- An account's history, newest first.
CREATE INDEX streams_history_idx ON streams (user_id, created_at DESC, id DESC) WHERE user_id IS NOT NULL;
-- What an account watched last: where it goes on.
CREATE INDEX streams_watched_idx ON streams (user_id, beat_at DESC, id DESC) WHERE user_id IS NOT NULL;
-- Where an account left a title when it watched it last.
CREATE INDEX streams_left_idx ON streams (user_id, coalesce(episode_id, file_id), beat_at DESC, id DESC)
    WHERE user_id IS NOT NULL;
-- Old plays of nobody.
CREATE INDEX streams_nobody_idx ON streams (beat_at) WHERE user_id IS NULL;

-- One row a view. The stream is the key by which a view that is told twice counts once. Nothing is referred to: a view
-- stays when its stream, its title or its viewer goes. Titles are named as clients name them: an episode, series or file
-- by its id, a video by its hash path.
CREATE TABLE views (
    stream_id uuid PRIMARY KEY,
    -- An account, else the stream itself.
    viewer_id uuid NOT NULL,
    -- What was viewed: the episode, else the video, else the file.
    title text NOT NULL,
    file text,
    episode text,
    series text,
    video text,
    viewed_at timestamptz NOT NULL DEFAULT now(),
    -- The transaction that wrote the row: what has changed since a snapshot is found by it, whatever the clocks say.
    changed_in bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint
);
CREATE INDEX views_changed_in_idx ON views (changed_in, stream_id);

-- When an account last viewed a title: a view counts once an hour. Its row is also the lock of two that come at once.
-- After the hour it says nothing any more, and is removed.
CREATE TABLE last_views (
    title text NOT NULL,
    viewer_id uuid NOT NULL,
    viewed_at timestamptz NOT NULL,
    PRIMARY KEY (title, viewer_id)
);
CREATE INDEX last_views_viewed_at_idx ON last_views (viewed_at);

-- Sums, changed in the transaction of the views and positions they sum up. `kind` 'all' with an empty title is the
-- installation. A grain is a length of time: 'all' for ever (since 1970), else the UTC day, hour or minute that
-- begins at `begins_at`.
CREATE TABLE view_counts (
    kind text NOT NULL CONSTRAINT view_counts_kind_known CHECK (kind IN ('all', 'episodes', 'series', 'videos', 'files')),
    title text NOT NULL,
    grain text NOT NULL CONSTRAINT view_counts_grain_known CHECK (grain IN ('all', 'day', 'hour', 'minute')),
    begins_at timestamptz NOT NULL,
    views bigint NOT NULL DEFAULT 0,
    -- Only of grain 'all'.
    watched_ms bigint NOT NULL DEFAULT 0,
    changed_in bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    PRIMARY KEY (kind, title, grain, begins_at)
);
CREATE INDEX view_counts_changed_in_idx ON view_counts (changed_in, kind, title, grain, begins_at);
-- Hours and minutes that no list needs any more.
CREATE INDEX view_counts_begins_at_idx ON view_counts (grain, begins_at) WHERE grain IN ('hour', 'minute');

-- The picture of a file that is played, made when it was first asked for.
CREATE TABLE posters (
    file_id uuid PRIMARY KEY CONSTRAINT posters_file_id_fkey REFERENCES files ON DELETE CASCADE,
    poster_id uuid NOT NULL CONSTRAINT posters_poster_id_fkey REFERENCES files
);
CREATE UNIQUE INDEX posters_poster_id_key ON posters (poster_id);

-- A viewing under the names that people know: the history of an account, and where it goes on. Every join is by a
-- unique key, so whatever is not asked for is not joined.
CREATE VIEW viewings AS
SELECT
    s.id, s.user_id, s.episode_id, coalesce(s.file_id, e.file_id) AS file_id, sn.series_id, v.hash AS video,
    CASE WHEN e.id IS NOT NULL THEN 'episodes' WHEN v.id IS NOT NULL THEN 'videos' ELSE 'files' END AS kind,
    coalesce(e.name, v.title, f.original_name) AS name,
    se.name AS series_name, sn.number AS season_number, e.number AS episode_number,
    coalesce(e.image_id, se.image_id) AS image_id, f.owner_id,
    coalesce(f.duration_seconds, e.duration_seconds) AS duration_seconds,
    s.position_seconds, s.state, s.watched_ms, c.stream_id IS NOT NULL AS viewed, s.created_at, s.updated_at
FROM streams s
LEFT JOIN episodes e ON e.id = s.episode_id
LEFT JOIN seasons sn ON sn.id = e.season_id
LEFT JOIN series se ON se.id = sn.series_id
LEFT JOIN files f ON f.id = coalesce(s.file_id, e.file_id)
LEFT JOIN videos v ON v.file_id = coalesce(s.file_id, e.file_id)
LEFT JOIN views c ON c.stream_id = s.id;
