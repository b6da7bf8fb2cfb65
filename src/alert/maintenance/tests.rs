//! Windows over weeks, months and the days on which clocks are changed.

use proptest::prelude::*;

use super::*;

fn window(start: &str, hours: u64, zone: &str, rule: Option<&str>) -> Maintenance {
    Maintenance {
        name: "window".into(),
        matchers: vec!["device=spine1".parse().unwrap()],
        start: start.parse().unwrap(),
        duration: Duration::from_secs(hours * 3_600),
        zone: TimeZone::get(zone).unwrap(),
        repeat: rule.map(|rule| rule.parse().unwrap()),
    }
}

fn utc(text: &str) -> Timestamp {
    Timestamp::from_micros(format!("{text}Z").parse::<jiff::Timestamp>().unwrap().as_microsecond())
}

/// The beginnings after a moment, as far as asked.
fn starts(window: &Maintenance, from: &str, count: usize) -> Vec<String> {
    let mut now = utc(from);
    let mut found = Vec::new();
    while found.len() < count {
        let Some((start, _)) = window.next(now) else { break };
        found.push(start.to_string().replace(":00.000Z", ""));
        now = start;
    }
    found
}

#[test]
fn once_is_once() {
    let once = window("2026-12-05T22:00", 6, "UTC", None);
    assert_eq!(once.current(utc("2026-12-05T21:59:59")), None);
    let whole = Some((utc("2026-12-05T22:00:00"), utc("2026-12-06T04:00:00")));
    assert_eq!(once.current(utc("2026-12-05T22:00:00")), whole);
    assert_eq!(once.current(utc("2026-12-06T03:59:59")), whole, "over midnight");
    assert_eq!(once.current(utc("2026-12-06T04:00:00")), None);
    assert_eq!(once.next(utc("2026-11-01T00:00:00")), whole, "weeks ahead");
    assert_eq!(once.next(utc("2026-12-05T22:00:00")), None);
}

#[test]
fn a_weekly_window_keeps_its_wall_clock_over_both_changes() {
    // Berlin goes to summer time on 2027-03-28 and back on 2027-10-31.
    let weekly = window("2027-03-16T02:30", 2, "Europe/Berlin", Some("FREQ=WEEKLY;BYDAY=TU,SU"));
    assert_eq!(
        starts(&weekly, "2027-03-20T00:00:00", 4),
        ["2027-03-21T01:30", "2027-03-23T01:30", "2027-03-28T01:30", "2027-03-30T00:30"],
        "on the day of the leap half past two does not exist: it begins at half past three, 01:30 UTC"
    );
    assert_eq!(
        starts(&weekly, "2027-10-30T00:00:00", 2),
        ["2027-10-31T00:30", "2027-11-02T01:30"],
        "the first of both"
    );
    let night = weekly.current(utc("2027-10-31T02:29:59")).unwrap();
    assert_eq!(night.1.since(night.0), Duration::from_secs(7_200), "two hours of real time");
    assert_eq!(weekly.current(utc("2027-10-31T02:30:00")), None);
}

#[test]
fn a_window_over_the_change_lasts_its_real_time() {
    let nightly = window("2027-03-01T23:00", 5, "America/New_York", Some("FREQ=DAILY"));
    // 2027-03-14, 02:00 EST becomes 03:00 EDT: five hours from 23:00 EST end at 05:00 EDT.
    let (start, end) = nightly.current(utc("2027-03-14T08:59:59")).unwrap();
    assert_eq!((start, end), (utc("2027-03-14T04:00:00"), utc("2027-03-14T09:00:00")));
}

#[test]
fn rules_of_rfc_5545() {
    for (rule, from, expected) in [
        ("FREQ=DAILY;INTERVAL=3", "2027-01-01T00:00:00", ["2027-01-01T01:00", "2027-01-04T01:00", "2027-01-07T01:00"]),
        ("FREQ=WEEKLY;INTERVAL=2", "2027-01-02T00:00:00", ["2027-01-15T01:00", "2027-01-29T01:00", "2027-02-12T01:00"]),
        (
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR",
            "2027-01-01T02:00:00",
            ["2027-01-11T01:00", "2027-01-15T01:00", "2027-01-25T01:00"],
        ),
        ("FREQ=MONTHLY", "2027-01-02T00:00:00", ["2027-02-01T01:00", "2027-03-01T01:00", "2027-04-01T01:00"]),
        (
            "RRULE:FREQ=MONTHLY;BYDAY=1SU",
            "2027-01-01T00:00:00",
            ["2027-01-03T01:00", "2027-02-07T01:00", "2027-03-07T01:00"],
        ),
        (
            "freq=monthly;byday=-1fr",
            "2027-01-01T00:00:00",
            ["2027-01-29T01:00", "2027-02-26T01:00", "2027-03-26T01:00"],
        ),
        (
            "FREQ=MONTHLY;BYMONTHDAY=31",
            "2027-01-01T00:00:00",
            ["2027-01-31T01:00", "2027-03-31T01:00", "2027-05-31T01:00"],
        ),
        (
            "FREQ=MONTHLY;BYMONTHDAY=-1",
            "2027-01-01T00:00:00",
            ["2027-01-31T01:00", "2027-02-28T01:00", "2027-03-31T01:00"],
        ),
        (
            "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
            "2027-01-01T00:00:00",
            ["2027-08-13T01:00", "2028-10-13T01:00", "2029-04-13T01:00"],
        ),
    ] {
        assert_eq!(starts(&window("2027-01-01T01:00", 1, "UTC", Some(rule)), from, 3), expected, "{rule}");
    }
    let until = window("2027-01-01T01:00", 1, "UTC", Some("FREQ=WEEKLY;UNTIL=20270115T235959Z"));
    assert_eq!(starts(&until, "2027-01-01T02:00:00", 9), ["2027-01-08T01:00", "2027-01-15T01:00"]);
    for wrong in [
        "",
        "FREQ=YEARLY",
        "FREQ=WEEKLY;BYDAY=1SU",
        "FREQ=MONTHLY;BYDAY=6SU",
        "FREQ=MONTHLY;BYMONTHDAY=0",
        "BYDAY=SU",
        "FREQ=DAILY;COUNT=3",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;UNTIL=soon",
        "FREQ",
    ] {
        assert!(wrong.parse::<Recurrence>().is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[A-Z0-9=;,:+-]{0,40}") {
        let _ = text.parse::<Recurrence>();
    }

    /// Inside of a window that `next` promised `current` says the same one.
    #[test]
    fn the_present_agrees_with_what_was_promised(hour in 0i8..24, days in 0i64..700, rule in prop::sample::select(vec![
        "FREQ=DAILY", "FREQ=WEEKLY;BYDAY=SA,SU", "FREQ=MONTHLY;BYDAY=-1SU", "FREQ=WEEKLY;INTERVAL=2", "FREQ=MONTHLY;BYMONTHDAY=15,-1",
    ]), zone in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"])) {
        let window = window(&format!("2026-10-01T{hour:02}:30"), 2, zone, Some(rule));
        let now = utc("2026-10-01T00:00:00") + Duration::from_secs(days as u64 * 86_400);
        let (start, end) = window.next(now).unwrap();
        prop_assert_eq!(window.current(start), Some((start, end)));
        prop_assert_eq!(window.current(end - Duration::from_secs(1)), Some((start, end)));
        prop_assert_ne!(window.current(end), Some((start, end)));
    }
}
