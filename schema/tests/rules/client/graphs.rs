//! Look-ups in random graphs of delegations, compared with the search as the specification tells it.

use proptest::prelude::*;

use super::search::{Graph, graph, visited};
use super::*;

const ROLES: [&str; 7] = ["targets", "a", "b", "c", "d", "e", "f"];

/// TUF 5.6.7, by recursion. Answers false where the search is over.
fn visit<'a>(
    role: &'a str,
    delegations: &'a Graph<'_>,
    most: usize,
    order: &mut Vec<&'a str>,
) -> Result<bool, UpdateError> {
    if order.contains(&role) {
        return Ok(true);
    }
    if order.len() >= most {
        return Err(UpdateError::TooManyRoles(most));
    }
    order.push(role);
    for (child, path, terminating) in delegations.get(role).into_iter().flatten() {
        if *path == "*" && (!visit(child, delegations, most, order)? || *terminating) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// From a role to the others, by position: whether it covers the name, whether it is terminating.
fn delegations() -> impl Strategy<Value = Vec<Vec<(usize, bool, bool)>>> {
    let one = (1..ROLES.len(), prop::bool::weighted(0.8), prop::bool::weighted(0.15));
    prop::collection::vec(prop::collection::vec(one, 0..5), ROLES.len())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn a_search_visits_what_the_specification_says(drawn in delegations(), most in 1_usize..9) {
        let mut wanted = Graph::new();
        for (from, children) in ROLES.into_iter().zip(drawn) {
            let mut seen = Vec::new();
            for (to, covers, terminating) in children {
                if !seen.contains(&to) {
                    seen.push(to);
                    let path = if covers { "*" } else { "x/*" };
                    wanted.entry(from).or_default().push((ROLES[to].to_owned(), path, terminating));
                }
            }
        }
        let mut order = Vec::new();
        let expected = visit("targets", &wanted, most, &mut order).map(|_| None);
        let mut client = graph(&wanted);
        client.limits.roles = most;
        prop_assert_eq!(client.find("name"), expected);
        prop_assert_eq!(visited(&client), &order[1..]);
    }
}
