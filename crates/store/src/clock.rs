//! Time as people and logs write it. No time zones but UTC, no parsing.

use std::time::{SystemTime, UNIX_EPOCH};

/// Whole seconds since 1970 in UTC.
pub fn now() -> i64 {
    unix(SystemTime::now())
}

/// Whole seconds since 1970 in UTC; 0 for anything before.
pub fn unix(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}

/// `2026-11-25T22:15:20Z`. Days to civil date after Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
pub fn rfc3339(unix: i64) -> String {
    let (days, second) = (unix.div_euclid(86_400), unix.rem_euclid(86_400));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// As [`rfc3339`], with microseconds: `2026-11-25T22:15:20.000125Z`.
pub fn micros(time: SystemTime) -> String {
    let part = time.duration_since(UNIX_EPOCH).map_or(0, |d| d.subsec_micros());
    let whole = rfc3339(unix(time));
    format!("{}.{part:06}Z", whole.trim_end_matches('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_calendar() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(1_795_644_920), "2026-11-25T22:15:20Z");
    }
}
