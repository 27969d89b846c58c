//! GET and HEAD: the bytes that were stored, their headers, and what is not there.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::json;

use crate::world::World;

const TUF: &str = "/v2/acme/app/_trust/tuf";

#[actix_web::test]
async fn every_file_has_its_names_and_its_exact_bytes() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs"]).await;
    world.publish(&repo, &[repo.team("docs", 2, &["x"])]).await;
    let bytes = async |name: &str| {
        let answer = world.get(&format!("{TUF}/{name}")).await;
        assert_eq!(answer.status, 200, "{name}");
        assert_eq!(answer.header("content-type"), "application/json");
        answer.bytes
    };
    assert_eq!(bytes("1.root.json").await, repo.root(1).1);
    assert_eq!(bytes("root.json").await, repo.root(1).1);
    assert_eq!(bytes("1.docs.json").await, repo.team("docs", 1, &["first"]).1);
    assert_eq!(bytes("2.docs.json").await, repo.team("docs", 2, &["x"]).1);
    assert_eq!(bytes("docs.json").await, repo.team("docs", 2, &["x"]).1);
    assert_eq!(bytes("2.snapshot.json").await, bytes("snapshot.json").await);
    assert_ne!(bytes("1.snapshot.json").await, bytes("snapshot.json").await);
    bytes("timestamp.json").await;
    for name in [
        "2.root.json",
        "3.docs.json",
        "nobody.json",
        "1.timestamp.json",
        "0.root.json",
        "01.root.json",
        "docs",
        "docs.json.json",
        "%00.json",
        "1.root.json/",
    ] {
        let answer = world.get(&format!("{TUF}/{name}")).await;
        assert_eq!(answer.status, 404, "{name}");
    }
    world.end().await;
}

#[actix_web::test]
async fn caches_are_told_what_they_may_keep() {
    let mut world = World::start().await;
    world.collection("acme/app", &[]).await;
    let told = async |name: &str| {
        world.get(&format!("{TUF}/{name}")).await.header("cache-control").to_owned()
    };
    let immutable = "public, max-age=31536000, immutable";
    for (name, expected) in [
        ("1.root.json", immutable),
        ("1.snapshot.json", immutable),
        ("1.targets.json", immutable),
        ("timestamp.json", "public, max-age=5"),
        ("root.json", "public, max-age=5"),
        ("2.root.json", "no-store"),
        ("2.targets.json", "max-age=1"),
    ] {
        assert_eq!(told(name).await, expected, "{name}");
    }
    let unknown = world.get("/v2/acme/none/_trust/tuf/1.root.json").await;
    assert_eq!(unknown.header("cache-control"), "no-store");
    world.pass(TimeDelta::days(1) - TimeDelta::seconds(30));
    assert_eq!(told("timestamp.json").await, "public, max-age=3", "a tenth of what is left");
    world.pass(TimeDelta::seconds(30));
    assert_eq!(told("timestamp.json").await, "no-cache");
    assert_eq!(told("1.root.json").await, immutable);
    world.refresh_all().await;
    world.end().await;
}

#[actix_web::test]
async fn conditional_and_compressed_answers_follow_the_representation() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs"]).await;
    let path = format!("{TUF}/1.targets.json");
    let get = async |method: Method, headers: &[(&str, &str)]| {
        world
            .request(method, &path, |mut request| {
                for (name, value) in headers {
                    request = request.header(*name, *value);
                }
                request
            })
            .await
    };
    let sha256 = notary_schema::key::sha256_hex(&repo.targets(1, &["a.txt"]).1);
    let (plain, gzip) = (format!("\"{sha256}\""), format!("\"{sha256}-gzip\""));
    let weak = format!("\"other\", W/{plain}");
    for (accept, none_match, status, etag, encoding) in [
        ("identity", "", 200, &plain, ""),
        ("gzip", "", 200, &gzip, "gzip"),
        ("br, GZIP;q=0.5", "", 200, &gzip, "gzip"),
        ("gzip;q=0", "", 200, &plain, ""),
        ("*", "", 200, &gzip, "gzip"),
        ("*;q=0", "", 200, &plain, ""),
        ("identity", plain.as_str(), 304, &plain, ""),
        ("identity", weak.as_str(), 304, &plain, ""),
        ("identity", "*", 304, &plain, ""),
        ("identity", gzip.as_str(), 200, &plain, ""),
        ("gzip", gzip.as_str(), 304, &gzip, ""),
        ("gzip", plain.as_str(), 200, &gzip, "gzip"),
    ] {
        let mut headers = vec![("accept-encoding", accept)];
        if !none_match.is_empty() {
            headers.push(("if-none-match", none_match));
        }
        let answer = get(Method::GET, &headers).await;
        let case = format!("{accept} {none_match}");
        assert_eq!(answer.status, status, "{case}");
        assert_eq!(answer.header("etag"), etag, "{case}");
        assert_eq!(answer.header("content-encoding"), encoding, "{case}");
        assert_eq!(answer.header("vary"), "Accept-Encoding", "{case}");
        assert!(!answer.header("cache-control").is_empty(), "{case}");
        let head = get(Method::HEAD, &headers).await;
        assert_eq!((head.status, head.bytes.len()), (answer.status, 0), "{case}");
        for name in ["etag", "content-encoding", "content-type", "cache-control", "content-length"]
        {
            assert_eq!(head.header(name), answer.header(name), "{name} of {case}");
        }
        match (status, encoding) {
            (304, _) => assert!(answer.bytes.is_empty()),
            (_, "gzip") => assert_eq!(inflated(&answer.bytes), repo.targets(1, &["a.txt"]).1),
            _ => assert_eq!(answer.bytes, repo.targets(1, &["a.txt"]).1),
        }
    }
    world.end().await;
}

fn inflated(gzip: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(gzip), &mut plain).unwrap();
    plain
}

#[actix_web::test]
async fn paths_and_methods_that_are_not_there_are_problems_too() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &[]).await;
    for (method, path, status, code) in [
        (Method::GET, "/", 404, "unknown_path"),
        (Method::GET, "/v2/acme/app", 404, "unknown_path"),
        (Method::GET, "/v2/acme/app/_trust/nothing", 404, "unknown_path"),
        (Method::GET, "/v2/acme/none/_trust/", 404, "unknown_collection"),
        (Method::GET, "/v2/Acme/app/_trust/", 400, "malformed_request"),
        (Method::GET, "/v2/acme%2Fapp/_trust/", 400, "malformed_request"),
        (Method::GET, "/v2/%61cme/app/_trust/", 400, "malformed_request"),
        (Method::GET, "/v2/acme/app/%5Ftrust/", 404, "unknown_path"),
        (Method::GET, "/v2/acme/_trust/tuf/b/_trust/", 404, "unknown_path"),
        (Method::GET, "/v2/../acme/app/_trust/", 404, "unknown_path"),
        (Method::PUT, "/v2/acme/app/_trust/tuf/root.json", 405, "method_not_allowed"),
        (Method::POST, "/v2/acme/app/_trust/", 405, "method_not_allowed"),
        (Method::POST, "/v2/acme/app/_trust/tuf/", 401, "unauthenticated"),
    ] {
        let answer = world.request(method.clone(), path, |request| request).await;
        assert_eq!(answer.outcome(), (status, code.into()), "{method} {path}");
    }
    for (content_type, body) in [
        ("application/json", "{}"),
        ("multipart/form-data", "x"),
        ("multipart/form-data; boundary=b", "--b\r\n"),
        (
            "multipart/form-data; boundary=b",
            "--b\r\ncontent-disposition: form-data; name=\"files\"\r\n\r\nx\r\n--b--\r\n",
        ),
        (
            "multipart/form-data; boundary=b",
            "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"docs\"\r\n\r\nx\r\n--b--\r\n",
        ),
        (
            "multipart/form-data; boundary=b",
            "--b\r\ncontent-disposition: form-data; name=\"files\"; filename=\"docs\"\r\n\r\ntruncat",
        ),
    ] {
        let path = format!("{TUF}/");
        let answer = world
            .request(Method::POST, &path, |request| {
                request.bearer_auth(&world.admin).header("content-type", content_type).body(body)
            })
            .await;
        assert_eq!(answer.outcome(), (400, "malformed_request".into()), "{body}");
    }
    world.read(&repo.gun, None).await;
    world.end().await;
}

#[actix_web::test]
async fn info_shows_roles_keys_and_dates() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs", "code"]).await;
    let info = world.get("/v2/acme/app/_trust/").await.json();
    let names: Vec<_> =
        info["roles"].as_array().unwrap().iter().map(|role| role["name"].clone()).collect();
    assert_eq!(json!(names), json!(["root", "targets", "snapshot", "timestamp", "docs", "code"]));
    let docs = &info["roles"][4];
    assert_eq!(docs["delegated_by"], "targets");
    assert_eq!(docs["paths"], json!(["docs/*"]));
    assert_eq!(docs["file"]["version"], 1);
    let keyid = repo.key_of("docs").key.id().as_str();
    assert_eq!(docs["keyids"], json!([keyid]));
    assert!(info["keys"][keyid].is_object());
    assert!(info.get("unfinished").is_none());
    world.end().await;
}

#[actix_web::test]
async fn the_list_of_collections_has_pages_and_no_reservations() {
    let mut world = World::start_with(|config| config.limits.page = 2).await;
    for gun in ["b/one", "a/one", "c"] {
        world.collection(gun, &[]).await;
    }
    world.reserve("a/reserved", &[]).await;
    let guns = |page: &serde_json::Value| {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["gun"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = world.get("/v2/_trust/collections").await.json();
    assert_eq!(
        (guns(&first), &first["next"]),
        (vec!["a/one".into(), "b/one".into()], &json!("b/one"))
    );
    let second = world.get("/v2/_trust/collections?after=b/one").await.json();
    assert_eq!((guns(&second), second.get("next")), (vec!["c".into()], None));
    assert_eq!(guns(&world.get("/v2/_trust/collections?limit=1").await.json()), ["a/one"]);
    for bad in ["limit=0", "limit=x", "after=A", "from=a"] {
        let answer = world.get(&format!("/v2/_trust/collections?{bad}")).await;
        assert_eq!(answer.outcome(), (400, "malformed_request".into()), "{bad}");
    }
    world.end().await;
}

#[actix_web::test]
async fn head_answers_like_get_without_the_body() {
    let mut world = World::start().await;
    world.collection("acme/app", &[]).await;
    for path in ["/healthz", "/readyz", "/v2/_trust/collections", "/v2/acme/app/_trust/"] {
        let got = world.get(path).await;
        let head = world.request(Method::HEAD, path, |request| request).await;
        assert_eq!((head.status.as_u16(), got.status.as_u16()), (200, 200), "{path}");
        for name in ["content-type", "content-length"] {
            assert_eq!(head.header(name), got.header(name), "{path}");
        }
        assert!(head.bytes.is_empty() && !got.bytes.is_empty(), "{path}");
    }
    world.end().await;
}

#[actix_web::test]
async fn health_tells_a_signer_that_is_away_from_one_that_allows_too_little() {
    let world = World::start().await;
    assert_eq!(world.get("/healthz").await.status, 200);
    assert_eq!(world.get("/readyz").await.json()["ready"], true);
    world.end().await;
    let world = World::start().await;
    world.signer.go_away();
    let answer = world.get("/readyz").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (503, "application/json"));
    let (found, refused) = (answer.json(), "the signer is not reached: connection refused");
    assert_eq!((&found["ready"], &found["database"]), (&false.into(), &"ok".into()));
    assert_eq!((&found["signer"], &found["unfinished_releases"]), (&refused.into(), &json!([])));
    world.end().await;
    let world = World::start().await;
    world.signer.limits.lock().unwrap().timestamp_max_seconds = 60;
    let answer = world.get("/readyz").await;
    let found = answer.json()["signer"].to_string();
    assert!(answer.status == 503 && found.contains("lifetimes.timestamp_seconds"), "{found}");
    world.end().await;
}

#[actix_web::test]
async fn a_parameter_that_is_no_list_stands_in_a_query_once() {
    let mut world = World::start().await;
    world.collection("acme/app", &["docs", "code"]).await;
    for (method, path, name) in [
        ("GET", "/v2/_trust/collections?after=a&after=b", "after"),
        ("GET", "/v2/_trust/tokens?limit=1&limit=1", "limit"),
        ("POST", "/v2/acme/app/_trust/keys/snapshot?rotate=true&rotate=false", "rotate"),
        ("POST", "/v2/acme/app/_trust/tuf/?adopt=true&adopt=true", "adopt"),
        ("POST", "/v2/acme/app/_trust/proposals?reason=a&reason=b", "reason"),
        ("DELETE", "/v2/acme/app/_trust/tuf/?confirm=acme/app&confirm=acme/app", "confirm"),
        ("DELETE", "/v2/_trust/tokens/self?cascade=false&cascade=true", "cascade"),
    ] {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let answer = world.request(method, path, |it| it.bearer_auth(&world.admin)).await;
        assert_eq!(answer.outcome(), (400, "malformed_request".into()), "{path}");
        let expected = format!("the parameter {name} stands there more than once; leave one");
        assert_eq!(answer.json()["detail"], expected, "{path}");
    }
    let roles = async |query: &str| {
        let told = world.get(&format!("/v2/acme/app/_trust/{query}")).await.json();
        let roles = told["roles"].as_array().unwrap().clone();
        ["docs", "code"].map(|role| roles.iter().any(|told| told["name"] == role))
    };
    assert_eq!(roles("?role=docs").await, [true, false]);
    assert_eq!(roles("?role=docs&role=code").await, [true, true]);
    world.end().await;
}
