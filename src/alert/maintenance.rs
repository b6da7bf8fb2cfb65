//! Maintenance windows: work that is planned, once or again and again, weeks ahead.
//!
//! The recurrence is that of RFC 5545 §3.3.10 as far as windows need it: FREQ=DAILY, WEEKLY or MONTHLY with INTERVAL,
//! BYDAY (with a number for months: `1SU`, `-1FR`), BYMONTHDAY and UNTIL. A window begins at its time of day on the
//! wall clock of its zone, summer or winter; where the clock leaps over that time it begins after the leap, where the
//! clock shows it twice, at the first. It lasts its duration in real time.

use std::time::Duration;

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;

use crate::fabric::{Labels, Timestamp};

use super::matcher::{Matcher, all_match};

/// None lasts longer: a longer one is no window but a state.
pub const LONGEST_WINDOW: Duration = Duration::from_secs(31 * 86_400);

/// How far ahead the next beginning is looked for, days: four years hold every date there is.
const AHEAD_DAYS: i64 = 4 * 366;

/// `[[maintenance]]`
#[derive(Clone, Debug, PartialEq)]
pub struct Maintenance {
    /// Its name, for people.
    pub name: String,
    /// Which alerts; all must hold.
    pub matchers: Vec<Matcher>,
    /// The first beginning, on the wall clock.
    pub start: DateTime,
    /// How long it lasts.
    pub duration: Duration,
    /// Whose wall clock.
    pub zone: TimeZone,
    /// When it comes again; none for once.
    pub repeat: Option<Recurrence>,
}

/// When a window comes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recurrence {
    /// How often.
    pub frequency: Frequency,
    /// Every so many days, weeks or months.
    pub interval: u32,
    /// BYDAY: on these days; of a month the nth, or from its end the -nth, where a number is given.
    pub days: Vec<(Option<i8>, Weekday)>,
    /// BYMONTHDAY: from its end where negative.
    pub month_days: Vec<i8>,
    /// UNTIL: the last day on which one may begin.
    pub until: Option<Date>,
}

/// FREQ
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frequency {
    /// DAILY
    Daily,
    /// WEEKLY
    Weekly,
    /// MONTHLY
    Monthly,
}

impl Maintenance {
    /// Are alerts with these labels meant?
    pub fn matches(&self, labels: &Labels) -> bool {
        all_match(&self.matchers, labels)
    }

    /// The window that holds now, as its beginning and its end.
    pub fn current(&self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let today = self.local(now)?.date();
        let back = i64::try_from(self.duration.as_secs() / 86_400).ok()? + 2;
        (0..=back)
            .filter_map(|days| today.checked_sub(jiff::Span::new().days(days)).ok())
            .filter_map(|date| self.on(date))
            .find(|(start, end)| *start <= now && now < *end)
    }

    /// The next window that begins after now.
    pub fn next(&self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let today = self.local(now)?.date().max(self.start.date());
        (0..=AHEAD_DAYS)
            .filter_map(|days| today.checked_add(jiff::Span::new().days(days)).ok())
            .filter_map(|date| self.on(date))
            .find(|(start, _)| *start > now)
    }

    /// The window that begins on a day.
    fn on(&self, date: Date) -> Option<(Timestamp, Timestamp)> {
        let falls = match &self.repeat {
            None => date == self.start.date(),
            Some(repeat) => repeat.falls_on(self.start.date(), date),
        };
        if !falls {
            return None;
        }
        let begins = self.zone.to_timestamp(date.to_datetime(self.start.time())).ok()?;
        let start = Timestamp::from_micros(begins.as_microsecond());
        Some((start, start + self.duration))
    }

    fn local(&self, now: Timestamp) -> Option<DateTime> {
        Some(self.zone.to_datetime(jiff::Timestamp::from_microsecond(now.as_micros()).ok()?))
    }
}

impl Recurrence {
    fn falls_on(&self, first: Date, date: Date) -> bool {
        if date < first || self.until.is_some_and(|until| date > until) {
            return false;
        }
        let interval = i64::from(self.interval.max(1));
        let by_month_day = self.month_days.is_empty() || self.month_days.iter().any(|day| is_month_day(date, *day));
        let by_day =
            self.days.iter().any(|(nth, day)| date.weekday() == *day && nth.is_none_or(|nth| is_nth(date, nth)));
        match self.frequency {
            Frequency::Daily => {
                days_between(first, date) % interval == 0 && by_month_day && (self.days.is_empty() || by_day)
            }
            Frequency::Weekly => {
                // Weeks begin on Monday, RFC 5545's default for WKST.
                let weeks = (days_between(monday_of(first), monday_of(date))) / 7;
                let day = if self.days.is_empty() { date.weekday() == first.weekday() } else { by_day };
                weeks % interval == 0 && day && by_month_day
            }
            Frequency::Monthly => {
                let months = i64::from(date.year() - first.year()) * 12 + i64::from(date.month() - first.month());
                let day = match (self.days.is_empty(), self.month_days.is_empty()) {
                    (true, true) => date.day() == first.day(),
                    (true, false) => by_month_day,
                    (false, _) => by_day && by_month_day,
                };
                months % interval == 0 && day
            }
        }
    }
}

fn is_month_day(date: Date, day: i8) -> bool {
    if day > 0 { date.day() == day } else { date.day() - date.days_in_month() - 1 == day }
}

/// The nth of its weekday in its month.
fn is_nth(date: Date, nth: i8) -> bool {
    let (from_start, from_end) = ((date.day() - 1) / 7 + 1, (date.days_in_month() - date.day()) / 7 + 1);
    if nth > 0 { from_start == nth } else { -from_end == nth }
}

fn monday_of(date: Date) -> Date {
    let back = i64::from(date.weekday().to_monday_zero_offset());
    date.checked_sub(jiff::Span::new().days(back)).unwrap_or(date)
}

fn days_between(from: Date, to: Date) -> i64 {
    from.until(to).map_or(0, |span| i64::from(span.get_days()))
}

/// RFC 5545's text for a recurrence, without the name `RRULE:` before it or with it.
impl std::str::FromStr for Recurrence {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut frequency = None;
        let mut rule =
            Self { frequency: Frequency::Daily, interval: 1, days: Vec::new(), month_days: Vec::new(), until: None };
        for part in text.trim().trim_start_matches("RRULE:").split(';').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').ok_or_else(|| format!("{part:?} is not KEY=VALUE"))?;
            match key.trim().to_ascii_uppercase().as_str() {
                "FREQ" => {
                    frequency = Some(match value.trim().to_ascii_uppercase().as_str() {
                        "DAILY" => Frequency::Daily,
                        "WEEKLY" => Frequency::Weekly,
                        "MONTHLY" => Frequency::Monthly,
                        other => return Err(format!("FREQ={other} is not known; it is DAILY, WEEKLY or MONTHLY")),
                    });
                }
                "INTERVAL" => {
                    let number = value.trim().parse().ok().filter(|number| (1..=366).contains(number));
                    rule.interval = number.ok_or_else(|| format!("INTERVAL={value} is not a number from 1 to 366"))?;
                }
                "BYDAY" => rule.days = value.split(',').map(weekday).collect::<Result<_, _>>()?,
                "BYMONTHDAY" => rule.month_days = value.split(',').map(month_day).collect::<Result<_, _>>()?,
                "UNTIL" => {
                    let digits =
                        value.trim().get(..8).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
                    let parsed = digits.and_then(|digits| Date::strptime("%Y%m%d", digits).ok());
                    rule.until = Some(parsed.ok_or_else(|| format!("UNTIL={value} is not a day such as 20271231"))?);
                }
                other => {
                    return Err(format!(
                        "{other} is not known here; there are FREQ, INTERVAL, BYDAY, BYMONTHDAY and UNTIL"
                    ));
                }
            }
        }
        rule.frequency = frequency.ok_or("FREQ is missing")?;
        if rule.frequency != Frequency::Monthly && rule.days.iter().any(|(nth, _)| nth.is_some()) {
            return Err("a number before a day, as in 1SU, has a meaning with FREQ=MONTHLY only".into());
        }
        Ok(rule)
    }
}

fn weekday(text: &str) -> Result<(Option<i8>, Weekday), String> {
    let text = text.trim();
    let wrong =
        || format!("{text:?} is no day; they are MO TU WE TH FR SA SU, in months with a number such as 1SU or -1FR");
    let at = text.find(|char: char| char.is_ascii_alphabetic()).ok_or_else(wrong)?;
    let (number, name) = text.split_at(at);
    let day = match name.to_ascii_uppercase().as_str() {
        "MO" => Weekday::Monday,
        "TU" => Weekday::Tuesday,
        "WE" => Weekday::Wednesday,
        "TH" => Weekday::Thursday,
        "FR" => Weekday::Friday,
        "SA" => Weekday::Saturday,
        "SU" => Weekday::Sunday,
        _ => return Err(wrong()),
    };
    if number.is_empty() {
        return Ok((None, day));
    }
    let nth: i8 = number.trim_start_matches('+').parse().map_err(|_| wrong())?;
    if nth == 0 || nth.abs() > 5 { Err(wrong()) } else { Ok((Some(nth), day)) }
}

fn month_day(text: &str) -> Result<i8, String> {
    let day = text.trim().parse::<i8>().ok().filter(|day| *day != 0 && day.abs() <= 31);
    day.ok_or_else(|| format!("{text:?} is no day of a month; they are 1 to 31, from its end -1 to -31"))
}

#[cfg(test)]
mod tests;
