//! Requests that no client of ours would make: each is a 4xx with a stable code, stores nothing, and
//! leaves the server as it was.

use reqwest::Method;

use crate::raw::{Socket, raw};
use crate::repo::Repo;
use crate::world::World;

const PUBLISH: &str = "/v2/acme/app/_trust/tuf/";

/// A broken chunk: the HTTP library closes the connection, mostly without an answer.
const CLOSED: u16 = 0;

/// Everything that a refused request could have changed.
async fn state(world: &World) -> (String, String, usize) {
    let of = async |path: &str| String::from_utf8(world.get(path).await.bytes).unwrap();
    let collections = of("/v2/_trust/collections").await;
    (collections, of("/v2/acme/app/_trust/").await, world.signer.keys())
}

/// The server works as before: nothing was stored, and the next publish succeeds.
async fn assert_unharmed(mut world: World, repo: &Repo, before: (String, String, usize)) {
    assert_eq!(state(&world).await, before);
    assert_eq!(world.publish(repo, &[repo.team("docs", 2, &["x"])]).await.status, 200);
    world.read(&repo.gun, Some("docs/x")).await;
    world.end().await;
}

async fn start() -> (World, Repo, (String, String, usize)) {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs"]).await;
    let before = state(&world).await;
    (world, repo, before)
}

#[actix_web::test]
async fn names_that_are_none_are_refused_on_every_path_and_create_nothing() {
    let (world, repo, before) = start().await;
    let long = format!("acme/{}", "x".repeat(300));
    let segments = ["a"; 200].join("/");
    for (name, code) in [
        ("../x", "malformed_request"),
        ("acme/../x", "malformed_request"),
        ("./x", "malformed_request"),
        ("a/_trust/b", "unknown_path"),
        ("_trust/a", "unknown_path"),
        ("a/_b", "unknown_path"),
        ("a//b", "unknown_path"),
        ("/a", "unknown_path"),
        ("a%2Fb", "malformed_request"),
        ("a%00b", "malformed_request"),
        ("%2e%2e/x", "malformed_request"),
        ("%FF", "malformed_request"),
        ("*", "malformed_request"),
        ("a/**", "malformed_request"),
        ("Acme/app", "malformed_request"),
        ("acme app", ""),
        ("acme;app", "malformed_request"),
        ("-a", "malformed_request"),
        (".a", "malformed_request"),
        ("a:80", "malformed_request"),
        ("ümlaut", ""),
        (long.as_str(), "malformed_request"),
        (segments.as_str(), "malformed_request"),
    ] {
        for (method, rest) in [
            ("GET", "tuf/timestamp.json"),
            ("HEAD", "tuf/timestamp.json"),
            ("GET", ""),
            ("POST", "tuf/"),
            ("POST", "keys/snapshot"),
            ("POST", "keys/timestamp?rotate=true"),
        ] {
            let (host, token) = (world.address, &world.admin);
            let request = format!(
                "{method} /v2/{name}/_trust/{rest} HTTP/1.1\r\nhost: {host}\r\n\
                 authorization: Bearer {token}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            );
            let answer = raw(&world, request.as_bytes()).await;
            let is_404 = code == "unknown_path";
            let case = format!("{method} {name}/_trust/{rest}: {answer:?}");
            assert_eq!(answer.status, if is_404 { 404 } else { 400 }, "{case}");
            if method != "HEAD" {
                assert_eq!(answer.code(), code, "{case}");
            }
        }
    }
    assert_unharmed(world, &repo, before).await;
}

#[actix_web::test]
async fn bytes_that_are_no_request_end_the_connection() {
    let (world, repo, before) = start().await;
    let header = |value: &str| format!("GET /healthz HTTP/1.1\r\nhost: h\r\n{value}\r\n\r\n");
    let many: String = (0..200).map(|number| format!("x-{number}: x\r\n")).collect();
    let post = |headers: &str, body: &str| {
        let token = &world.admin;
        format!(
            "POST {PUBLISH} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {token}\r\n\
             content-type: multipart/form-data; boundary=b\r\n{headers}\r\n\r\n{body}"
        )
    };
    for (request, status) in [
        ("\r\n\r\nnothing\r\n\r\n".to_owned(), 400),
        ("GET /healthz\r\n\r\n".to_owned(), 400),
        ("GET /healthz HTTP/9.9\r\n\r\n".to_owned(), 400),
        ("G\0T /healthz HTTP/1.1\r\nhost: h\r\n\r\n".to_owned(), 400),
        ("GET /heal thz HTTP/1.1\r\nhost: h\r\n\r\n".to_owned(), 400),
        (format!("GET /{} HTTP/1.1\r\nhost: h\r\n\r\n", "x".repeat(200_000)), 431),
        (header(&format!("x: {}", "x".repeat(200_000))), 431),
        (header(&many), 431),
        (header("x y: z"), 400),
        (header("content-length: x"), 400),
        (header("content-length: -1"), 400),
        (header("content-length: 1\r\ncontent-length: 2"), 400),
        (header("content-length: 99999999999999999999999"), 400),
        (header("content-length: 1\r\ntransfer-encoding: chunked"), 400),
        (header("transfer-encoding: gzip"), 400),
        (post("transfer-encoding: chunked", "zz\r\nx\r\n0\r\n\r\n"), CLOSED),
        (post("transfer-encoding: chunked", "fffffffffffffffff\r\nx"), CLOSED),
        (post("expect: 100-continue\r\ncontent-length: 999999999999", ""), 413),
        (post("content-length: 18446744073709551615", ""), 413),
    ] {
        let answer = raw(&world, request.as_bytes()).await;
        let case = request.chars().take(80).collect::<String>();
        let closed = status == CLOSED && answer.status == 400;
        assert!(closed || answer.status == status, "{status} for {case}: {answer:?}");
    }
    assert_unharmed(world, &repo, before).await;
}

#[actix_web::test]
async fn bodies_that_are_no_publish_are_malformed_requests() {
    let (world, repo, before) = start().await;
    let (_, docs) = repo.team("docs", 2, &["x"]);
    let docs = String::from_utf8(docs).unwrap();
    let first = String::from_utf8(repo.team("docs", 1, &["x"]).1).unwrap();
    let part = |disposition: &str, body: &str| {
        format!("--b\r\ncontent-disposition: {disposition}\r\n\r\n{body}\r\n")
    };
    let file = |role: &str, body: &str| {
        part(&format!("form-data; name=\"files\"; filename=\"{role}\""), body)
    };
    let closed = |parts: String| format!("{parts}--b--\r\n");
    let form = "multipart/form-data; boundary=b";
    let whole = closed(file("docs", &docs));
    let long_role = "x".repeat(129);
    let cases: Vec<(&str, String, u16, &str)> = vec![
        ("", whole.clone(), 400, "malformed_request"),
        ("application/json", whole.clone(), 400, "malformed_request"),
        ("multipart/mixed; boundary=b", whole.clone(), 400, "malformed_request"),
        ("multipart/form-data", whole.clone(), 400, "malformed_request"),
        ("multipart/form-data; boundary=", whole.clone(), 400, "malformed_request"),
        ("multipart/form-data; boundary=c", whole.clone(), 400, "malformed_request"),
        (form, String::new(), 400, "malformed_request"),
        (form, closed(String::new()), 400, "malformed_request"),
        (form, "garbled".repeat(1000), 400, "malformed_request"),
        (form, "\0\u{1}\u{2}".repeat(1000), 400, "malformed_request"),
        (form, whole[..whole.len() - 6].to_owned(), 400, "malformed_request"),
        (form, whole[..whole.len() / 2].to_owned(), 400, "malformed_request"),
        (form, whole[..20].to_owned(), 400, "malformed_request"),
        (form, closed("--b\r\n\r\nx\r\n".into()), 400, "malformed_request"),
        (form, closed(part("attachment; filename=\"docs\"", &docs)), 400, "malformed_request"),
        (
            form,
            closed(part("form-data; name=\"file\"; filename=\"docs\"", "{}")),
            400,
            "malformed_request",
        ),
        (form, closed(part("form-data; filename=\"docs\"", "{}")), 400, "malformed_request"),
        (form, closed(part("form-data; name=\"files\"", "{}")), 400, "malformed_request"),
        (form, closed(part("form-data", "{}")), 400, "malformed_request"),
        (form, closed(file("", &docs)), 400, "malformed_request"),
        (form, closed(file("../docs", &first)), 422, "not_delegated"),
        (form, closed(file("docs/x", &first)), 422, "not_delegated"),
        (form, closed(file("döcs", &first)), 422, "not_delegated"),
        (form, closed(file(&long_role, &first)), 422, "not_delegated"),
        (form, closed(file("mirrors", &first)), 422, "not_delegated"),
        (form, closed(file("timestamp", &docs)), 400, "online_role"),
        (form, closed(file("nobody", &first)), 422, "not_delegated"),
        (form, closed(file("root", &docs)), 400, "unreadable"),
        (form, closed(file("docs", &docs) + &file("docs", &docs)), 400, "repeated_part"),
        (form, closed(file("docs", "")), 400, "unreadable"),
        (form, closed(file(&"x".repeat(60_000), &docs)), 400, "malformed_request"),
        (form, closed(file(&"x".repeat(70_000), &docs)), 400, "malformed_request"),
    ];
    for (content_type, body, status, code) in cases {
        let shown = body.chars().take(120).collect::<String>();
        for with_length in [true, false] {
            let token = &world.admin;
            let mut head = format!(
                "POST {PUBLISH} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\
                 authorization: Bearer {token}\r\n"
            );
            if !content_type.is_empty() {
                head += &format!("content-type: {content_type}\r\n");
            }
            let request = match with_length {
                true => format!("{head}content-length: {}\r\n\r\n{body}", body.len()),
                false if body.is_empty() => {
                    format!("{head}transfer-encoding: chunked\r\n\r\n0\r\n\r\n")
                }
                false => format!(
                    "{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
                    body.len()
                ),
            };
            let answer = raw(&world, request.as_bytes()).await;
            let case = format!("{content_type} {shown}: {answer:?}");
            assert_eq!((answer.status, answer.code().as_str()), (status, code), "{case}");
        }
    }
    // The body ends in the middle of what was announced.
    let mut socket = Socket::open(&world).await;
    let token = &world.admin;
    let head = format!(
        "POST {PUBLISH} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {token}\r\n\
         content-type: {form}\r\ncontent-length: {}\r\n\r\n",
        whole.len()
    );
    socket.send(head.as_bytes()).await;
    socket.send(&whole.as_bytes()[..whole.len() / 2]).await;
    socket.finish().await;
    let rest = socket.rest().await;
    assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 400"), "nobody hears it");
    assert_unharmed(world, &repo, before).await;
}

#[actix_web::test]
async fn files_that_other_programs_would_read_otherwise_are_unreadable() {
    let (world, repo, before) = start().await;
    let (_, docs) = repo.team("docs", 2, &["x"]);
    let docs = String::from_utf8(docs).unwrap();
    let edited = |from: &str, to: &str| {
        assert!(docs.contains(from), "{from} is not in {docs}");
        docs.replacen(from, to, 1).into_bytes()
    };
    let bomb = |open: &str, close: &str, depth| open.repeat(depth) + &close.repeat(depth);
    let in_custom = |value: &str| edited("\"version\":2", &format!("\"x\":{value},\"version\":2"));
    for (what, file) in [
        ("arrays", bomb("[", "]", 10_000_000).into_bytes()),
        ("objects", bomb("{\"a\":", "}", 2_000_000).into_bytes()),
        ("one array without an end", "[".repeat(20_000_000).into_bytes()),
        ("arrays inside", in_custom(&bomb("[", "]", 100_000))),
        ("a repeated key", edited("\"version\":2", "\"version\":2,\"version\":2")),
        (
            "a repeated key with an escape",
            edited("\"version\":2", "\"version\":2,\"\\u0076ersion\":2"),
        ),
        ("another case", edited("\"version\":2", "\"Version\":2,\"version\":2")),
        ("text as version", edited("\"version\":2", "\"version\":\"2\"")),
        ("a fraction", edited("\"version\":2", "\"version\":2.0")),
        ("an exponent", edited("\"version\":2", "\"version\":2e0")),
        ("null", edited("\"version\":2", "\"version\":null")),
        ("version 0", edited("\"version\":2", "\"version\":0")),
        ("a negative version", edited("\"version\":2", "\"version\":-2")),
        ("2^53", edited("\"version\":2", "\"version\":9007199254740992")),
        ("many digits", edited("\"version\":2", &format!("\"version\":{}", "9".repeat(1_000_000)))),
        ("targets as array", edited("\"targets\":{", "\"targets\":[],\"x\":{")),
        ("signed as text", b"{\"signatures\":[],\"signed\":\"x\"}".to_vec()),
        ("no signatures", b"{\"signed\":{}}".to_vec()),
        ("an array", b"[]".to_vec()),
        ("a number", b"7".to_vec()),
        ("nothing", b" ".to_vec()),
        ("latin 1", b"{\"signatures\":[],\"signed\":{\"\xe9\":1}}".to_vec()),
        ("a lone surrogate", in_custom("\"\\ud800\"")),
        ("a control character", in_custom("\"\u{1}\"")),
        ("a byte order mark", [b"\xef\xbb\xbf", docs.as_bytes()].concat()),
        ("trailing bytes", format!("{docs}x").into_bytes()),
        ("utf-16", docs.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("compressed", b"\x1f\x8b\x08\x00\x00\x00\x00\x00".to_vec()),
    ] {
        let answer = world.publish(&repo, &[("docs".into(), file)]).await;
        assert_eq!(answer.outcome(), (400, "unreadable".into()), "{what}: {answer:?}");
    }
    assert_unharmed(world, &repo, before).await;
}

#[actix_web::test]
async fn other_methods_are_told_which_ones_a_path_takes() {
    let (world, repo, before) = start().await;
    let odd = Method::from_bytes(b"PROPFIND").unwrap();
    for (path, allowed) in [
        ("/v2/acme/app/_trust/tuf/root.json", "GET, HEAD"),
        ("/v2/acme/app/_trust/tuf/", "POST"),
        ("/v2/acme/app/_trust/", "GET, HEAD"),
        ("/v2/acme/app/_trust/keys/snapshot", "POST"),
        ("/v2/_trust/collections", "GET, HEAD"),
        ("/healthz", "GET, HEAD"),
        ("/readyz", "GET, HEAD"),
    ] {
        let others = [Method::OPTIONS, Method::TRACE, Method::PUT, Method::PATCH, odd.clone()];
        for method in others {
            let answer = world.request(method.clone(), path, |request| request).await;
            assert_eq!(answer.outcome(), (405, "method_not_allowed".into()), "{method} {path}");
            for word in allowed.split(", ") {
                assert!(answer.header("allow").contains(word), "{method} {path}: {answer:?}");
            }
        }
        if allowed == "POST" {
            let head = world.request(Method::HEAD, path, |request| request).await;
            assert_eq!(head.status, 405, "{path}");
        }
    }
    assert_unharmed(world, &repo, before).await;
}

#[actix_web::test]
async fn parameters_that_a_path_does_not_take_are_refused() {
    let (world, repo, before) = start().await;
    for path in [
        "/v2/acme/app/_trust/tuf/timestamp.json",
        "/v2/acme/app/_trust/tuf/1.root.json",
        "/v2/acme/app/_trust/",
        "/v2/_trust/collections",
        "/healthz",
        "/readyz",
    ] {
        for query in ["?x=1", "?limit", "?%00", "?%ff=1"] {
            if (path, query) == ("/v2/_trust/collections", "?limit") {
                continue;
            }
            let answer = world.get(&format!("{path}{query}")).await;
            assert_eq!(answer.outcome(), (400, "malformed_request".into()), "{path}{query}");
        }
        assert_eq!(world.get(&format!("{path}?")).await.status, 200, "{path}?");
    }
    for path in ["keys/snapshot?x=1", "keys/snapshot?rotate=maybe", "tuf/?pending=", "tuf/?x=1"] {
        let answer = world.post(&format!("/v2/acme/app/_trust/{path}"), &world.admin).await;
        assert_eq!(answer.outcome(), (400, "malformed_request".into()), "{path}");
    }
    assert_unharmed(world, &repo, before).await;
}
