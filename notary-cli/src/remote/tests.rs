use std::time::Duration;

use reqwest::Method;
use secrecy::SecretString;
use url::Url;

use super::*;
use crate::testing::{Canned, Server as Answering, silent};

const TOKEN: &str = "notary_secret";

fn http(seconds: u64) -> Http {
    Http::new(None, Duration::from_secs(seconds), silent())
}

fn request<'a>(
    http: &Http,
    method: Method,
    url: Url,
    token: Option<&'a SecretString>,
    body: Body<'a>,
) -> Request<'a> {
    let (timeout, slowest_bytes_per_second) = (http.timeout(), SLOWEST_BYTES_PER_SECOND);
    Request { method, url, token, body, max_bytes: 100, timeout, slowest_bytes_per_second }
}

async fn get(http: &Http, url: Url, token: Option<&SecretString>) -> Result<Answer, HttpError> {
    let request = request(http, Method::GET, url, token, Body::Empty);
    http.send(&request, &mut Vec::new()).await
}

#[tokio::test]
async fn a_wait_that_no_clock_can_hold_ends_the_request() {
    let server = Answering::start().await;
    for seconds in ["5", "999999999999", "18446744073709551615"] {
        let head = format!("503 Busy\r\nretry-after: {seconds}");
        server.answer("a", Canned::status(&head));
        let answer = get(&http(2), server.url.join("a").unwrap(), None).await.unwrap();
        assert_eq!(answer.status, 503);
    }
    assert_eq!(server.asked().len(), 3, "none of them was waited for");
    let soon = Canned::status("503 Busy\r\nretry-after: 0");
    server.answer_in_turn("a", vec![soon, Canned::ok("now")]);
    assert_eq!(get(&http(60), server.url.join("a").unwrap(), None).await.unwrap().status, 200);
}

/// The requests that carried the token.
fn with_token(server: &Answering) -> usize {
    server.heads().iter().filter(|head| head.contains(TOKEN)).count()
}

#[tokio::test]
async fn the_token_stays_with_the_origin_that_it_is_for() {
    let (server, other) = (Answering::start().await, Answering::start().await);
    let token = SecretString::from(TOKEN);
    server.answer("a", Canned::status("302 Found\r\nlocation: /b"));
    server.answer("b", Canned::ok("here"));
    let from = |path: &str| server.url.join(path).unwrap();
    let answer = get(&http(60), from("a"), Some(&token)).await.unwrap();
    assert!(answer.is_success());
    assert_eq!(with_token(&server), 2, "a redirect within the origin is followed");
    let port = other.url.port().unwrap();
    for (status, to) in [
        (301, other.url.to_string()),
        (302, format!("//127.0.0.1:{port}/b")),
        (303, format!("http://localhost:{}/b", server.url.port().unwrap())),
        (307, format!("http://x@127.0.0.1:{port}/b")),
        (308, "https://127.0.0.1/b".to_owned()),
        (300, format!("http:\\\\127.0.0.1:{port}\\b")),
    ] {
        server.answer("a", Canned::status(&format!("{status} Away\r\nlocation: {to}")));
        let refused = get(&http(60), from("a"), Some(&token)).await.unwrap_err();
        assert!(matches!(refused, HttpError::Redirect { .. }), "{to}: {refused}");
    }
    assert!(other.asked().is_empty(), "the other origin was asked");
}

#[tokio::test]
async fn a_redirect_to_a_host_that_is_allowed_is_followed_without_the_token() {
    let (server, other) = (Answering::start().await, Answering::start().await);
    let token = SecretString::from(TOKEN);
    server.answer("a", Canned::status(&format!("302 Away\r\nlocation: {}b", other.url)));
    other.answer("b", Canned::status(&format!("302 Back\r\nlocation: {}c", server.url)));
    server.answer("c", Canned::ok("here"));
    let url = || server.url.join("a").unwrap();
    let allowed = |hosts: &[&str]| {
        http(60).redirected_to(hosts.iter().map(|host| (*host).to_owned()).collect())
    };
    let answer = get(&allowed(&["LOCALHOST", "127.0.0.1"]), url(), Some(&token)).await.unwrap();
    assert!(answer.is_success());
    assert_eq!((with_token(&server), with_token(&other)), (2, 0), "the token goes home only");
    for hosts in [&["localhost"][..], &["127.0.0.1.example", "0.0.1"], &[]] {
        let refused = get(&allowed(hosts), url(), Some(&token)).await.unwrap_err();
        assert!(matches!(refused, HttpError::Redirect { .. }), "{refused}");
    }
    server.answer("a", Canned::status("302 Away\r\nlocation: http://notary.example/"));
    let insecure = get(&allowed(&["notary.example"]), url(), None).await.unwrap_err();
    assert!(matches!(insecure, HttpError::Insecure { .. }), "{insecure}");
}

#[tokio::test]
async fn nothing_that_changes_something_is_sent_along_a_redirect() {
    let server = Answering::start().await;
    server.answer("a", Canned::status("307 Away\r\nlocation: /b"));
    for method in [Method::POST, Method::DELETE, Method::PATCH] {
        let url = server.url.join("a").unwrap();
        let (body, token) = (Body::Json("{}".into()), None);
        let http = http(60);
        let request = request(&http, method, url, token, body);
        let refused = http.send(&request, &mut Vec::new()).await.unwrap_err();
        assert!(matches!(refused, HttpError::Redirect { .. }), "{refused}");
    }
    assert_eq!(server.asked(), ["/a", "/a", "/a"]);
}

#[tokio::test]
async fn a_list_is_asked_of_the_server_whatever_its_next_page_says() {
    let (server, other) = (Answering::start().await, Answering::start().await);
    let event = serde_json::json!({
        "gun": "acme/app", "root": 1, "snapshot": 1, "timestamp": 1,
        "changed_at": "2030-01-01T00:00:00Z",
    });
    let page = |next: Option<&str>| {
        Canned::ok(serde_json::json!({ "items": [event], "next": next }).to_string())
    };
    let next = other.url.to_string();
    server.answer_in_turn("v2/_trust/collections", vec![page(Some(&next)), page(None)]);
    let http = http(60);
    let remote = Server::new(server.url.clone(), Some(SecretString::from(TOKEN)), &http);
    assert_eq!(remote.collections().await.unwrap().len(), 2);
    assert_eq!((with_token(&server), other.asked().len()), (2, 0));
}

#[tokio::test]
async fn a_list_that_turns_in_a_circle_is_refused() {
    let server = Answering::start().await;
    let token = serde_json::json!({
        "id": "a", "grant": "read", "collections": "**", "roles": [], "created_by": "a",
        "created_at": "2030-01-01T00:00:00Z",
    });
    let page = serde_json::json!({ "items": [token], "next": "a" });
    server.answer("v2/_trust/tokens", Canned::ok(page.to_string()));
    let http = http(60);
    let remote = Server::new(server.url.clone(), None, &http);
    let refused = remote.tokens().await.unwrap_err();
    assert!(matches!(refused, RemoteError::OtherAnswer { .. }), "{refused}");
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn a_redirect_leads_to_the_same_origin_or_to_an_allowed_host_and_never_out_of_https() {
    let hosts = ["cdn.example".to_owned()];
    for (from, to, follows) in [
        ("https://a.example/x", "https://a.example/y", true),
        ("https://a.example/x", "https://a.example:8443/y", false),
        ("https://a.example/x", "https://b.example/y", false),
        ("https://a.example/x", "https://CDN.example/y", true),
        ("https://a.example/x", "http://cdn.example/y", false),
        ("https://a.example/x", "http://a.example/y", false),
        ("http://127.0.0.1/x", "https://cdn.example/y", true),
        ("http://127.0.0.1/x", "http://cdn.example/y", true),
    ] {
        let url = |text: &str| Url::parse(text).unwrap();
        assert_eq!(http::may_lead(&url(from), &url(to), &hosts), follows, "{from} {to}");
    }
}

#[test]
fn what_is_told_of_an_address_holds_no_password_and_no_query() {
    for (address, told) in [
        ("https://bob:secret@a.example/x?token=secret#secret", "https://a.example/x?…"),
        ("https://a.example:8443/x/", "https://a.example:8443/x/"),
        ("file:///srv/site/", "file:///srv/site/"),
    ] {
        assert_eq!(shown(&Url::parse(address).unwrap()), told);
    }
}

#[tokio::test]
async fn an_error_holds_no_secret_of_its_address() {
    let server = Answering::start().await;
    server.answer("a", Canned::status("302 Found\r\nlocation: https://b.example/?token=secret"));
    let mut url = server.url.join("a?token=secret").unwrap();
    url.set_password(Some("secret")).unwrap();
    let refused = get(&http(2), url, None).await.unwrap_err().to_string();
    assert!(refused.contains("https://b.example/") && !refused.contains("secret"), "{refused}");
}
