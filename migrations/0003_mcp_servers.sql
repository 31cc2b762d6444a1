-- MCP servers that users add to their desktops.

CREATE TABLE mcp_servers (
    desktop_id TEXT NOT NULL REFERENCES desktops (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    -- How it is reached, with the values of its variables or headers: all of it sealed, as in provider_keys.
    sealed TEXT NOT NULL,
    key_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (desktop_id, name)
);

-- Counts the changes of a desktop's servers: no deletion hides another one.
ALTER TABLE desktops ADD COLUMN mcp_version BIGINT NOT NULL DEFAULT 0;
