//! Signing up, in and out; who one is; where one is signed in.

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    response::{AppendHeaders, IntoResponse},
};
use protocol::{
    LoginId,
    error::{Code, Problem},
    user::{Credentials, Login, User},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    Shared,
    caller::{OwnPage, Owner, Viewer, origin_of},
    cookies,
    extract::{Json, Path},
};
use crate::{
    error::ApiError,
    users::{account, refresh, sign_in},
};

type Cookies = AppendHeaders<Vec<(HeaderName, HeaderValue)>>;

/// Makes an account and signs this browser in.
#[utoipa::path(post, path = "/auth/signup", request_body = Credentials, responses(
    (status = 201, body = User, description = "Signed in by cookies"), (status = "4XX", body = Problem)))]
pub async fn signup(
    State(app): State<Shared>,
    _: OwnPage,
    headers: HeaderMap,
    Json(credentials): Json<Credentials>,
) -> Result<(StatusCode, Cookies, axum::Json<User>), ApiError> {
    let (user, tokens) = sign_in::sign_up(&app, credentials, &origin_of(&headers)).await?;
    Ok((StatusCode::CREATED, AppendHeaders(cookies::set(&tokens, &app.settings.public_url)), axum::Json(user)))
}

/// Signs this browser in.
#[utoipa::path(post, path = "/auth/login", request_body = Credentials, responses(
    (status = 200, body = User, description = "Signed in by cookies"), (status = "4XX", body = Problem)))]
pub async fn login(
    State(app): State<Shared>,
    _: OwnPage,
    headers: HeaderMap,
    Json(credentials): Json<Credentials>,
) -> Result<(Cookies, axum::Json<User>), ApiError> {
    let (user, tokens) = sign_in::sign_in(&app, credentials, &origin_of(&headers)).await?;
    Ok((AppendHeaders(cookies::set(&tokens, &app.settings.public_url)), axum::Json(user)))
}

/// Exchanges the refresh cookie for fresh ones.
#[utoipa::path(post, path = "/auth/refresh", responses((status = 204, description = "Fresh cookies"), (status = "4XX", body = Problem)))]
pub async fn refresh(
    State(app): State<Shared>,
    _: OwnPage,
    headers: HeaderMap,
) -> Result<(StatusCode, Cookies), ApiError> {
    let token = cookies::refresh_token(&headers, &app.settings.public_url);
    let token = token.ok_or_else(|| Problem::new(Code::NotSignedIn, "Sign in."))?;
    let tokens = refresh::refresh(&app, &token).await?;
    Ok((StatusCode::NO_CONTENT, AppendHeaders(cookies::set(&tokens, &app.settings.public_url))))
}

/// Signs this browser out, also when its access token has expired.
#[utoipa::path(post, path = "/auth/logout", responses((status = 204, description = "Signed out"), (status = "4XX", body = Problem)))]
pub async fn logout(State(app): State<Shared>, _: OwnPage, headers: HeaderMap) -> Result<impl IntoResponse, ApiError> {
    if let Some(token) = cookies::refresh_token(&headers, &app.settings.public_url) {
        refresh::end_by_token(&app, &token).await?;
    }
    Ok((StatusCode::NO_CONTENT, AppendHeaders(cookies::clear(&app.settings.public_url))))
}

/// Who one is.
#[utoipa::path(get, path = "/me", responses((status = 200, body = User), (status = "4XX", body = Problem)))]
pub async fn me(State(app): State<Shared>, Viewer(caller): Viewer) -> Result<axum::Json<User>, ApiError> {
    Ok(axum::Json(account::me(&app, &caller.user_id).await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePassword {
    current_password: String,
    new_password: String,
}

/// Changes the password and signs all other browsers out.
#[utoipa::path(put, path = "/me/password", request_body = ChangePassword, responses(
    (status = 204, description = "Changed"), (status = "4XX", body = Problem)))]
pub async fn change_password(
    State(app): State<Shared>,
    Owner(caller): Owner,
    Json(wish): Json<ChangePassword>,
) -> Result<StatusCode, ApiError> {
    account::change_password(&app, &caller, wish.current_password, wish.new_password).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where one is signed in.
#[utoipa::path(get, path = "/auth/sessions", responses((status = 200, body = Vec<Login>), (status = "4XX", body = Problem)))]
pub async fn list_logins(State(app): State<Shared>, Owner(caller): Owner) -> Result<axum::Json<Vec<Login>>, ApiError> {
    Ok(axum::Json(refresh::list(&app, &caller).await?))
}

/// Signs all other browsers out.
#[utoipa::path(delete, path = "/auth/sessions", responses((status = 204, description = "Signed out"), (status = "4XX", body = Problem)))]
pub async fn end_other_logins(State(app): State<Shared>, Owner(caller): Owner) -> Result<StatusCode, ApiError> {
    refresh::end_others(&app, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Signs one browser out.
#[utoipa::path(delete, path = "/auth/sessions/{id}", params(("id" = LoginId, Path)), responses(
    (status = 204, description = "Signed out"), (status = "4XX", body = Problem)))]
pub async fn end_login(
    State(app): State<Shared>,
    owner: Owner,
    Path(id): Path<LoginId>,
) -> Result<StatusCode, ApiError> {
    refresh::end(&app, owner.id(), &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
