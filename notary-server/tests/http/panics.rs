//! A panic ends one request. What one in the task of a publish leaves behind is in `slots`.

use crate::world::World;

#[actix_web::test]
async fn a_panic_in_a_handler_is_a_500_without_detail_and_the_next_request_is_served() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs"]).await;
    world.break_clock(true);
    for path in ["/v2/acme/app/_trust/", "/v2/acme/app/_trust/tuf/timestamp.json"] {
        let answer = world.get(path).await;
        assert_eq!(answer.outcome(), (500, "internal".into()), "{path}");
        let detail = answer.json()["detail"].to_string();
        assert!(!detail.contains("clock"), "{detail}");
    }
    world.break_clock(false);
    assert_eq!(world.publish(&repo, &[repo.team("docs", 2, &["x"])]).await.status, 200);
    world.end().await;
}
