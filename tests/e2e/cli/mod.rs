//! Does each command print what it must, and exit as it must? The scripts beside this file say, line
//! by line; [`script`] says how they are read.

mod commands;
pub(crate) mod script;

macro_rules! scripts {
    ($($name:ident)*) => {
        /// Every script of the folder.
        const SCRIPTS: &[(&str, &str)] =
            &[$((stringify!($name), include_str!(concat!(stringify!($name), ".script")))),*];
        $(
            #[test]
            fn $name() {
                script::run(stringify!($name), include_str!(concat!(stringify!($name), ".script")));
            }
        )*
    };
}

scripts! {
    administration
    adopting
    changing
    clients
    collections
    completion
    declared
    delegated_keys
    delegations
    displaced
    doctor
    exporting
    first_root
    history
    importing
    keys
    keys_elsewhere
    lifetimes
    proposing
    reading
    recovering
    repairing
    revoking
    revoking_asked
    rotating
    staging
    terminals
    transport
    trouble
    trusting
    watch
    witnessing
}

#[test]
fn every_script_of_the_folder_is_run() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/cli");
    let files = std::fs::read_dir(folder).expect("the folder of this test");
    let names = files.map(|file| file.expect("its entry").file_name().into_string());
    let names = names.map(|name| name.expect("our names are UTF-8"));
    let mut found: Vec<String> =
        names.filter_map(|name| Some(name.strip_suffix(".script")?.to_owned())).collect();
    found.sort();
    let listed: Vec<&str> = SCRIPTS.iter().map(|(name, _)| *name).collect();
    assert_eq!(found, listed);
}
