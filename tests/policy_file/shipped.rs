//! The policies that come with Keyward.

use std::{fs, path::Path};

use crate::{schema::VALIDATOR, support::read, yaml::json};

#[test]
fn each_has_no_faults_and_is_of_the_schema() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let mut count = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let file = fs::read_to_string(&path).unwrap();
        read(&file);
        let refused =
            VALIDATOR.validate(&json(&file).unwrap()).err().map(|error| error.to_string());
        assert_eq!(refused, None, "{}", path.display());
        count += 1;
    }
    assert!(count > 0, "there are policies");
}
