//! When will a direction be near its capacity, if it goes on as it did?
//!
//! From the hourly means of some weeks: a straight trend and a season of a week by the hour, which holds the daily one.
//!
//! - **Trend**: the median of all slopes between the same hours of different weeks (Theil, 1950; Sen, 1968; by season as
//!   Hirsch and Slack, 1984). The season cancels out of each, and a third of the data may be wild.
//! - **Season**: for each hour of the week the median of what is left without the trend.
//! - **Interval**: ranks of the slopes between the means of the same weekdays that hold the true slope in 80 of 100 cases
//!   (Sen's interval; hours of one day move together, so that days are what is counted, not hours).
//!
//! What is told is when trend and season first reach the threshold, and when at the earliest and latest slope. Never with
//! less than [`Settings::minimum_history`], never further ahead than the data reach back, and only where growth is
//! certain: the lower end of the interval is above zero.
//!
//! No forecasting crate is used: `augurs` 0.10.3 (MSTL and AutoETS) brings about 60 crates, took 22 ms for one series of four
//! weeks, and in that one trial its interval lay below the trend that the series was made with.

use std::time::Duration;

use crate::fabric::{
    Direction, Evidence, Finding, FindingKey, FindingKind, InterfaceId, Severity, Subject, Timestamp, Unknown, Verdict,
};

use super::phrase;
use super::threshold::Live;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// Hours of a week.
const WEEK_H: usize = 168;
/// Of a normal distribution, for an interval of 80 %.
const Z_80: f64 = 1.2816;
/// So much of the hours must be known.
const KNOWN_SHARE: f64 = 0.8;
/// A day counts with so many known hours.
const HOURS_OF_A_DAY: usize = 18;

/// `[detect.forecast]`
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Off switches the detector off.
    pub enabled: bool,
    /// Utilisation, as the mean of an hour, that is to be foreseen (0 to 1).
    pub threshold: f64,
    /// It is told from so long before.
    pub within: Duration,
    /// Nothing is said with less than this.
    pub minimum_history: Duration,
    /// How often all interfaces are looked at.
    pub every: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, threshold: 0.80, within: DAY * 30, minimum_history: DAY * 14, every: HOUR }
    }
}

/// Hourly means of one direction: what a forecast rests on.
#[derive(Clone, Debug)]
pub struct Hours {
    /// The beginning of the first.
    pub from: Timestamp,
    /// Utilisation by the hour, 0 to 1; none where it is not known.
    pub means: Vec<Option<f64>>,
}

/// How it will go on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlook {
    /// Growth a week, in shares of the capacity.
    pub growth_per_week: f64,
    /// The same, at the least and at the most (80 %).
    pub growth_interval: (f64, f64),
    /// The highest hour of the coming week.
    pub peak: f64,
    /// When the threshold is reached; none where not within what may be foreseen.
    pub reached_at: Option<Timestamp>,
    /// At the earliest.
    pub earliest: Option<Timestamp>,
    /// At the latest; none where that is further ahead than may be foreseen.
    pub latest: Option<Timestamp>,
    /// How far the data reach back.
    pub rests_on: Duration,
    /// How many hours of that are known.
    pub known_hours: usize,
}

/// Why nothing can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooLittle {
    /// The data do not reach back far enough.
    Span,
    /// Too many hours are missing.
    Gaps,
}

/// How these hours go on.
///
/// # Errors
/// [`TooLittle`], where they are too few.
pub fn outlook(settings: &Settings, hours: &Hours) -> Result<Outlook, TooLittle> {
    let first = hours.means.iter().position(Option::is_some).ok_or(TooLittle::Span)?;
    let last = hours.means.iter().rposition(Option::is_some).ok_or(TooLittle::Span)?;
    let (from, means) = (hours.from + HOUR * first as u32, &hours.means[first..=last]);
    let rests_on = HOUR * means.len() as u32;
    // Two whole weeks at least: a season needs to be seen twice.
    if rests_on < settings.minimum_history || means.len() < 2 * WEEK_H {
        return Err(TooLittle::Span);
    }
    let known_hours = means.iter().flatten().count();
    if (known_hours as f64) < KNOWN_SHARE * means.len() as f64 {
        return Err(TooLittle::Gaps);
    }
    let slope = median(&mut slopes(means, WEEK_H)).ok_or(TooLittle::Gaps)?;
    let (low, high) = interval(means).ok_or(TooLittle::Gaps)?;
    // The interval is of days, the slope of hours: where they disagree the wider one is told.
    let (low, high) = (low.min(slope), high.max(slope));

    let ahead = (settings.within.max(DAY * 7).min(rests_on).as_secs() / HOUR.as_secs()) as usize;
    let reached = |slope: f64| {
        let season = season(means, slope);
        let value = |hour: usize| season[hour % WEEK_H].map(|season| season + slope * hour as f64);
        let coming = means.len()..means.len() + ahead;
        let peak = coming.clone().take(WEEK_H).filter_map(value).fold(0.0, f64::max);
        let reached = coming.clone().find(|hour| value(*hour).is_some_and(|value| value >= settings.threshold));
        (peak, reached.map(|hour| from + HOUR * hour as u32))
    };
    let (peak, reached_at) = reached(slope);
    Ok(Outlook {
        growth_per_week: slope * WEEK_H as f64,
        growth_interval: (low * WEEK_H as f64, high * WEEK_H as f64),
        peak,
        reached_at,
        earliest: reached(high).1,
        latest: reached(low).1,
        rests_on,
        known_hours,
    })
}

/// All slopes between values a whole number of `season`s apart, per step.
fn slopes(values: &[Option<f64>], season: usize) -> Vec<f64> {
    let mut slopes = Vec::new();
    for (at, value) in values.iter().enumerate() {
        let Some(value) = value else { continue };
        let later = (at + season..values.len()).step_by(season);
        slopes.extend(later.filter_map(|later| Some((values[later]? - value) / (later - at) as f64)));
    }
    slopes
}

/// The slope per hour at the least and at the most: Sen's interval over days.
fn interval(means: &[Option<f64>]) -> Option<(f64, f64)> {
    let days: Vec<Option<f64>> = means
        .chunks(24)
        .map(|day| {
            let known: Vec<f64> = day.iter().flatten().copied().collect();
            (known.len() >= HOURS_OF_A_DAY).then(|| known.iter().sum::<f64>() / known.len() as f64)
        })
        .collect();
    let mut slopes = slopes(&days, 7);
    if slopes.is_empty() {
        return None;
    }
    slopes.sort_by(f64::total_cmp);
    // The variance of Kendall's statistic (Hirsch and Slack): of each weekday with as many weeks as it was seen.
    let variance: f64 = (0..7)
        .map(|weekday| days.iter().skip(weekday).step_by(7).flatten().count() as f64)
        .map(|weeks| weeks * (weeks - 1.0) * (2.0 * weeks + 5.0) / 18.0)
        .sum();
    let (count, reach) = (slopes.len() as f64, Z_80 * variance.sqrt());
    let rank = |rank: f64| slopes[(rank.max(0.0) as usize).min(slopes.len() - 1)] / 24.0;
    Some((rank(((count - reach) / 2.0).floor() - 1.0), rank(((count + reach) / 2.0).ceil())))
}

/// What each hour of the week is without the trend; none where it was never seen.
fn season(means: &[Option<f64>], slope: f64) -> Vec<Option<f64>> {
    let mut of_hour = Vec::new();
    (0..WEEK_H)
        .map(|hour| {
            of_hour.clear();
            let seen = (hour..means.len()).step_by(WEEK_H);
            of_hour.extend(seen.filter_map(|at| Some(means[at]? - slope * at as f64)));
            median(&mut of_hour)
        })
        .collect()
}

fn median(values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *upper;
    let lower = below.iter().copied().max_by(f64::total_cmp).filter(|_| values.len().is_multiple_of(2));
    Some(lower.map_or(upper, |lower| f64::midpoint(lower, upper)))
}

/// A direction that was looked at.
#[derive(Clone, Debug)]
pub struct Subjected {
    /// The interface that sends, or that receives from where nobody watches.
    pub interface: InterfaceId,
    /// Which direction.
    pub direction: Direction,
    /// What it is measured against, bit/s.
    pub capacity_bps: u64,
    /// What may be said.
    pub outlook: Result<Outlook, TooLittle>,
}

/// The key of a direction of an interface.
pub(super) fn key(interface: &InterfaceId, direction: Direction) -> FindingKey {
    FindingKey {
        kind: FindingKind::SaturationForecast,
        subject: Subject::Interface(interface.clone()),
        direction: Some(direction),
    }
}

/// Judge one direction.
pub(super) fn look(
    settings: &Settings,
    now: Timestamp,
    of: &Subjected,
    live: &mut Option<Live>,
) -> Option<(FindingKey, Verdict)> {
    let key = key(&of.interface, of.direction);
    let outlook = match &of.outlook {
        Ok(outlook) => outlook,
        Err(_) => return live.is_some().then_some((key, Verdict::Unknown(Unknown::Stale))),
    };
    // What was told stays while it may still come: within a quarter more than it was told from.
    let within = if live.is_some() { settings.within.mul_f64(1.25) } else { settings.within };
    let comes = outlook.growth_interval.0 > 0.0 && outlook.reached_at.is_some_and(|at| at <= now + within);
    if !comes {
        return live.take().is_some().then_some((key, Verdict::Absent));
    }
    let severity = Severity::Warning;
    *live = Some(Live { severity, since: live.map_or(Some(now), |live| live.since) });
    let finding = Finding {
        key: key.clone(),
        severity,
        class: None,
        evidence: evidence(settings, now, of, outlook),
        observed_at: now,
        // A forecast is made of weeks: it needs no more time, and it is made anew once an hour.
        pending_for: Duration::ZERO,
        keep_firing_for: DAY,
    };
    Some((key, Verdict::Present(Box::new(finding))))
}

fn evidence(settings: &Settings, now: Timestamp, of: &Subjected, outlook: &Outlook) -> Evidence {
    let date = |at: Timestamp| at.to_string().split_once('T').map_or_else(String::new, |(date, _)| date.to_owned());
    let days = |at: Timestamp| format!("{:.0} days", (at.since(now).as_secs_f64() / 86_400.0).max(0.0));
    let reached_at = outlook.reached_at.unwrap_or(now);
    let direction = match of.direction {
        Direction::Out => "sends",
        Direction::In => "receives",
    };
    let threshold = phrase::percent(settings.threshold);
    let latest = outlook
        .latest
        .map_or_else(|| format!("later than {}, as far as the data allow to look", date(now + outlook.rests_on)), date);
    let growth = |share: f64| phrase::bits(share.max(0.0) * of.capacity_bps as f64);
    Evidence {
        summary: format!(
            "{} {direction} {threshold} of {} in its busiest hours in {}, if it grows on",
            of.interface,
            phrase::speed(of.capacity_bps),
            days(reached_at)
        ),
        cause: format!(
            "Its traffic grows by {} a week, beside what days and weeks bring.",
            growth(outlook.growth_per_week)
        ),
        evidence: format!(
            "Trend and weekly season reach {threshold} on {}; in 80 of 100 cases between {} and {latest}. Growth a week {} \
             ({} to {}); busiest hour of the coming week {}. Rests on {} hourly means over {}.",
            date(reached_at),
            outlook.earliest.map_or_else(|| date(reached_at), date),
            growth(outlook.growth_per_week),
            growth(outlook.growth_interval.0),
            growth(outlook.growth_interval.1),
            phrase::percent(outlook.peak),
            outlook.known_hours,
            phrase::span(outlook.rests_on),
        ),
        action:
            "Order capacity, move traffic to parallel links, or find what grows (flows, top talkers) before it is full."
                .to_owned(),
    }
}

#[cfg(test)]
mod tests;
