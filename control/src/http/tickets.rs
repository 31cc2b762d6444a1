//! Tickets for WebSockets.

use axum::{extract::State, http::StatusCode};
use protocol::{
    error::Problem,
    ticket::{CreateTicket, CreatedTicket},
};

use super::{Shared, caller::Somebody, extract::Json};
use crate::{error::ApiError, users::tickets};

/// Makes a ticket for a WebSocket of a desktop: offered as the subprotocol `ticket.<ticket>`, it is good once, for 30 s.
#[utoipa::path(post, path = "/tickets", request_body = CreateTicket, responses((status = 201, body = CreatedTicket), (status = "4XX", body = Problem)))]
pub async fn create(
    State(app): State<Shared>,
    Somebody(caller): Somebody,
    Json(wish): Json<CreateTicket>,
) -> Result<(StatusCode, axum::Json<CreatedTicket>), ApiError> {
    Ok((StatusCode::CREATED, axum::Json(tickets::create(&app, &caller, wish).await?)))
}
