//! control as its callers meet it: its real router on a real database, every fact on SQLite and on PostgreSQL.

/// Makes two tests of each fact: one on SQLite, one on PostgreSQL.
macro_rules! facts {
    ($($fact:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $fact() {
                super::$fact($crate::support::Control::on_sqlite().await).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $fact() {
                super::$fact($crate::support::Control::on_postgres().await).await;
            })*
        }
    };
}

mod accounts;
mod approvals;
mod audit;
mod blobs;
mod desktops;
mod document;
mod door;
mod enrolment;
mod grants;
mod keys;
mod lease;
mod mcp_servers;
mod mcp_values;
mod odd_text;
mod reconciler;
mod record;
mod refusals;
mod revocations;
mod search;
mod secrets;
mod sessions;
mod settings;
mod spending;
mod streams;
mod support;
mod tickets;
mod tokens;
mod upgrade;
