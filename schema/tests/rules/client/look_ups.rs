//! Look-ups among roles that a visit brought: each answers what a look-up that fetches does.

use proptest::prelude::*;

use notary_schema::path::{HashPrefixes, PathSet};
use notary_schema::role::{Bins, DelegatedRole, SuccinctRoles};
use notary_schema::updater::{Roles, Unanswered, look_up};

use super::search::{Graph, graph};
use super::*;

/// Visits these roles; answers what could not be read, as "role below delegator".
fn visit(
    client: &mut Client,
    updater: &mut Updater,
    roles: Roles,
) -> Result<Vec<String>, UpdateError> {
    updater.visit(roles)?;
    let mut unread = Vec::new();
    while let Err(error) = client.drive(updater) {
        if matches!(error, UpdateError::MoreRoles(_) | UpdateError::TooManyBytes(_)) {
            return Err(error);
        }
        let (role, delegator) = updater.skip()?.expect("a visit goes on without any role");
        unread.push(format!("{role} below {delegator}"));
    }
    Ok(unread)
}

/// A session that has visited every role.
fn visited(client: &mut Client) -> (Updater, Vec<String>) {
    let mut updater = client.refresh().unwrap();
    let unread = visit(client, &mut updater, Roles::All).unwrap();
    (updater, unread)
}

/// The role in which a look-up among the roles that are here finds a name.
fn among(client: &Client, updater: &Updater, name: &str) -> Result<Option<String>, Unanswered> {
    let found = look_up(updater.trusted().unwrap(), name, &client.limits)?;
    Ok(found.map(|found| found.role.to_string()))
}

/// From a role to others: to whom, for the name or for another, terminating, by which key.
type Delegated = (usize, bool, bool, u8);

const ROLES: [&str; 6] = ["targets", "a", "b", "c", "d", "e"];

/// What a delegated role is like: its delegations, whether it lists the name, which keys sign it, and
/// whether it is published and served.
#[derive(Debug, Clone)]
struct Drawn {
    delegations: Vec<Delegated>,
    lists: bool,
    signers: &'static [u8],
    published: bool,
    served: bool,
}

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    let often = prop::bool::weighted;
    let delegated = (1..ROLES.len(), often(0.8), often(0.2), 6..8_u8);
    let delegations = prop::collection::vec(delegated, 0..5);
    let signers = prop::sample::select(vec![&[6_u8][..], &[7], &[6, 7], &[6, 7], &[6, 7]]);
    let one = (delegations, often(0.3), signers, often(0.9), often(0.95));
    let one = one.prop_map(|(delegations, lists, signers, published, served)| Drawn {
        delegations,
        lists,
        signers,
        published,
        served,
    });
    prop::collection::vec(one, ROLES.len())
}

fn repository(drawn: &[Drawn]) -> Client {
    let (mut files, mut gone) = (BTreeMap::new(), Vec::new());
    for (name, one) in ROLES.iter().zip(drawn) {
        let mut draft = Draft::first_targets(in_days(9));
        let mut seen = Vec::new();
        for (to, covers, terminating, key) in &one.delegations {
            if !seen.contains(to) {
                seen.push(*to);
                let path = if *covers { "*" } else { "x/*" };
                let mut delegated = delegation(ROLES[*to], &[path], &[*key], 1);
                delegated.terminating = *terminating;
                draft = draft.with_delegation(delegated, &[*key]);
            }
        }
        let is_top = *name == "targets";
        if one.lists && !is_top {
            draft = draft.with_target("name");
        }
        let signers = if is_top { &[TARGETS] } else { one.signers };
        if is_top || one.published {
            files.insert(role(name), sign(&draft.finish(), signers));
        }
        gone.extend((!is_top && !one.served).then(|| format!("1.{name}.json")));
    }
    let mut client = Client::new(&Collection::of(Collection::new().root, files, 1));
    client.remote.retain(|name, _| !gone.contains(name));
    client
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
    #[test]
    fn what_a_visit_brought_answers_as_a_look_up_that_fetches(drawn in drawn(), most in 1_usize..8) {
        let mut client = repository(&drawn);
        client.limits.roles = most;
        let alone = repository(&drawn);
        let found = Client { limits: client.limits, ..alone }.find("name");
        let (updater, _) = visited(&mut client);
        match (among(&client, &updater, "name"), found) {
            (Ok(among), Ok(found)) => prop_assert_eq!(among, found),
            (Err(Unanswered::TooManyRoles(here)), Err(UpdateError::TooManyRoles(there))) => {
                prop_assert_eq!(here, there);
            }
            (Err(Unanswered::Needs { .. }), Err(UpdateError::Trust(_) | UpdateError::NotFound(_))) => {}
            (among, found) => prop_assert!(false, "{among:?} and {found:?}"),
        }
    }
}

#[test]
fn a_role_is_visited_as_each_delegator_leads_to_it() {
    for (signers, unread, below_two) in [
        (&[6][..], &["shared below two"][..], None),
        (&[7], &["shared below one"], Some("shared")),
        (&[6, 7], &[], Some("shared")),
    ] {
        let mut client = super::search::shared_by_two(signers);
        let (updater, missed) = visited(&mut client);
        assert_eq!(missed, unread, "{signers:?}");
        assert_eq!(among(&client, &updater, "y/a").ok().flatten().as_deref(), below_two);
        let below_one = among(&client, &updater, "x/a");
        assert_eq!(below_one.is_ok(), signers.contains(&6), "{below_one:?}");
    }
    // Whoever looks for the role itself gets it from the one that leads there.
    let mut client = super::search::shared_by_two(&[7]);
    let mut updater = client.refresh().unwrap();
    let missed = visit(&mut client, &mut updater, Roles::To(role("shared"))).unwrap();
    assert_eq!(missed, ["shared below one"]);
    assert!(updater.trusted().unwrap().verified(&role("shared"), &role("two")).is_some());
    // Where its keys are those of both, it is fetched once.
    let mut client = super::search::shared_by_two(&[6, 7]);
    visited(&mut client);
    let fetched = client.requests.iter().filter(|name| *name == "1.shared.json");
    assert_eq!(fetched.count(), 1);
}

#[test]
fn a_visit_reaches_every_role_once_and_ends_in_cycles() {
    let to = |names: &[&str]| names.iter().map(|n| ((*n).to_owned(), "*", false)).collect();
    let last = |name: &str| vec![(name.to_owned(), "*", true)];
    let elsewhere = |name: &str| vec![(name.to_owned(), "x/*", false)];
    let rows: Vec<(&str, Graph<'_>, &[&str])> = vec![
        (
            "a cycle",
            [("targets", to(&["a"])), ("a", to(&["b"])), ("b", to(&["a", "b"]))].into(),
            &["a", "b"],
        ),
        (
            "children before brothers",
            [("targets", to(&["a", "b"])), ("a", to(&["c", "b"])), ("c", to(&["d"]))].into(),
            &["a", "c", "d", "b"],
        ),
        (
            "a terminating one hides no role",
            [("targets", [last("a"), to(&["b"])].concat())].into(),
            &["a", "b"],
        ),
        ("nor does a path", [("targets", elsewhere("a")), ("a", to(&["b"]))].into(), &["a", "b"]),
    ];
    for (case, delegations, expected) in rows {
        let mut client = graph(&delegations);
        visited(&mut client);
        assert_eq!(super::search::visited(&client), expected, "{case}");
        // Cold or warm, the limit counts roles.
        client.limits.all_roles = expected.len() + 1;
        let mut updater = client.refresh().unwrap();
        assert_eq!(visit(&mut client, &mut updater, Roles::All), Ok(vec![]), "{case}");
        let all = updater.trusted().unwrap().held_bytes();
        client.limits.all_roles = expected.len();
        let mut updater = client.refresh().unwrap();
        let more = visit(&mut client, &mut updater, Roles::All);
        assert_eq!(more, Err(UpdateError::MoreRoles(expected.len())), "{case}");
        let last = client.local[&format!("{}.json", expected[expected.len() - 1])].len() as u64;
        for (followed_bytes, refused) in
            [(all - last, None), (all - last - 1, Some(all - last - 1))]
        {
            client.limits = Limits { followed_bytes, kept_bytes: 0, ..Limits::default() };
            let mut updater = client.refresh().unwrap();
            let ended = visit(&mut client, &mut updater, Roles::All);
            assert_eq!(ended.err(), refused.map(UpdateError::TooManyBytes), "{case}");
        }
    }
}

#[test]
fn a_look_up_ends_at_the_most_roles_that_it_may_visit() {
    let chain = |n: usize| vec![(format!("r{n}"), "*", false)];
    let delegations = Graph::from([("targets", chain(1)), ("r1", chain(2)), ("r2", chain(3))]);
    let mut client = graph(&delegations);
    let (updater, _) = visited(&mut client);
    for (most, answer) in [(4, Ok(None)), (3, Err(Unanswered::TooManyRoles(3)))] {
        client.limits.roles = most;
        assert_eq!(among(&client, &updater, "none"), answer);
    }
}

#[test]
fn a_terminating_delegation_hides_targets_and_no_role() {
    for (terminating, found) in [(false, Some("two")), (true, None)] {
        let roles = [("one", "x/*", terminating, &["x/b"][..]), ("two", "x/*", false, &["x/a"])];
        let mut client = super::search::tree(&roles);
        let (updater, unread) = visited(&mut client);
        assert_eq!(unread, [""; 0]);
        assert!(updater.trusted().unwrap().targets(&role("two")).is_some());
        assert_eq!(among(&client, &updater, "x/a").unwrap().as_deref(), found);
        assert_eq!(among(&client, &updater, "x/b").unwrap().as_deref(), Some("one"));
    }
}

#[test]
fn a_role_that_is_not_there_is_in_the_way_of_those_behind_it_only() {
    let roles = [("one", "x/*", false, &[][..]), ("two", "[xy]/*", false, &["x/a", "y/a"])];
    let mut client = super::search::tree(&roles);
    client.remote.remove("1.one.json");
    let (updater, unread) = visited(&mut client);
    assert_eq!(unread, ["one below targets"]);
    assert_eq!(among(&client, &updater, "y/a").unwrap().as_deref(), Some("two"));
    let (role, delegator) = (role("one"), RoleName::TARGETS);
    assert_eq!(among(&client, &updater, "x/a"), Err(Unanswered::Needs { role, delegator }));
}

#[test]
fn only_a_visit_goes_on_without_a_role() {
    let mut client = Client::new(&Collection::new());
    client.remote.remove("1.docs.json");
    let mut updater = client.updater();
    loop {
        let step = updater.step();
        assert_eq!(updater.skip(), Ok(None), "{step:?}");
        assert_eq!(updater.step(), step);
        if step == Step::Done {
            break;
        }
        client.take_step(&mut updater).unwrap();
    }
    for begin in [
        (|updater| updater.find("docs/intro.txt")) as fn(&mut Updater) -> Result<(), UpdateError>,
        |updater| updater.follow(&[role("docs")]),
        |updater| updater.follow_one(&role("docs"), &RoleName::TARGETS),
    ] {
        begin(&mut updater).unwrap();
        client.drive(&mut updater).unwrap_err();
        let step = updater.step();
        assert_eq!(updater.skip(), Ok(None));
        assert_eq!(updater.step(), step);
    }
    updater.visit(Roles::All).unwrap();
    client.drive(&mut updater).unwrap_err();
    assert_eq!(updater.skip(), Ok(Some((role("docs"), RoleName::TARGETS))));
    assert_eq!(updater.step(), Step::Done);
}

/// `targets` delegates to a team and to bins, the team to a bin of its own.
fn with_bins(bit_length: u64) -> Client {
    let mut files = BTreeMap::new();
    let bins = Bins::new("bin", bit_length).unwrap();
    let signers = role_keys(&[6], 1);
    let mut team = delegation("team", &["team/*"], &[6], 1);
    team.terminating = true;
    let prefixes = PathSet::HashPrefixes(HashPrefixes::new(["0"]));
    let own = DelegatedRole { paths: prefixes, ..delegation("own-bin", &[], &[6], 1) };
    let team_file = Draft::first_targets(in_days(9)).with_delegation(own, &[6]);
    let targets = Draft::first_targets(in_days(9)).with_delegation(team, &[6]);
    let empty = || sign(&Draft::first_targets(in_days(9)).finish(), &[6]);
    let mut divided = Draft::first_targets(in_days(9));
    divided.set_succinct(&SuccinctRoles { bins: bins.clone(), signers }, &[signer(6).key.clone()]);
    let all = delegation("all", &["*"], &[6], 1);
    let targets = targets.with_delegation(all, &[6]);
    files.insert(role("all"), sign(&divided.finish(), &[6]));
    files.insert(role("team"), sign(&team_file.finish(), &[6]));
    files.insert(role("own-bin"), empty());
    files.extend(bins.names().take(4).map(|bin| (bin, empty())));
    files.insert(RoleName::TARGETS, sign(&targets.finish(), &[TARGETS]));
    Client::new(&Collection::of(Collection::new().root, files, 1))
}

#[test]
fn teams_are_visited_without_their_bins_and_one_bin_by_its_name() {
    for (roles, expected) in [
        (Roles::All, &["team", "own-bin", "all", "bin-0", "bin-1", "bin-2", "bin-3"][..]),
        (Roles::Teams, &["team", "all"]),
        (Roles::To(role("team")), &["team"]),
        (Roles::To(role("own-bin")), &["team", "own-bin"]),
        (Roles::To(role("bin-2")), &["team", "all", "bin-2"]),
        (Roles::To(role("nobody")), &["team", "all"]),
        (Roles::To(RoleName::TARGETS), &[]),
    ] {
        let mut client = with_bins(2);
        let mut updater = client.refresh().unwrap();
        assert_eq!(visit(&mut client, &mut updater, roles.clone()), Ok(vec![]));
        assert_eq!(super::search::visited(&client), expected, "{roles:?}");
    }
}

#[test]
fn more_bins_than_roles_may_be_visited_are_not_even_listed() {
    let mut client = with_bins(32);
    client.limits.all_roles = 6;
    let mut updater = client.refresh().unwrap();
    let refused = visit(&mut client, &mut updater, Roles::All);
    assert_eq!(refused, Err(UpdateError::MoreRoles(6)));
    assert_eq!(visit(&mut client, &mut updater, Roles::Teams), Ok(vec![]));
}

#[test]
fn bins_that_are_skipped_count_so_that_none_is_left_out_in_silence() {
    // With targets, team, its bin and all there are 12 roles; half of the bins are not published.
    for (most, refused) in [(12, None), (11, Some(UpdateError::MoreRoles(11)))] {
        let mut client = with_bins(3);
        client.limits.all_roles = most;
        let mut updater = client.refresh().unwrap();
        let ended = visit(&mut client, &mut updater, Roles::All);
        assert_eq!(ended.as_ref().err(), refused.as_ref());
        if let Ok(unread) = ended {
            assert_eq!(unread, [4, 5, 6, 7].map(|bin| format!("bin-{bin} below all")));
        }
    }
}

/// `targets` delegates to these bins by itself, and to `all`, which divides names into all eight.
fn with_bins_of_two(listed: &[u8], published: &[u8]) -> Client {
    let bins = Bins::new("bin", 3).unwrap();
    let signers = role_keys(&[6], 1);
    let mut targets = Draft::first_targets(in_days(9));
    let prefixed = |bin: &u8| {
        let prefixes = PathSet::HashPrefixes(HashPrefixes::new(["0"]));
        DelegatedRole { paths: prefixes, ..delegation(&format!("bin-{bin}"), &[], &[6], 1) }
    };
    for delegated in listed.iter().map(prefixed).chain([delegation("all", &["*"], &[6], 1)]) {
        targets = targets.with_delegation(delegated, &[6]);
    }
    let mut divided = Draft::first_targets(in_days(9));
    divided.set_succinct(&SuccinctRoles { bins, signers }, &[signer(6).key.clone()]);
    let empty = || sign(&Draft::first_targets(in_days(9)).finish(), &[6]);
    let bin = |bin: &u8| (role(&format!("bin-{bin}")), empty());
    let mut files: BTreeMap<_, _> = published.iter().map(bin).collect();
    files.insert(role("all"), sign(&divided.finish(), &[6]));
    files.insert(RoleName::TARGETS, sign(&targets.finish(), &[TARGETS]));
    Client::new(&Collection::of(Collection::new().root, files, 1))
}

#[test]
fn a_role_counts_once_whoever_leads_to_it_and_whether_it_is_skipped() {
    for (listed, published) in [
        (&[0, 1, 2, 3][..], &[0, 1, 2, 3, 4, 5, 6, 7][..]),
        (&[0, 1, 2, 3], &[0, 2, 7]),
        (&[7], &[]),
    ] {
        for (most, refused) in [(10, None), (9, Some(UpdateError::MoreRoles(9)))] {
            let mut client = with_bins_of_two(listed, published);
            client.limits.all_roles = most;
            let mut updater = client.refresh().unwrap();
            let ended = visit(&mut client, &mut updater, Roles::All);
            assert_eq!(ended.err(), refused, "{listed:?} {published:?}");
        }
    }
}
