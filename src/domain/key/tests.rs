#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
use super::*;
use InvalidExpiration::{Past, Required, TooFar, TooLong};

const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn later(duration: Duration) -> Timestamp {
    Timestamp::from_micros(NOW.micros() + duration.as_micros() as i64)
}

fn rule(default: Option<Duration>, max: Option<Duration>, required: bool) -> ExpiryRule {
    ExpiryRule { default_ttl: default, max_ttl: max, required }
}

#[track_caller]
fn check(
    asked: Expiration,
    rule: ExpiryRule,
    expected: Result<Option<Timestamp>, InvalidExpiration>,
) {
    assert_eq!(asked.resolve(&rule, NOW), expected);
}

#[test]
fn without_rules_a_key_lives_as_it_was_asked_for() {
    let free = || rule(None, None, false);
    check(Expiration::Default, free(), Ok(None));
    check(Expiration::Never, free(), Ok(None));
    check(Expiration::After(HOUR), free(), Ok(Some(later(HOUR))));
    check(Expiration::At(later(HOUR)), free(), Ok(Some(later(HOUR))));
}

#[test]
fn the_end_must_be_after_now_and_before_the_year_10000() {
    let free = || rule(None, None, false);
    let tick = Duration::from_micros(1);
    check(Expiration::At(NOW), free(), Err(Past));
    check(Expiration::At(later(tick)), free(), Ok(Some(later(tick))));
    check(Expiration::At(Timestamp::from_micros(-1)), free(), Err(Past));
    check(Expiration::After(Duration::ZERO), free(), Err(Past));
    check(Expiration::After(Duration::MAX), free(), Err(TooFar));
    check(Expiration::At(Timestamp::from_micros(i64::MAX)), free(), Err(TooFar));
}

#[test]
fn the_maximum_holds_for_whatever_is_asked() {
    let most = || rule(None, Some(DAY), false);
    check(Expiration::After(DAY), most(), Ok(Some(later(DAY))));
    check(Expiration::After(DAY + Duration::from_micros(1)), most(), Err(TooLong(DAY)));
    check(Expiration::Never, most(), Err(TooLong(DAY)));
    check(Expiration::Default, most(), Ok(Some(later(DAY))));
}

#[test]
fn the_default_is_for_those_who_say_nothing() {
    check(Expiration::Default, rule(Some(HOUR), Some(DAY), true), Ok(Some(later(HOUR))));
    check(Expiration::Never, rule(Some(HOUR), None, false), Ok(None));
    check(Expiration::Never, rule(Some(HOUR), None, true), Err(Required));
    check(Expiration::Default, rule(None, None, true), Err(Required));
    check(Expiration::Default, rule(None, Some(DAY), true), Ok(Some(later(DAY))));
}

#[test]
fn a_value_of_a_label_that_misleads_is_refused_with_the_character_and_its_place() {
    for (value, shown) in
        [("a\tb", "U+0009"), ("a\nb", "U+000A"), ("a\u{202e}b", "U+202E"), ("a\u{2066}", "U+2066")]
    {
        let mut faults = super::super::fault::Faults::new();
        let labels = BTreeMap::from([("team".to_owned(), value.to_owned())]);
        check_labels(&labels, "key.labels", &mut faults);
        let faults = faults.finish().unwrap_err();
        assert_eq!(faults[0].field, "key.labels[\"team\"]");
        let expected = format!(
            "the value has the character {shown} at position 1, a control or change of direction"
        );
        assert_eq!(faults[0].description, expected);
    }
}
