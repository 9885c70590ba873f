//! What was measured, part by part.

use std::{
    fs,
    hint::black_box,
    path::{Path, PathBuf},
};

use criterion::Criterion;
use serde_json::{Map, Value, json};

/// Whether something is part of the whole.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Is {
    Part,
    Beside,
}

/// Where criterion keeps what it measures.
pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("criterion")
}

/// One thing that was measured: medians of criterion's samples, in nanoseconds.
struct Row {
    name: String,
    is: Is,
    ns: f64,
    bounds: (f64, f64),
}

/// Everything that was measured.
pub(crate) struct Table {
    criterion: Criterion,
    directory: PathBuf,
    only: Option<String>,
    rows: Vec<Row>,
}

impl Table {
    pub(crate) fn new(criterion: Criterion, directory: PathBuf, only: Option<String>) -> Self {
        Self { criterion, directory, only, rows: Vec::new() }
    }

    /// Measures this.
    pub(crate) fn part<T>(&mut self, is: Is, group: &str, name: &str, mut work: impl FnMut() -> T) {
        let full = format!("{group}: {name}");
        if self.only.as_ref().is_some_and(|only| !full.contains(only)) {
            return;
        }
        // A name of a directory, too.
        let [group, name] =
            [group, name].map(|name| name.replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
        self.criterion
            .benchmark_group(&group)
            .bench_function(&name, |bencher| bencher.iter(|| black_box(work())));
        let file = self.directory.join(group).join(name).join("new").join("estimates.json");
        let estimates: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        let median = &estimates["median"];
        let number = |value: &Value| value.as_f64().unwrap();
        let interval = &median["confidence_interval"];
        let bounds = (number(&interval["lower_bound"]), number(&interval["upper_bound"]));
        self.rows.push(Row { name: full, is, ns: number(&median["point_estimate"]), bounds });
    }

    fn sum(&self) -> f64 {
        self.rows.iter().filter(|row| row.is == Is::Part).map(|row| row.ns).sum()
    }

    pub(crate) fn print(&self) {
        let sum = self.sum();
        println!("\n{:56} {:>10} {:>8}", "part", "ns", "share");
        for (is, heading) in [(Is::Part, None), (Is::Beside, Some("beside them"))] {
            if let Some(heading) = heading {
                println!("{:56} {sum:10.1} {:>7.1}%\n\n{heading}", "the sum of the parts", 100.0);
            }
            for Row { name, ns, .. } in self.rows.iter().filter(|row| row.is == is) {
                println!("{name:56} {ns:10.1} {:7.1}%", 100.0 * ns / sum);
            }
        }
    }

    pub(crate) fn write(&self, file: &Path) {
        let sum = self.sum();
        let mut all = Map::new();
        for Row { name, is, ns, bounds } in &self.rows {
            let row = json!({
                "median": ns, "min": bounds.0, "max": bounds.1,
                "share": ns / sum, "is_part": *is == Is::Part,
            });
            all.insert(format!("micro {name} (ns)"), row);
        }
        fs::write(file, format!("{:#}\n", Value::Object(all))).unwrap();
    }
}
