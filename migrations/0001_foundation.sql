-- One text for SQLite and PostgreSQL: BIGINT milliseconds, TEXT ids and JSON, no database-side defaults.

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- A signed-in browser: one family of refresh tokens.
CREATE TABLE logins (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    user_agent TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX logins_user ON logins (user_id);

-- Hashes only. Used ones are kept until they expire: whenever one comes again, its family is ended.
CREATE TABLE refresh_tokens (
    hash TEXT PRIMARY KEY,
    login_id TEXT NOT NULL REFERENCES logins (id) ON DELETE CASCADE,
    -- The token that it was given for.
    parent_hash TEXT,
    expires_at BIGINT NOT NULL,
    used_at BIGINT
);
CREATE INDEX refresh_tokens_login ON refresh_tokens (login_id);
CREATE INDEX refresh_tokens_parent ON refresh_tokens (parent_hash);

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    secret_hash TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    last_used_at BIGINT
);
CREATE INDEX tokens_user ON tokens (user_id);

CREATE TABLE provider_keys (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    provider TEXT NOT NULL,
    -- AES-256-GCM under the master key that key_id names; base64 of nonce and ciphertext.
    sealed TEXT NOT NULL,
    key_id TEXT NOT NULL,
    masked TEXT NOT NULL,
    stored_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, provider)
);

CREATE TABLE desktops (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    width BIGINT NOT NULL,
    height BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    -- The VM of the present generation; it may not exist yet, or any more.
    vm_id TEXT,
    -- Launches in a row that did not lead to a desktop that stayed.
    failures BIGINT NOT NULL,
    next_try_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    state_since BIGINT NOT NULL
);
CREATE INDEX desktops_user ON desktops (user_id);
CREATE INDEX desktops_state ON desktops (state);

CREATE TABLE vms (
    id TEXT PRIMARY KEY,
    desktop_id TEXT NOT NULL REFERENCES desktops (id) ON DELETE CASCADE,
    generation BIGINT NOT NULL,
    -- SHA-256 of the one-time token, and of the public key that it has bound to.
    enrolment_hash TEXT NOT NULL,
    key_hash TEXT,
    host TEXT,
    port BIGINT,
    painted BIGINT NOT NULL,
    health TEXT,
    reported_at BIGINT,
    created_at BIGINT NOT NULL
);
CREATE INDEX vms_desktop ON vms (desktop_id);

CREATE TABLE idempotency (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    idempotency_key TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    desktop_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, idempotency_key)
);

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    desktop_id TEXT NOT NULL REFERENCES desktops (id) ON DELETE CASCADE,
    title TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    archived BIGINT NOT NULL,
    last_seq BIGINT NOT NULL,
    -- Since when it has had something to do: who has waited longest goes first.
    work_since BIGINT NOT NULL,
    -- A person asked it to stop, and it has not yet.
    stop_asked BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id, updated_at);
CREATE INDEX sessions_desktop ON sessions (desktop_id, state);

CREATE TABLE events (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    seq BIGINT NOT NULL,
    client_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (session_id, seq),
    UNIQUE (session_id, client_id)
);

-- Which pictures a session's record refers to: who may see a blob follows from this.
CREATE TABLE pictures (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (session_id, sha256)
);
CREATE INDEX pictures_sha256 ON pictures (sha256);

-- Which desktop's VMs have stored which bytes: a hash alone lets nobody refer to a stranger's picture.
CREATE TABLE blobs (
    desktop_id TEXT NOT NULL REFERENCES desktops (id) ON DELETE CASCADE,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (desktop_id, sha256)
);
CREATE INDEX blobs_sha256 ON blobs (sha256);
