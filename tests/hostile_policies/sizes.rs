//! A file costs what its size is: nothing in it stands for more than itself.

use keyward::policy_file::SIZE_MAX;

use crate::{
    attack::{lines, read, with},
    yaml,
};

/// Aliases are never followed, so that each part of a tree is some bytes of the file. What
/// a bomb would grow to is therefore seen nowhere: each alias is one fault where it stands.
#[test]
fn an_alias_is_one_fault_whatever_it_stands_for() {
    let laughs = read(yaml::billion_laughs().as_bytes()).unwrap_err();
    let aliases = yaml::billion_laughs().matches('*').count();
    let said = lines(&laughs).iter().filter(|line| line.contains("begins an alias")).count();
    assert_eq!((aliases, said), (90, 90));
    let quadratic = yaml::quadratic();
    assert!(quadratic.len() < SIZE_MAX);
    // Beside the anchor, and that there are too many roles.
    assert_eq!(read(quadratic.as_bytes()).unwrap_err().count(), 2 + quadratic.matches('*').count());
}

/// What is kept of faults does not grow with the file, beyond a thousand of them.
#[test]
fn faults_are_counted_and_not_kept_where_there_are_too_many() {
    let unknown = |count: usize| (0..count).map(|at| format!("k{at}: 1\n")).collect::<String>();
    for count in [999, 1_000, 1_001, 50_000] {
        let faults = read(with(&unknown(count)).as_bytes()).unwrap_err();
        assert_eq!((faults.kept.len(), faults.count()), (count.min(1_000), count));
    }
}

/// All that is said of a file is no more than a thousand lines of a few thousand bytes.
#[test]
fn what_is_said_of_a_large_file_is_not_larger() {
    for piece in [
        "a: ",
        "- ",
        "? a\n",
        "[a, ",
        "{a: ",
        "k: [\n",
        "*a ",
        "&a ",
        "!a ",
        "\"a\" ",
        "\u{1F600}",
        "a:\n",
        "- - - \n",
        "- a: 1\n",
        "#\n",
        "--- \n",
        "'",
        "%a\n",
        "|\n",
        "<<: ",
    ] {
        let file = piece.repeat(300_000 / piece.len());
        let faults = read(file.as_bytes()).unwrap_err();
        crate::attack::inside(file.as_bytes(), &faults);
        let said: usize = lines(&faults).iter().map(String::len).sum();
        assert!(said <= file.len(), "{piece:?}: {said}");
    }
}
