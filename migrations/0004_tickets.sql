-- Tickets that were not used yet.

CREATE TABLE tickets (
    -- SHA-256.
    hash TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    desktop_id TEXT NOT NULL REFERENCES desktops (id) ON DELETE CASCADE,
    -- By which credential it was made: JSON. It ends with that one.
    credential TEXT NOT NULL,
    -- When that one ends by itself.
    ends_at BIGINT,
    scopes TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX tickets_user ON tickets (user_id);
