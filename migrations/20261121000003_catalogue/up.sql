-- The catalogue: genres, series, seasons, episodes, and the streams (viewings) of episodes.
-- pg_trgm makes `q=` tolerant of typing errors.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TABLE genres (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX genres_name_key ON genres (lower(name));

CREATE TABLE series (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    -- No ON DELETE: a file that is referred to cannot go.
    trailer_id uuid CONSTRAINT series_trailer_id_fkey REFERENCES files,
    image_id uuid CONSTRAINT series_image_id_fkey REFERENCES files,
    rating double precision CONSTRAINT series_rating_range CHECK (rating BETWEEN 0 AND 10),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE genres_series (
    series_id uuid NOT NULL CONSTRAINT genres_series_series_id_fkey REFERENCES series ON DELETE CASCADE,
    genre_id uuid NOT NULL CONSTRAINT genres_series_genre_id_fkey REFERENCES genres ON DELETE CASCADE,
    -- The order in which the genres were given.
    position integer NOT NULL,
    PRIMARY KEY (series_id, genre_id)
);
CREATE INDEX genres_series_genre_id_idx ON genres_series (genre_id, series_id);

CREATE TABLE seasons (
    id uuid PRIMARY KEY,
    series_id uuid NOT NULL CONSTRAINT seasons_series_id_fkey REFERENCES series ON DELETE CASCADE,
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    number integer NOT NULL CONSTRAINT seasons_number_positive CHECK (number >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX seasons_series_id_idx ON seasons (series_id, id);

CREATE TABLE episodes (
    id uuid PRIMARY KEY,
    season_id uuid NOT NULL CONSTRAINT episodes_season_id_fkey REFERENCES seasons ON DELETE CASCADE,
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    number integer NOT NULL CONSTRAINT episodes_number_positive CHECK (number >= 0),
    image_id uuid CONSTRAINT episodes_image_id_fkey REFERENCES files,
    file_id uuid CONSTRAINT episodes_file_id_fkey REFERENCES files,
    duration_seconds double precision CONSTRAINT episodes_duration_positive CHECK (duration_seconds >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX episodes_season_id_idx ON episodes (season_id, id);

CREATE TABLE streams (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT streams_user_id_fkey REFERENCES users ON DELETE CASCADE,
    episode_id uuid NOT NULL CONSTRAINT streams_episode_id_fkey REFERENCES episodes ON DELETE CASCADE,
    position_seconds double precision NOT NULL DEFAULT 0
        CONSTRAINT streams_position_positive CHECK (position_seconds >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX streams_user_id_idx ON streams (user_id, id);
CREATE INDEX streams_episode_id_idx ON streams (episode_id, id);

-- "What still refers to this file?" (deletion) and "may a reader see it?" (media).
CREATE INDEX series_trailer_id_idx ON series (trailer_id) WHERE trailer_id IS NOT NULL;
CREATE INDEX series_image_id_idx ON series (image_id) WHERE image_id IS NOT NULL;
CREATE INDEX episodes_image_id_idx ON episodes (image_id) WHERE image_id IS NOT NULL;
CREATE INDEX episodes_file_id_idx ON episodes (file_id) WHERE file_id IS NOT NULL;

-- Lists sorted by one key walk an index; text is sorted and compared without regard to case.
CREATE INDEX series_name_idx ON series (lower(name), id);
CREATE INDEX series_rating_idx ON series (coalesce(rating, -1), id);
CREATE INDEX series_created_at_idx ON series (created_at, id);
CREATE INDEX series_updated_at_idx ON series (updated_at, id);
-- Descending, with equal keys still by ascending id: one walk, whatever the number of equals.
CREATE INDEX series_name_down_idx ON series (lower(name) DESC, id);
CREATE INDEX series_rating_down_idx ON series (coalesce(rating, -1) DESC, id);
CREATE INDEX series_created_at_down_idx ON series (created_at DESC, id);
CREATE INDEX series_updated_at_down_idx ON series (updated_at DESC, id);
CREATE INDEX seasons_name_idx ON seasons (lower(name), id);
CREATE INDEX seasons_created_at_idx ON seasons (created_at, id);
CREATE INDEX episodes_name_idx ON episodes (lower(name), id);
CREATE INDEX episodes_created_at_idx ON episodes (created_at, id);
CREATE INDEX streams_created_at_idx ON streams (created_at, id);

-- `q=`: words by full text, mistyped ones by trigrams.
CREATE INDEX series_words_idx ON series USING gin (to_tsvector('simple', name || ' ' || description));
CREATE INDEX series_trigrams_idx ON series USING gin (lower(name || ' ' || description) gin_trgm_ops);
CREATE INDEX seasons_words_idx ON seasons USING gin (to_tsvector('simple', name || ' ' || description));
CREATE INDEX seasons_trigrams_idx ON seasons USING gin (lower(name || ' ' || description) gin_trgm_ops);
CREATE INDEX episodes_words_idx ON episodes USING gin (to_tsvector('simple', name || ' ' || description));
CREATE INDEX episodes_trigrams_idx ON episodes USING gin (lower(name || ' ' || description) gin_trgm_ops);
