//! Times as formats write them: strftime, and Envoy's `%f` and `%s`.

use std::{
    fmt::{self, Write as _},
    time::{SystemTime, UNIX_EPOCH},
};

use time::OffsetDateTime;

/// How a time is written, in UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clock(Vec<Piece>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Char(char),
    Year,
    Century,
    YearOfCentury,
    Month,
    MonthName(Width),
    Day,
    DayBlank,
    DayOfYear,
    WeekdayName(Width),
    /// From Monday, 1.
    Weekday,
    /// From Sunday, 0.
    WeekdayFromSunday,
    Hour,
    Hour12,
    HalfDay,
    Minute,
    Second,
    /// Digits of the fraction of the second.
    Fraction(u8),
    /// Seconds since the epoch.
    Epoch,
    /// `+0000`
    Offset,
    /// `UTC`
    Zone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    Short,
    Long,
}

/// Whether the letters of strftime that follow a `%` are known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unknown;

// === impl Clock ===

impl Clock {
    /// `2020-11-25T21:26:18.409Z`
    pub fn standard() -> Self {
        let mut clock = Self(Vec::new());
        for piece in [Piece::Year, Piece::Char('-'), Piece::Month, Piece::Char('-'), Piece::Day, Piece::Char('T')] {
            clock.0.push(piece);
        }
        clock.time_of_day();
        clock.0.extend([Piece::Char('.'), Piece::Fraction(3), Piece::Char('Z')]);
        clock
    }

    /// Reads what strftime takes, without what depends on a locale or breaks a line.
    pub fn parse(text: &str) -> Result<Self, Unknown> {
        let mut clock = Self(Vec::new());
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                if c.is_control() {
                    return Err(Unknown);
                }
                clock.0.push(Piece::Char(c));
                continue;
            }
            let piece = match chars.next().ok_or(Unknown)? {
                '%' => Piece::Char('%'),
                'Y' => Piece::Year,
                'C' => Piece::Century,
                'y' => Piece::YearOfCentury,
                'm' => Piece::Month,
                'b' | 'h' => Piece::MonthName(Width::Short),
                'B' => Piece::MonthName(Width::Long),
                'd' => Piece::Day,
                'e' => Piece::DayBlank,
                'j' => Piece::DayOfYear,
                'a' => Piece::WeekdayName(Width::Short),
                'A' => Piece::WeekdayName(Width::Long),
                'u' => Piece::Weekday,
                'w' => Piece::WeekdayFromSunday,
                'H' => Piece::Hour,
                'I' => Piece::Hour12,
                'p' => Piece::HalfDay,
                'M' => Piece::Minute,
                'S' => Piece::Second,
                's' => Piece::Epoch,
                'z' => Piece::Offset,
                'Z' => Piece::Zone,
                'f' => Piece::Fraction(9),
                'F' => {
                    clock.0.extend([Piece::Year, Piece::Char('-'), Piece::Month, Piece::Char('-')]);
                    Piece::Day
                }
                'D' => {
                    clock.0.extend([Piece::Month, Piece::Char('/'), Piece::Day, Piece::Char('/')]);
                    Piece::YearOfCentury
                }
                'R' => {
                    clock.0.extend([Piece::Hour, Piece::Char(':')]);
                    Piece::Minute
                }
                'T' => {
                    clock.time_of_day();
                    continue;
                }
                digit @ '1'..='9' if chars.next() == Some('f') => {
                    Piece::Fraction(u8::try_from(digit.to_digit(10).unwrap_or(9)).unwrap_or(9))
                }
                _ => return Err(Unknown),
            };
            clock.0.push(piece);
        }
        Ok(clock)
    }

    fn time_of_day(&mut self) {
        self.0.extend([Piece::Hour, Piece::Char(':'), Piece::Minute, Piece::Char(':'), Piece::Second]);
    }

    /// Writes `time`; one that is not between the years -9999 and 9999 counts as the epoch.
    pub fn write(&self, time: SystemTime, out: &mut impl fmt::Write) -> fmt::Result {
        let nanos = match time.duration_since(UNIX_EPOCH) {
            Ok(since) => i128::try_from(since.as_nanos()).unwrap_or(0),
            Err(before) => -i128::try_from(before.duration().as_nanos()).unwrap_or(0),
        };
        let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        self.0.iter().try_for_each(|piece| piece.write(at, out))
    }
}

// === impl Piece ===

impl Piece {
    fn write(self, at: OffsetDateTime, out: &mut impl fmt::Write) -> fmt::Result {
        match self {
            Self::Char(c) => out.write_char(c),
            Self::Year => write!(out, "{:04}", at.year()),
            Self::Century => write!(out, "{:02}", at.year().div_euclid(100)),
            Self::YearOfCentury => write!(out, "{:02}", at.year().rem_euclid(100)),
            Self::Month => write!(out, "{:02}", u8::from(at.month())),
            Self::MonthName(width) => name(&at.month(), width, out),
            Self::Day => write!(out, "{:02}", at.day()),
            Self::DayBlank => write!(out, "{:2}", at.day()),
            Self::DayOfYear => write!(out, "{:03}", at.ordinal()),
            Self::WeekdayName(width) => name(&at.weekday(), width, out),
            Self::Weekday => write!(out, "{}", at.weekday().number_from_monday()),
            Self::WeekdayFromSunday => write!(out, "{}", at.weekday().number_days_from_sunday()),
            Self::Hour => write!(out, "{:02}", at.hour()),
            Self::Hour12 => write!(out, "{:02}", (at.hour() + 11) % 12 + 1),
            Self::HalfDay => out.write_str(if at.hour() < 12 { "AM" } else { "PM" }),
            Self::Minute => write!(out, "{:02}", at.minute()),
            Self::Second => write!(out, "{:02}", at.second()),
            Self::Fraction(digits) => {
                let digits = digits.clamp(1, 9);
                let cut = at.nanosecond() / 10_u32.pow(u32::from(9 - digits));
                write!(out, "{cut:0width$}", width = usize::from(digits))
            }
            Self::Epoch => write!(out, "{}", at.unix_timestamp()),
            Self::Offset => out.write_str("+0000"),
            Self::Zone => out.write_str("UTC"),
        }
    }
}

fn name(name: &impl fmt::Display, width: Width, out: &mut impl fmt::Write) -> fmt::Result {
    match width {
        Width::Short => {
            let mut short = Initial { out, left: 3 };
            write!(short, "{name}")
        }
        Width::Long => write!(out, "{name}"),
    }
}

/// Lets the first characters through.
struct Initial<'o, W> {
    out: &'o mut W,
    left: usize,
}

impl<W: fmt::Write> fmt::Write for Initial<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars().take(self.left) {
            self.left -= 1;
            self.out.write_char(c)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
