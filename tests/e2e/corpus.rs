//! Every input that fuzzing has kept, without its engine: `tests/fuzz/run` has the engine.

#[path = "../fuzz/src/targets/mod.rs"]
mod targets;

use std::collections::BTreeSet;
use std::fs;

use notary_tests::tree;

#[test]
fn no_target_breaks_on_its_corpus() {
    let corpus = tree::root().join("tests/fuzz/corpus");
    let directories = fs::read_dir(&corpus).unwrap();
    let kept: BTreeSet<String> =
        directories.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let known = targets::ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(kept, known, "each target has a corpus, and each corpus a target");
    for (name, run) in targets::ALL {
        let inputs = fs::read_dir(corpus.join(name)).unwrap();
        let inputs: Vec<_> = inputs.map(|entry| entry.unwrap().path()).collect();
        assert!(!inputs.is_empty(), "the corpus of {name} is empty");
        for input in inputs {
            // A target that breaks panics; the name of the input stands above its words.
            eprintln!("{}", input.display());
            run(&fs::read(&input).unwrap());
        }
    }
}
