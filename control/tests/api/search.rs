//! Sessions found again: by their titles, and archived or not.

use protocol::{
    error::Code,
    session::{Page, Session},
};
use serde_json::json;

use crate::support::{Browser, Control};

facts!(
    a_title_is_found_by_any_part_of_it_in_any_case,
    what_looks_like_a_pattern_is_searched_for_as_it_stands,
    a_title_of_a_first_message_or_of_a_new_name_is_found,
    archived_sessions_are_listed_alone_together_or_not_at_all,
    filters_hold_from_page_to_page,
    a_search_that_no_title_can_match_is_refused,
    another_users_titles_are_not_searched,
);

async fn titled(browser: &Browser, titles: &[&str]) -> Vec<Session> {
    let first: Session = browser.post("sessions", json!({ "title": titles[0] }).to_string()).await.json();
    let mut made = vec![first];
    for title in &titles[1..] {
        let wish = json!({ "title": title, "desktop_id": made[0].desktop_id });
        made.push(browser.post("sessions", wish.to_string()).await.expect_status(201).json());
    }
    made
}

/// The titles on the first page, in the order they were made.
async fn found(browser: &Browser, query: &[(&str, &str)]) -> Vec<String> {
    let query: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    let page: Page<Session> = browser.get(&format!("sessions?{query}")).await.expect_status(200).json();
    page.items.into_iter().rev().map(|session| session.title).collect()
}

async fn a_title_is_found_by_any_part_of_it_in_any_case(control: Control) {
    let browser = control.user("ada").await;
    titled(&browser, &["A flight to Büsum", "ÖFFNUNGSZEITEN", "Taxes"]).await;

    assert_eq!(found(&browser, &[("search", "FLIGHT")]).await, ["A flight to Büsum"]);
    assert_eq!(found(&browser, &[("search", "bÜSum")]).await, ["A flight to Büsum"]);
    assert_eq!(found(&browser, &[("search", "öffnung")]).await, ["ÖFFNUNGSZEITEN"]);
    assert_eq!(found(&browser, &[("search", "a")]).await, ["A flight to Büsum", "Taxes"]);
    assert_eq!(found(&browser, &[("search", "nothing")]).await, [""; 0]);
    assert_eq!(found(&browser, &[("search", "")]).await.len(), 3);
}

async fn what_looks_like_a_pattern_is_searched_for_as_it_stands(control: Control) {
    let browser = control.user("ada").await;
    titled(&browser, &["100% wool", "100 sheep", "snake_case", "snakes", r"C:\Temp", "it's"]).await;

    assert_eq!(found(&browser, &[("search", "100%")]).await, ["100% wool"]);
    assert_eq!(found(&browser, &[("search", "%")]).await, ["100% wool"]);
    assert_eq!(found(&browser, &[("search", "snake_")]).await, ["snake_case"]);
    assert_eq!(found(&browser, &[("search", r"\")]).await, [r"C:\Temp"]);
    assert_eq!(found(&browser, &[("search", "'")]).await, ["it's"]);
}

async fn a_title_of_a_first_message_or_of_a_new_name_is_found(control: Control) {
    let browser = control.user("ada").await;
    let unnamed: Session = browser.post("sessions", "{}").await.json();
    let named = titled_on(&browser, &unnamed, "Old").await;

    browser.say(&unnamed.id, "c1", "Über den Wolken").await.expect_success();
    browser.patch(&format!("sessions/{}", named.id), json!({ "title": "NEU" })).await.expect_success();

    assert_eq!(found(&browser, &[("search", "über")]).await, ["Über den Wolken"]);
    assert_eq!(found(&browser, &[("search", "neu")]).await, ["NEU"]);
    assert_eq!(found(&browser, &[("search", "old")]).await, [""; 0]);
}

async fn titled_on(browser: &Browser, other: &Session, title: &str) -> Session {
    let wish = json!({ "title": title, "desktop_id": other.desktop_id });
    browser.post("sessions", wish.to_string()).await.expect_status(201).json()
}

async fn archived_sessions_are_listed_alone_together_or_not_at_all(control: Control) {
    let browser = control.user("ada").await;
    let made = titled(&browser, &["one", "two"]).await;
    browser.patch(&format!("sessions/{}", made[0].id), json!({ "archived": true })).await.expect_success();

    assert_eq!(found(&browser, &[]).await, ["one", "two"]);
    assert_eq!(found(&browser, &[("archived", "true")]).await, ["one"]);
    assert_eq!(found(&browser, &[("archived", "false")]).await, ["two"]);
    assert_eq!(found(&browser, &[("archived", "true"), ("search", "two")]).await, [""; 0]);
    assert_eq!(browser.get("sessions?archived=perhaps").await.code(), Code::MalformedRequest);
}

async fn filters_hold_from_page_to_page(control: Control) {
    let browser = control.user("ada").await;
    let first = titled(&browser, &["wanted"]).await.remove(0);
    for n in 0..104 {
        titled_on(&browser, &first, if n % 2 == 0 { "wanted" } else { "other" }).await;
    }

    let page: Page<Session> = browser.get("sessions?search=WANT").await.json();
    let rest: Page<Session> =
        browser.get(&format!("sessions?search=WANT&cursor={}", page.next.clone().unwrap())).await.json();

    assert_eq!((page.items.len(), rest.items.len(), rest.next), (50, 3, None));
    assert!(page.items.iter().chain(&rest.items).all(|session| session.title == "wanted"));
}

async fn a_search_that_no_title_can_match_is_refused(control: Control) {
    let browser = control.user("ada").await;

    for search in ["a%00b".to_owned(), "a%0Ab".to_owned(), "x".repeat(201)] {
        let refused = browser.get(&format!("sessions?search={search}")).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (422, Code::InvalidValue), "{search}");
    }
}

async fn another_users_titles_are_not_searched(control: Control) {
    let (ada, mallory) = (control.user("ada").await, control.user("mallory").await);
    titled(&ada, &["Private"]).await;

    assert_eq!(found(&mallory, &[("search", "private")]).await, [""; 0]);
}
