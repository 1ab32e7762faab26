DROP TABLE password_resets;
DROP TABLE reactions;
DROP TABLE videos;
DROP TABLE channels;
DROP FUNCTION count_reactions();
DROP FUNCTION count_videos();
ALTER TABLE users DROP CONSTRAINT users_id_username_key;
