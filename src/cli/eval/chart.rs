//! Line charts as inline SVG. Colours come from the page's style sheet, so that one drawing suits
//! a dark and a light page and answers the pointer; plotting crates write colours into it.

use maud::{Markup, html};

/// Width and height of a chart in its own units.
const SIZE: (f64, f64) = (440.0, 270.0);
/// Left, top, right and bottom edge of the plane.
const PLANE: (f64, f64, f64, f64) = (46.0, 12.0, 428.0, 228.0);

/// A chart over a logarithmic axis.
pub struct Chart {
    /// What is on the horizontal axis.
    pub x_label: &'static str,
    /// What is on the vertical axis.
    pub y_label: &'static str,
    /// Marks on the horizontal axis, ascending and positive.
    pub x_ticks: Vec<f64>,
    /// One line for each sampler.
    pub lines: Vec<Line>,
    /// A level to compare with, and its name.
    pub baseline: Option<(f64, &'static str)>,
}

/// A line through some points.
pub struct Line {
    /// Its name.
    pub name: &'static str,
    /// The number of its colour in the style sheet.
    pub color: usize,
    /// Points, ascending in x.
    pub points: Vec<Point>,
}

/// A point of a line.
pub struct Point {
    /// Positive.
    pub x: f64,
    /// Any number.
    pub y: f64,
    /// What the pointer shows.
    pub title: String,
}

impl Chart {
    /// The chart; none where there is nothing to draw.
    pub fn draw(&self) -> Option<Markup> {
        let scale = Scale::of(self)?;
        let (left, top, right, bottom) = PLANE;
        let (width, height) = SIZE;
        let middle = (top + bottom) / 2.0;
        Some(html! {
            svg viewBox={ "0 0 " (width) " " (height) } role="img"
                aria-label={ (self.y_label) " by " (self.x_label) } {
                @for tick in &scale.y_ticks {
                    @let y = round(scale.y(*tick));
                    line.grid x1=(left) x2=(right) y1=(y) y2=(y) {}
                    text.tick x=(left - 6.0) y=(y + 3.5) text-anchor="end" { (number(*tick)) }
                }
                @for tick in &self.x_ticks {
                    @let x = round(scale.x(*tick));
                    line.notch x1=(x) x2=(x) y1=(bottom) y2=(bottom + 4.0) {}
                    text.tick x=(x) y=(bottom + 16.0) text-anchor="middle" { (number(*tick)) }
                }
                line.axis x1=(left) x2=(right) y1=(bottom) y2=(bottom) {}
                text.label x=((left + right) / 2.0) y=(height - 6.0) text-anchor="middle" {
                    (self.x_label)
                }
                text.label transform={ "translate(11 " (middle) ") rotate(-90)" }
                    text-anchor="middle" { (self.y_label) }
                @if let Some((level, name)) = self.baseline {
                    @let y = round(scale.y(level));
                    line.baseline x1=(left) x2=(right) y1=(y) y2=(y) {}
                    text.tick x=(right) y=(y - 4.0) text-anchor="end" { (name) }
                }
                @for line in &self.lines {
                    g.line style={ "--c:var(--s" (line.color) ")" } {
                        polyline points=(scale.path(&line.points)) {}
                        @for point in &line.points {
                            circle cx=(round(scale.x(point.x))) cy=(round(scale.y(point.y))) r="3.5" {
                                title { (line.name) ": " (point.title) }
                            }
                        }
                    }
                }
            }
        })
    }
}

/// Where numbers lie in the plane.
struct Scale {
    x: (f64, f64),
    y: (f64, f64),
    y_ticks: Vec<f64>,
}

impl Scale {
    fn of(chart: &Chart) -> Option<Self> {
        let points = || chart.lines.iter().flat_map(|line| &line.points);
        let xs = points().map(|point| point.x).chain(chart.x_ticks.clone());
        let ys = points()
            .map(|point| point.y)
            .chain(chart.baseline.map(|(level, _)| level));
        let x = range(xs.map(f64::ln))?;
        let (low, high) = range(ys)?;
        points().next()?;
        let step = tick_step((high - low).max(high.abs() * 0.02).max(1e-6));
        let (first, last) = ((low / step).floor() as i64, (high / step).ceil() as i64);
        let y_ticks: Vec<f64> = (first..=last.max(first + 1))
            .map(|tick| tick as f64 * step)
            .collect();
        Some(Self {
            x,
            y: range(y_ticks.iter().copied())?,
            y_ticks,
        })
    }

    fn x(&self, value: f64) -> f64 {
        // Room beside the first and the last mark.
        let (left, right) = (PLANE.0 + 14.0, PLANE.2 - 14.0);
        between(self.x, value.ln(), left, right)
    }

    fn y(&self, value: f64) -> f64 {
        between(self.y, value, PLANE.3, PLANE.1)
    }

    fn path(&self, points: &[Point]) -> String {
        let points: Vec<String> = points
            .iter()
            .map(|point| format!("{},{}", round(self.x(point.x)), round(self.y(point.y))))
            .collect();
        points.join(" ")
    }
}

/// Smallest and largest; none where there are none, or one is no number.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    (low.is_finite() && high.is_finite()).then_some((low, high))
}

fn between((low, high): (f64, f64), value: f64, start: f64, end: f64) -> f64 {
    let share = if high > low {
        (value - low) / (high - low)
    } else {
        0.5
    };
    start + share * (end - start)
}

/// A step of 1, 2 or 5 times a power of ten, of which four to ten make the span.
fn tick_step(span: f64) -> f64 {
    let power = 10f64.powf((span / 4.0).log10().floor());
    [5.0, 2.0, 1.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| span / step >= 4.0)
        .unwrap_or(power)
}

/// Marks of 1, 2 and 5 times powers of ten, as many as are within the values and one on each
/// side.
pub fn decades(values: &[f64]) -> Vec<f64> {
    let Some((low, high)) = range(values.iter().copied().filter(|value| *value > 0.0)) else {
        return Vec::new();
    };
    let powers = (low.log10().floor() as i32)..=(high.log10().ceil() as i32);
    let marks: Vec<f64> = powers
        .flat_map(|power| [1.0, 2.0, 5.0].map(|factor| factor * 10f64.powi(power)))
        .collect();
    let first = marks.iter().rposition(|mark| *mark <= low).unwrap_or(0);
    let last = marks
        .iter()
        .position(|mark| *mark >= high)
        .unwrap_or(marks.len() - 1);
    marks[first..=last.max(first)].to_vec()
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// A number without digits that say nothing.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0" } else { text }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: &[(f64, f64)]) -> Chart {
        let points = points
            .iter()
            .map(|&(x, y)| Point {
                x,
                y,
                title: "<score>".to_owned(),
            })
            .collect();
        Chart {
            x_label: "steps",
            y_label: "score",
            x_ticks: vec![1.0, 2.0, 4.0],
            lines: vec![Line {
                name: "lcm",
                color: 0,
                points,
            }],
            baseline: Some((10.0, "chance")),
        }
    }

    #[test]
    fn every_point_is_inside_the_plane_and_text_is_escaped() {
        let drawn = chart(&[(1.0, 12.0), (2.0, 30.5), (4.0, 30.5)])
            .draw()
            .unwrap();
        let svg = drawn.into_string();
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(svg.contains("lcm: &lt;score&gt;"));
        let (left, top, right, bottom) = PLANE;
        for circle in svg.split("<circle").skip(1) {
            let place = |name: &str| -> f64 {
                let value = circle.split(name).nth(1).unwrap();
                value.split('"').nth(1).unwrap().parse().unwrap()
            };
            assert!((left..=right).contains(&place("cx=")), "{circle}");
            assert!((top..=bottom).contains(&place("cy=")), "{circle}");
        }
    }

    #[test]
    fn nothing_and_one_value_are_no_trouble() {
        assert!(chart(&[]).draw().is_none());
        let flat = chart(&[(1.0, 10.0)]).draw().unwrap().into_string();
        assert!(!flat.contains("NaN"), "{flat}");
    }

    #[test]
    fn marks_are_round_and_enclose_the_values() {
        assert_eq!(decades(&[30.0, 450.0]), [20.0, 50.0, 100.0, 200.0, 500.0]);
        assert_eq!(decades(&[]), Vec::<f64>::new());
        assert_eq!(tick_step(20.0), 5.0);
        assert_eq!(tick_step(0.5), 0.1);
        assert_eq!(
            (number(0.25), number(-0.0), number(50.0)),
            ("0.25".into(), "0".into(), "50".into())
        );
    }
}
