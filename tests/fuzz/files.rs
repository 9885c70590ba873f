//! Policy files: faults that stand in them, or a policy that is read again as it is printed.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::{
    attack::inside,
    reader::{LANGUAGE, try_read},
};

/// What a file of [`LENGTH_MAX`] bytes may take of a processor, in a debug build that counts what it runs through.
const TIME_MAX: Duration = Duration::from_secs(10);
/// Longer ones are for the tests of bounds.
const LENGTH_MAX: usize = 64 << 10;

fn time() -> Duration {
    let spec = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(spec.tv_sec.try_into().unwrap(), spec.tv_nsec.try_into().unwrap())
}

/// The bytes are a file.
pub(crate) fn target(input: &[u8]) {
    if input.len() > LENGTH_MAX {
        return;
    }
    let begun = time();
    let outcome = try_read(input);
    let taken = time().saturating_sub(begun);
    assert!(taken < TIME_MAX, "{taken:?} for {} bytes", input.len());
    match outcome {
        Err(faults) => inside(input, &faults),
        Ok(read) => {
            assert_eq!(read.message.scopes.len(), read.policy.document().scopes.len());
            assert!(read.policy.key_type("").is_some(), "there is a type of key by default");
            let printed = LANGUAGE.json("Policy", &read.message).unwrap();
            let again =
                try_read(&printed).unwrap_or_else(|faults| panic!("{printed}\n{faults:#?}"));
            assert_eq!(again.message, read.message, "{printed}");
            assert_eq!(again.policy.document(), read.policy.document(), "{printed}");
        }
    }
}
