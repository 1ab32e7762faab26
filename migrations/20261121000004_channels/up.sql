-- Channels: who shares videos, the videos, what people think of them; and the links that set a new password.

-- A channel is called as its account is, through every change of the username: the key it refers to.
ALTER TABLE users ADD CONSTRAINT users_id_username_key UNIQUE (id, username);

CREATE TABLE channels (
    user_id uuid PRIMARY KEY,
    name text NOT NULL,
    picture_id uuid CONSTRAINT channels_picture_id_fkey REFERENCES files,
    -- Uploaded ones; kept by a trigger of videos.
    videos integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT channels_user_id_fkey FOREIGN KEY (user_id, name) REFERENCES users (id, username)
        ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE UNIQUE INDEX channels_name_key ON channels (lower(name));
CREATE INDEX channels_picture_id_idx ON channels (picture_id) WHERE picture_id IS NOT NULL;

CREATE TABLE videos (
    id uuid PRIMARY KEY,
    -- Its hash path: random, so that it cannot be guessed from another's.
    hash text NOT NULL CONSTRAINT videos_hash_form CHECK (hash ~ '^[a-z0-9]{7}$'),
    channel_id uuid NOT NULL CONSTRAINT videos_channel_id_fkey REFERENCES channels ON DELETE CASCADE,
    title text NOT NULL,
    description text NOT NULL,
    file_id uuid CONSTRAINT videos_file_id_fkey REFERENCES files,
    thumbnail_id uuid CONSTRAINT videos_thumbnail_id_fkey REFERENCES files,
    -- Kept by a trigger of reactions, so that they are right also when an account goes.
    likes integer NOT NULL DEFAULT 0,
    dislikes integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- When the bytes had come; until then the video is announced, and nobody sees it.
    uploaded_at timestamptz,
    CONSTRAINT videos_whole CHECK (num_nulls(file_id, thumbnail_id, uploaded_at) IN (0, 3))
);
CREATE UNIQUE INDEX videos_hash_key ON videos (hash);
CREATE UNIQUE INDEX videos_file_id_key ON videos (file_id);
CREATE UNIQUE INDEX videos_thumbnail_id_key ON videos (thumbnail_id);
CREATE INDEX videos_newest_idx ON videos (uploaded_at DESC, id DESC) WHERE uploaded_at IS NOT NULL;
CREATE INDEX videos_channel_id_newest_idx ON videos (channel_id, uploaded_at DESC, id DESC);

CREATE TABLE reactions (
    video_id uuid NOT NULL CONSTRAINT reactions_video_id_fkey REFERENCES videos ON DELETE CASCADE,
    user_id uuid NOT NULL CONSTRAINT reactions_user_id_fkey REFERENCES users ON DELETE CASCADE,
    kind text NOT NULL CONSTRAINT reactions_kind_known CHECK (kind IN ('like', 'dislike')),
    PRIMARY KEY (video_id, user_id)
);
CREATE INDEX reactions_user_id_idx ON reactions (user_id);

-- Only the digest of a token is kept: who reads this table can set no password.
CREATE TABLE password_resets (
    digest bytea PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT password_resets_user_id_fkey REFERENCES users ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);
CREATE INDEX password_resets_user_id_idx ON password_resets (user_id);

CREATE FUNCTION count_reactions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        UPDATE videos SET likes = likes - (OLD.kind = 'like')::int, dislikes = dislikes - (OLD.kind = 'dislike')::int
            WHERE id = OLD.video_id;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        UPDATE videos SET likes = likes + (NEW.kind = 'like')::int, dislikes = dislikes + (NEW.kind = 'dislike')::int
            WHERE id = NEW.video_id;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER reactions_count AFTER INSERT OR UPDATE OR DELETE ON reactions
    FOR EACH ROW EXECUTE FUNCTION count_reactions();

CREATE FUNCTION count_videos() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        UPDATE channels SET videos = videos - 1 WHERE user_id = OLD.channel_id;
    ELSE
        UPDATE channels SET videos = videos + 1 WHERE user_id = NEW.channel_id;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER videos_count_uploaded AFTER UPDATE OF uploaded_at ON videos
    FOR EACH ROW WHEN (OLD.uploaded_at IS NULL AND NEW.uploaded_at IS NOT NULL) EXECUTE FUNCTION count_videos();
CREATE TRIGGER videos_count_inserted AFTER INSERT ON videos
    FOR EACH ROW WHEN (NEW.uploaded_at IS NOT NULL) EXECUTE FUNCTION count_videos();
CREATE TRIGGER videos_count_removed AFTER DELETE ON videos
    FOR EACH ROW WHEN (OLD.uploaded_at IS NOT NULL) EXECUTE FUNCTION count_videos();

-- Search (src/db/queries/search.rs). The indexes hold what can be found, uploaded videos only; and no pending list,
-- which every search would have to read besides.
-- A title that is just what was asked for, however common its words are.
CREATE INDEX videos_title_idx ON videos (left(lower(title), 100), uploaded_at DESC) WHERE uploaded_at IS NOT NULL;
CREATE INDEX videos_title_words_idx ON videos USING gin (to_tsvector('simple', title))
    WITH (fastupdate = off) WHERE uploaded_at IS NOT NULL;
-- Both, so that a search may have one of its words in the title and another in the description.
CREATE INDEX videos_words_idx ON videos USING gin (to_tsvector('simple', title || ' ' || description))
    WITH (fastupdate = off) WHERE uploaded_at IS NOT NULL;
CREATE INDEX channels_name_trigrams_idx ON channels USING gin (lower(name) gin_trgm_ops) WITH (fastupdate = off);

-- The words of titles and descriptions, each once: a mistyped word is compared with these, which are few, instead of
-- with every text. Words of letters only, so no number or address is kept; those of a removed video stay, and find
-- nothing.
CREATE TABLE vocabulary (
    word text PRIMARY KEY
);
CREATE INDEX vocabulary_trigrams_idx ON vocabulary USING gin (word gin_trgm_ops) WITH (fastupdate = off);

-- In order, so that two uploads with the same new words wait for each other instead of both.
CREATE FUNCTION learn_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO vocabulary
        SELECT word FROM unnest(tsvector_to_array(to_tsvector('simple', NEW.title || ' ' || NEW.description))) AS word
        WHERE word ~ '^[[:alpha:]]{3,32}$' ORDER BY word
        ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER videos_learn_words AFTER INSERT OR UPDATE OF title, description, uploaded_at ON videos
    FOR EACH ROW WHEN (NEW.uploaded_at IS NOT NULL) EXECUTE FUNCTION learn_words();
