//! Signing up, in and out: what opens, what does not, and what ends a sign-in.

use http::Method;
use protocol::{error::Code, user::Login};
use serde_json::json;

use crate::support::{Browser, Control, PASSWORD};

facts!(
    a_new_user_is_signed_in_by_cookies_that_scripts_cannot_read,
    under_tls_the_cookies_are_bound_to_the_very_host,
    a_taken_address_is_refused_however_it_is_written,
    a_weak_password_is_refused,
    a_wrong_password_and_an_unknown_address_look_the_same,
    guessing_is_slowed_down,
    an_enormous_address_is_refused,
    an_access_token_ends_after_ten_minutes_and_is_refreshed,
    a_forged_or_foreign_token_is_refused,
    a_refresh_token_is_good_once,
    a_refresh_token_that_comes_twice_ends_the_whole_family,
    a_thief_who_refreshed_twice_is_found_out_too,
    two_tabs_may_refresh_at_once,
    a_browser_that_lost_the_answer_stays_signed_in,
    who_comes_back_stays_signed_in_for_more_than_thirty_days,
    who_stays_away_for_thirty_days_is_signed_out,
    signing_out_ends_the_access_token_at_once,
    sign_ins_are_listed_and_ended_one_by_one,
    a_new_password_signs_the_other_browsers_out,
    a_change_needs_our_own_page,
);

const DAY: i64 = 24 * 3600 * 1000;
const ACCESS: &str = protocol::paths::ACCESS_COOKIE;
const REFRESH: &str = protocol::paths::REFRESH_COOKIE;

async fn a_new_user_is_signed_in_by_cookies_that_scripts_cannot_read(control: Control) {
    let browser = control.anonymous();

    let answer = browser.sign_up(" Ada@Example.org ").await.expect_status(201);

    let user: protocol::user::User = answer.json();
    assert_eq!(user.email, "ada@example.org");
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().map(|c| c.to_str().unwrap()).collect();
    assert_eq!(cookies.len(), 2);
    for cookie in cookies {
        assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Strict"), "{cookie}");
        assert!(cookie.contains("; Path=/") && !cookie.contains("Domain"), "{cookie}");
    }
    let me: protocol::user::User = browser.get("me").await.expect_status(200).json();
    assert_eq!(me, user);
}

async fn under_tls_the_cookies_are_bound_to_the_very_host(control: Control) {
    let control = control.with_settings(|settings| settings.public_url = "https://cloudbot.example".parse().unwrap());
    let browser = control.anonymous().with_header("origin", Some("https://cloudbot.example"));

    let answer = browser.sign_up("ada@example.org").await.expect_status(201);

    for cookie in answer.headers.get_all("set-cookie") {
        let cookie = cookie.to_str().unwrap();
        assert!(cookie.starts_with("__Host-") && cookie.contains("; Secure"), "{cookie}");
    }
    browser.get("me").await.expect_status(200);
    let plain = control.anonymous();
    plain.set_cookie(ACCESS, &browser.cookie(protocol::paths::ACCESS_COOKIE_TLS).unwrap());
    assert_eq!(plain.get("me").await.code(), Code::NotSignedIn, "a plain cookie may come from a neighbour");
}

async fn a_taken_address_is_refused_however_it_is_written(control: Control) {
    control.user("ada").await;

    let again = control.anonymous().sign_up("ADA@EXAMPLE.ORG").await;

    assert_eq!(again.code(), Code::EmailTaken);
}

async fn a_weak_password_is_refused(control: Control) {
    for password in ["short", "aaaaaaaaaaaa", "password123", "ada@example.org"] {
        let body = json!({ "email": "ada@example.org", "password": password });
        let refused = control.anonymous().post("auth/signup", body.to_string()).await;
        assert_eq!(refused.code(), Code::WeakPassword, "{password}");
    }
    let long = json!({ "email": "ada@example.org", "password": "long".repeat(65) });
    assert_eq!(control.anonymous().post("auth/signup", long.to_string()).await.code(), Code::WeakPassword);
}

async fn a_wrong_password_and_an_unknown_address_look_the_same(control: Control) {
    control.user("ada").await;

    let wrong = control.anonymous().log_in("ada@example.org", "not the password").await;
    let unknown = control.anonymous().log_in("bob@example.org", "not the password").await;
    let right = control.anonymous().log_in("Ada@example.org", PASSWORD).await;

    assert_eq!((wrong.status, wrong.problem()), (unknown.status, unknown.problem()));
    assert_eq!(wrong.code(), Code::WrongCredentials);
    right.expect_status(200);
}

async fn guessing_is_slowed_down(control: Control) {
    control.user("ada").await;
    let mut refused = None;
    for n in 0..60 {
        let guess = control.anonymous().log_in("ada@example.org", &format!("a wrong guess {n}")).await;
        if guess.status == 429 {
            refused = Some(guess);
            break;
        }
    }

    assert_eq!(refused.expect("a limit").code(), Code::TooManyRequests);
    let elsewhere = control.anonymous().with_header("x-cloudbot-client", Some("198.51.100.1"));
    elsewhere.sign_up("bob@example.org").await.expect_status(201);
    control.pass_time(60 * 60 * 1000);
    control.anonymous().log_in("ada@example.org", PASSWORD).await.expect_status(200);
}

async fn an_enormous_address_is_refused(control: Control) {
    let enormous = format!("{}@example.org", "a".repeat(900_000));

    assert_eq!(control.anonymous().log_in(&enormous, "whatever it is").await.code(), Code::WrongCredentials);
    let body = json!({ "email": enormous, "password": PASSWORD });
    assert_eq!(control.anonymous().post("auth/signup", body.to_string()).await.code(), Code::InvalidValue);
}

async fn an_access_token_ends_after_ten_minutes_and_is_refreshed(control: Control) {
    let browser = control.user("ada").await;

    control.pass_time(10 * 60 * 1000 + 1000);

    assert_eq!(browser.get("me").await.code(), Code::TokenExpired);
    browser.refresh().await.expect_success();
    browser.get("me").await.expect_status(200);
}

async fn a_forged_or_foreign_token_is_refused(control: Control) {
    let ada = control.user("ada").await;
    let genuine = ada.cookie(ACCESS).unwrap();
    let (head, signature) = genuine.rsplit_once('.').unwrap();
    let changed = format!("{head}.{}{}", if signature.starts_with('A') { 'B' } else { 'A' }, &signature[1..]);
    let elsewhere = Control::on_sqlite().await.user("ada").await.cookie(ACCESS).unwrap();

    for forged in [changed, format!("{head}."), "a.b.c".into(), "x".into(), elsewhere, ada.cookie(REFRESH).unwrap()] {
        let nobody = control.anonymous();
        nobody.set_cookie(ACCESS, &forged);
        let refused = nobody.get("me").await;
        assert_eq!((refused.status.as_u16(), refused.code()), (401, Code::NotSignedIn), "{forged}");
        assert_eq!(ada.program(&forged).get("me").await.code(), Code::NotSignedIn, "{forged}");
    }
    assert_eq!(ada.program(&genuine).get("me").await.code(), Code::NotSignedIn, "a browser's token is no program's");
}

async fn a_refresh_token_is_good_once(control: Control) {
    let browser = control.user("ada").await;
    let first = browser.cookie(REFRESH).unwrap();

    browser.refresh().await.expect_success();

    assert_ne!(browser.cookie(REFRESH).unwrap(), first);
}

async fn a_refresh_token_that_comes_twice_ends_the_whole_family(control: Control) {
    let victim = control.user("ada").await;
    let thief = victim.clone();
    thief.refresh().await.expect_success();
    control.pass_time(60_000);

    let refused = victim.refresh().await;

    assert_eq!(refused.code(), Code::NotSignedIn);
    assert_eq!(thief.get("me").await.code(), Code::NotSignedIn);
    assert_eq!(thief.refresh().await.code(), Code::NotSignedIn);
}

async fn a_thief_who_refreshed_twice_is_found_out_too(control: Control) {
    let victim = control.user("ada").await;
    let thief = victim.clone();
    for _ in 0..3 {
        thief.refresh().await.expect_success();
        control.pass_time(60_000);
    }

    assert_eq!(victim.refresh().await.code(), Code::NotSignedIn);

    assert_eq!(thief.refresh().await.code(), Code::NotSignedIn, "the stolen family must not live on");
}

async fn two_tabs_may_refresh_at_once(control: Control) {
    let tab = control.user("ada").await;
    let other = tab.clone();

    let both = tokio::join!(tab.refresh(), other.refresh());

    both.0.expect_success();
    both.1.expect_success();
    // Whichever answer the shared cookie jar kept: it goes on.
    for browser in [tab, other] {
        control.pass_time(11 * 60 * 1000);
        if browser.refresh().await.status.is_success() {
            browser.get("me").await.expect_status(200);
        }
    }
}

async fn a_browser_that_lost_the_answer_stays_signed_in(control: Control) {
    let browser = control.user("ada").await;
    let answer_lost = browser.clone();
    answer_lost.refresh().await.expect_success();
    drop(answer_lost);

    control.pass_time(3_000);
    browser.refresh().await.expect_success();

    control.pass_time(11 * 60 * 1000);
    browser.refresh().await.expect_success();
    browser.get("me").await.expect_status(200);
}

async fn who_comes_back_stays_signed_in_for_more_than_thirty_days(control: Control) {
    let browser = control.user("ada").await;

    for _ in 0..3 {
        control.pass_time(20 * DAY);
        browser.refresh().await.expect_success();
    }

    browser.get("me").await.expect_status(200);
}

async fn who_stays_away_for_thirty_days_is_signed_out(control: Control) {
    let browser = control.user("ada").await;

    control.pass_time(31 * DAY);

    assert_eq!(browser.refresh().await.status, 401);
}

async fn signing_out_ends_the_access_token_at_once(control: Control) {
    let browser = control.user("ada").await;
    let copy = browser.clone();

    browser.order("auth/logout").await.expect_success();

    assert_eq!(browser.cookie(ACCESS), None);
    assert_eq!(browser.cookie(REFRESH), None);
    assert_eq!(copy.get("me").await.code(), Code::NotSignedIn);
    assert_eq!(copy.refresh().await.code(), Code::NotSignedIn);
}

async fn sign_ins_are_listed_and_ended_one_by_one(control: Control) {
    let here = control.user("ada").await;
    let there = control.anonymous().with_header("user-agent", Some("another browser"));
    there.log_in("ada@example.org", PASSWORD).await.expect_status(200);
    let mallory = control.user("mallory").await;

    let logins: Vec<Login> = here.get("auth/sessions").await.expect_status(200).json();
    let other = logins.iter().find(|login| !login.current).expect("the other browser");
    let theirs = mallory.delete(&format!("auth/sessions/{}", other.id)).await;
    here.delete(&format!("auth/sessions/{}", other.id)).await.expect_success();

    assert_eq!(logins.len(), 2);
    assert_eq!(other.user_agent, "another browser");
    assert_eq!(theirs.code(), Code::NotFound);
    assert_eq!(there.get("me").await.code(), Code::NotSignedIn);
    here.get("me").await.expect_status(200);
}

async fn a_new_password_signs_the_other_browsers_out(control: Control) {
    let here = control.user("ada").await;
    let there = control.anonymous();
    there.log_in("ada@example.org", PASSWORD).await.expect_status(200);
    let new = "quite another passphrase";
    let change = |current: &str, new: &str| json!({ "current_password": current, "new_password": new });

    let wrong = here.put("me/password", change("not the password", new)).await;
    let weak = here.put("me/password", change(PASSWORD, "short")).await;
    here.put("me/password", change(PASSWORD, new)).await.expect_success();

    assert_eq!((wrong.code(), weak.code()), (Code::WrongCredentials, Code::WeakPassword));
    here.get("me").await.expect_status(200);
    assert_eq!(there.get("me").await.code(), Code::NotSignedIn);
    assert_eq!(control.anonymous().log_in("ada@example.org", PASSWORD).await.code(), Code::WrongCredentials);
    control.anonymous().log_in("ada@example.org", new).await.expect_status(200);
}

async fn a_change_needs_our_own_page(control: Control) {
    let browser = control.user("ada").await;
    let desktops = |browser: Browser| async move { browser.post("desktops", "{}").await };

    for origin in [None, Some("https://evil.example"), Some("null"), Some("http://localhost:80800"), Some("")] {
        let refused = desktops(browser.with_header("origin", origin)).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (403, Code::ForbiddenOrigin), "{origin:?}");
        let refused = control.anonymous().with_header("origin", origin).log_in("ada@example.org", PASSWORD).await;
        assert_eq!(refused.code(), Code::ForbiddenOrigin, "signing in, {origin:?}");
    }
    let refused = desktops(browser.with_header("x-cloudbot", None)).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (403, Code::MissingRequestHeader));
    let refused = browser.with_header("x-cloudbot", None).send(Method::POST, "auth/refresh", None).await;
    assert_eq!(refused.code(), Code::MissingRequestHeader);

    desktops(browser.with_header("origin", Some("http://127.0.0.1:8080"))).await.expect_status(201);
}
