-- What the agent needs: how a session is to work and what it has used, who drives, secrets to type, a chained record.
-- Defaults stand only where ALTER TABLE asks for one.

ALTER TABLE sessions ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
ALTER TABLE sessions ADD COLUMN steps BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN input_tokens BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN output_tokens BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN cache_write_tokens BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN cache_read_tokens BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN cost_microusd BIGINT NOT NULL DEFAULT 0;
-- The seq of the event that asked last for a person's word.
ALTER TABLE sessions ADD COLUMN approval BIGINT;
-- The title in lower case: SQLite by itself knows the case of ASCII alone.
ALTER TABLE sessions ADD COLUMN title_search TEXT NOT NULL DEFAULT '';
UPDATE sessions SET title_search = LOWER(title);

ALTER TABLE desktops ADD COLUMN lease_epoch BIGINT NOT NULL DEFAULT 0;
ALTER TABLE desktops ADD COLUMN holder_id TEXT;
ALTER TABLE desktops ADD COLUMN holder_since BIGINT;

-- Over this event and the hash of the one before it; absent from events that were stored before there was a chain.
ALTER TABLE events ADD COLUMN hash TEXT;

CREATE TABLE secrets (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    -- As in provider_keys.
    sealed TEXT NOT NULL,
    key_id TEXT NOT NULL,
    stored_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, name)
);
